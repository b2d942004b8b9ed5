package asleep

import "slices"

// Immutable reports whether the report will never change again: its state is
// COMPLETE and it is not marked IN_PROGRESS. Only such a report may be kept
// for long; having a Stat is not the test. Immutable is not undeletable: the
// session may still be gone tomorrow. The Timezone is part of what is
// immutable, for the same night is written differently in another one.
func (r *Report) Immutable() bool {
	return r != nil && r.Session.State == SessionStateComplete && !r.Has(PeculiarityInProgress)
}

// Has reports whether the report bears the peculiarity.
func (r *Report) Has(p Peculiarity) bool { return slices.Contains(r.Peculiarities, p) }

// Has reports whether the period bears the peculiarity.
func (a *AverageStats) Has(p Peculiarity) bool { return slices.Contains(a.Peculiarities, p) }
