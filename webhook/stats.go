package webhook

import (
	"maps"

	"github.com/asleep-sdk/asleep/store"
)

// ReceiverStats counts since the receiver was made.
type ReceiverStats struct {
	Stored     uint64 // new events
	Revised    uint64 // new bodies of known events
	Duplicates uint64
	Erased     uint64            // of users or sessions that were erased; nothing was kept
	Unknown    uint64            // of those stored or revised: of a kind that this program does not know
	Incomplete uint64            // of those stored or revised: see Event.Check
	Rejected   map[string]uint64 // by the code of the problem
	Reasons    map[string]uint64 // of those unauthorized: "wrong x-api-key" and so on
	InFlight   int
	Backlog    int // events that are not done, at most; 0 before the first, and without a limit
	Verifier   VerifierStats
}

// Stats returns a snapshot.
func (r *Receiver) Stats() ReceiverStats {
	c := &r.counters
	out := ReceiverStats{
		Stored: c.results[store.Stored].Load(), Revised: c.results[store.Revised].Load(),
		Duplicates: c.results[store.Duplicate].Load(), Erased: c.results[store.Refused].Load(),
		Unknown: c.unknown.Load(), Incomplete: c.incomplete.Load(),
		InFlight: int(c.inFlight.Load()), Verifier: r.verifier.Stats(),
	}
	if r.backlog.counted.Load() != 0 {
		out.Backlog = int(max(r.backlog.upper(), 0))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Rejected, out.Reasons = maps.Clone(c.rejected), maps.Clone(c.reasons)
	return out
}
