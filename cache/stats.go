package cache

import "sync/atomic"

// Stats is a snapshot of a cache. Counts are since it was made.
type Stats struct {
	Near TierStats
	Far  TierStats
	// NearUse is what the near tier says of itself.
	NearUse NearStats

	Loads      uint64 // times the service was asked
	LoadErrors uint64 // of which failed, "no such thing" aside
	Panics     uint64 // and panicked, in loads that may be shared
	Joined     uint64 // calls that waited for a load that was under way
	LeaseWaits uint64 // loads that waited for another process
	UnderWay   int    // loads now
	Stale      uint64 // answers with a value whose time had passed

	Invalidations, Erasures uint64
	// Deferred is the number of owners whose invalidation the far tier or the
	// other processes are still to be told of.
	Deferred int
	// Journaled is the number of erasures in the journal.
	Journaled int

	FarShut     bool   // the far tier, or a part of it, is passed by now
	FarShuts    uint64 // times that it was shut
	FarErrors   uint64 // operations that failed
	FarPassed   uint64 // operations that were not made, as it was shut
	FarForeign  uint64 // values that could not be read, and were removed
	FarFills    uint64 // values stored
	FarFenced   uint64 // values refused, as their owner's were taken back meanwhile
	BusNotices  uint64 // invalidations by others
	BusListened uint64 // times that listening began: each after the first flushed the near tier
}

// TierStats counts what a tier was asked and could answer.
type TierStats struct{ Hits, Misses uint64 }

type counters struct {
	nearHits, nearMisses, farHits, farMisses           atomic.Uint64
	loads, loadErrors, panics, joined, leaseWaits      atomic.Uint64
	stale, invalidations, erasures                     atomic.Uint64
	shuts, farErrors, passedBy, foreign, fills, fenced atomic.Uint64
	notices, gaps                                      atomic.Uint64
}

// Stats returns a snapshot. It is cheap and safe to call at any time; of a nil
// cache it is zero.
func (c *Cache) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	n := &c.count
	s := Stats{
		Near:  TierStats{Hits: n.nearHits.Load(), Misses: n.nearMisses.Load()},
		Far:   TierStats{Hits: n.farHits.Load(), Misses: n.farMisses.Load()},
		Loads: n.loads.Load(), LoadErrors: n.loadErrors.Load(), Panics: n.panics.Load(),
		Joined: n.joined.Load(), LeaseWaits: n.leaseWaits.Load(), UnderWay: c.loads.underway(), Stale: n.stale.Load(),
		Invalidations: n.invalidations.Load(), Erasures: n.erasures.Load(), Deferred: c.deferred(),
		FarShuts: n.shuts.Load(), FarErrors: n.farErrors.Load(), FarPassed: n.passedBy.Load(), FarForeign: n.foreign.Load(),
		FarFills: n.fills.Load(), FarFenced: n.fenced.Load(), BusNotices: n.notices.Load(), BusListened: n.gaps.Load(),
	}
	if c.near != nil {
		s.NearUse = c.near.Stats()
	}
	if c.guard != nil {
		if c.guard.diary != nil {
			s.Journaled = len(c.guard.diary.Pending())
		}
		s.FarShut = c.guard.shut()
	}
	return s
}
