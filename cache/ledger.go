package cache

import "time"

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

// paid crosses out what was told, unless more was written down since.
func (l *ledger) paid(owner Owner, scope Scope) {
	if l.owed[owner] == scope {
		delete(l.owed, owner)
	}
}

// settled reports whether nothing is owed.
func (l *ledger) settled() bool { return len(l.owed) == 0 && !time.Now().Before(l.lapsed) }
