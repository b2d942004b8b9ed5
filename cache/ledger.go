package cache

import (
	"iter"
	"time"
)

// maxOwed bounds a ledger: about 16 MB.
const maxOwed = 1 << 17

// ledger is the invalidations that somebody is still to be told of. Those of
// changing values may be dropped when it is full, for such values go by
// themselves in a while; erasures are never.
type ledger struct {
	owed map[Owner]Scope
	// lapsed is when everything that was dropped has gone by itself.
	lapsed time.Time
}

// add writes down an invalidation; lapse is the time after which it is needless.
func (l *ledger) add(owner Owner, scope Scope, lapse time.Duration) {
	if l.owed == nil {
		l.owed = make(map[Owner]Scope)
	}
	if _, known := l.owed[owner]; !known && scope == Changing && len(l.owed) >= maxOwed {
		l.lapsed = time.Now().Add(lapse)
		return
	}
	l.owed[owner] = max(scope, l.owed[owner])
}

// next returns one of them; which, does not matter.
func (l *ledger) next() (owner Owner, scope Scope, ok bool) {
	for owner, scope := range l.owed {
		return owner, scope, true
	}
	return "", 0, false
}

// paid crosses out what was told, and reports false if more was written down since.
func (l *ledger) paid(owner Owner, scope Scope) bool {
	if l.owed[owner] != scope {
		return false
	}
	delete(l.owed, owner)
	return true
}

// settled reports whether nothing is owed.
func (l *ledger) settled() bool { return len(l.owed) == 0 && !time.Now().Before(l.lapsed) }

// recollection is what the tier was told within a time, which the methods are given.
type recollection struct {
	of     map[Owner]recalled
	pruned time.Time
}

type recalled struct {
	scope Scope
	at    time.Time // when it was first told
}

// add notes an invalidation. One that is told again is no younger for it, or a tier that
// comes and goes would be told the same for ever.
func (r *recollection) add(owner Owner, scope Scope, within time.Duration, again bool) {
	now := time.Now()
	if now.Sub(r.pruned) > within {
		for old, n := range r.of {
			if now.Sub(n.at) > within {
				delete(r.of, old)
			}
		}
		r.pruned = now
	}
	if r.of == nil {
		r.of = make(map[Owner]recalled)
	}
	old, known := r.of[owner]
	switch {
	case again && known && now.Sub(old.at) <= within:
	case known || len(r.of) < maxOwed || scope == Everything:
		r.of[owner] = recalled{max(scope, old.scope), now}
	}
}

// since yields what was told within the time.
func (r *recollection) since(within time.Duration) iter.Seq2[Owner, Scope] {
	return func(yield func(Owner, Scope) bool) {
		now := time.Now()
		for owner, n := range r.of {
			if now.Sub(n.at) <= within && !yield(owner, n.scope) {
				return
			}
		}
	}
}

func (r *recollection) empty(within time.Duration) bool {
	for range r.since(within) {
		return false
	}
	return true
}
