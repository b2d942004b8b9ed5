package cache

import (
	"context"
	"sync"
)

// busline is the bus as the cache uses it: it listens for the notices of others
// and sends its own, again if need be.
type busline struct {
	cache  *Cache
	bus    Bus
	limits Guard
	name   string // the sender in our notices

	mu      sync.Mutex
	owed    ledger
	sending bool
}

// listen subscribes until the cache is closed.
func (b *busline) listen() {
	c := b.cache
	wait := b.limits.Probe
	listener := Listener{
		Notice: func(n Notice) {
			if n.From != b.name {
				c.dropNear(n.Owner, n.Scope)
				if c.guard != nil {
					c.guard.heard(n)
				}
				c.count.notices.Add(1) // last, so that whoever sees it sees what it did
			}
		},
		Gap: func() {
			wait = b.limits.Probe
			c.loads.strikeAll()
			c.flushNear()
			c.count.gaps.Add(1)
		},
	}
	for {
		_ = b.bus.Subscribe(c.life, listener) // whatever the reason, it is tried again
		if c.guard != nil && c.life.Err() == nil {
			c.guard.doubt() // the far tier may have ended with the connection
		}
		if !pause(c.life, wait) {
			return
		}
		wait = min(2*wait, b.limits.ProbeMax)
	}
}

// tell sends a notice, or writes it down to be sent later.
func (b *busline) tell(ctx context.Context, owner Owner, scope Scope) error {
	err := b.publish(ctx, owner, scope)
	if err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed.add(owner, scope, 0)
	if !b.sending {
		b.sending = b.cache.spawn(b.resend)
	}
	return err
}

func (b *busline) publish(ctx context.Context, owner Owner, scope Scope) error {
	ctx, cancel := context.WithTimeout(ctx, b.limits.InvalidateBudget)
	defer cancel()
	return b.bus.Publish(ctx, Notice{From: b.name, Owner: owner, Scope: scope})
}

// resend sends what is owed until nothing is.
func (b *busline) resend() {
	for wait := b.limits.Probe; pause(b.cache.life, wait); wait = min(2*wait, b.limits.ProbeMax) {
		if b.makeUp(b.cache.life) {
			return
		}
	}
}

func (b *busline) makeUp(ctx context.Context) bool {
	for {
		b.mu.Lock()
		owner, scope, ok := b.owed.next()
		b.sending = ok
		b.mu.Unlock()
		if !ok {
			return true
		}
		if b.publish(ctx, owner, scope) != nil {
			return false
		}
		b.mu.Lock()
		b.owed.paid(owner, scope)
		b.mu.Unlock()
	}
}
