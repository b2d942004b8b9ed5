package cache

import (
	"fmt"
	"time"
)

// Option configures a [Cache]. Of the same one the last wins.
type Option func(*settings)

type settings struct {
	far      Far
	bus      Bus
	keep     Keep
	guard    Guard
	journal  Journal
	problems []error
}

// WithFar adds a tier that processes share. If it is a [Leaser] or a [Bus] too,
// those are used.
func WithFar(far Far) Option {
	return func(s *settings) {
		s.far = far
		if bus, ok := far.(Bus); ok && s.bus == nil {
			s.bus = bus
		}
	}
}

// WithBus tells other processes by bus, in place of the far tier's own.
func WithBus(bus Bus) Option { return func(s *settings) { s.bus = bus } }

// WithKeep replaces [DefaultKeep].
func WithKeep(k Keep) Option { return func(s *settings) { s.keep = k } }

// WithGuard replaces [DefaultGuard]. Zero fields take its values, but for Lease,
// where zero is off.
func WithGuard(g Guard) Option { return func(s *settings) { s.guard = g } }

// Journal keeps over the end of the process which erasures the far tier is still to be told
// of: package cache/journal has one in a file. It is safe for concurrent use.
type Journal interface {
	// Pending returns those that are in it. A new cache tells the far tier of them before
	// it reads from there.
	Pending() []Owner
	// Add writes one down, unless it is in it; it is there for good when Add returns.
	Add(owner Owner) error
	// Remove crosses one out that was told. If that gets lost, it is told again.
	Remove(owner Owner) error
}

// WithJournal has erasures outlive the process that the far tier could not be told of. It
// is for a cache with a far tier; every process has one of its own.
func WithJournal(j Journal) Option { return func(s *settings) { s.journal = j } }

// Guard bounds what a far tier and a bus may cost.
type Guard struct {
	// Budget bounds one operation on the far tier in the way of a call.
	Budget time.Duration
	// InvalidateBudget bounds one operation of Invalidate and Erase, and of the
	// probe.
	InvalidateBudget time.Duration
	// Failures in a row shut the tier.
	Failures int
	// Probe is the pause before a tier that is shut is tried again, and a bus that
	// was lost; it doubles up to ProbeMax.
	Probe, ProbeMax time.Duration
	// Lease is how long one process may load a key before another one may, and
	// how long others wait for it at most. 0 uses no leases.
	Lease time.Duration
	// Poll is the first pause between looks whether the process with the lease is
	// done; it doubles up to four times that.
	Poll time.Duration
	// Recall is for how long an invalidation that was told is told again after
	// trouble, in case a server that took over had not heard of it.
	Recall time.Duration
}

// DefaultGuard is 20 ms for an operation of a call and 100 ms for an
// invalidation, shut after 3 failures, probed after 100 ms to 5 s, leases of 5 s
// polled every 5 to 20 ms. What was told within 30 s is told again after trouble.
func DefaultGuard() Guard {
	return Guard{
		Budget: 20 * time.Millisecond, InvalidateBudget: 100 * time.Millisecond, Failures: 3,
		Probe: 100 * time.Millisecond, ProbeMax: 5 * time.Second, Lease: 5 * time.Second, Poll: 5 * time.Millisecond,
		Recall: 30 * time.Second,
	}
}

func (s *settings) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Errorf("asleep/cache: %w: %s", ErrConfig, fmt.Sprintf(format, args...)))
}

// check judges all figures and fills those left out.
func (s *settings) check() {
	g, byDefault := &s.guard, DefaultGuard()
	for _, f := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"Keep.Durable", &s.keep.Durable, 0},
		{"Keep.Mutable", &s.keep.Mutable, 0},
		{"Keep.Unfinished", &s.keep.Unfinished, 0},
		{"Keep.Absent", &s.keep.Absent, 0},
		{"Keep.Backstop", &s.keep.Backstop, 0},
		{"Keep.StaleIfError", &s.keep.StaleIfError, 0},
		{"Guard.Budget", &g.Budget, byDefault.Budget},
		{"Guard.InvalidateBudget", &g.InvalidateBudget, byDefault.InvalidateBudget},
		{"Guard.Probe", &g.Probe, byDefault.Probe},
		{"Guard.ProbeMax", &g.ProbeMax, max(byDefault.ProbeMax, g.Probe)},
		{"Guard.Lease", &g.Lease, 0},
		{"Guard.Poll", &g.Poll, byDefault.Poll},
		{"Guard.Recall", &g.Recall, byDefault.Recall},
	} {
		if *f.value < 0 {
			s.problem("%s is %v: give 0 or more", f.name, *f.value)
		}
		if *f.value == 0 {
			*f.value = f.or
		}
	}
	if s.journal != nil && s.far == nil {
		s.problem("a journal without a far tier: there is nobody to be told")
	}
	if g.Failures < 0 {
		s.problem("Guard.Failures is %d: give 0 or more", g.Failures)
	}
	if g.Failures == 0 {
		g.Failures = byDefault.Failures
	}
	if g.Probe > g.ProbeMax {
		s.problem("Guard.Probe %v is longer than ProbeMax %v: give a shorter Probe", g.Probe, g.ProbeMax)
	}
}
