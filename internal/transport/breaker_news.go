package transport

import (
	"slices"
	"sync/atomic"
)

// newsdesk keeps the changes of a breaker until they can be told outside its
// lock, in order.
type newsdesk struct {
	pending   []BreakerChange
	telling   bool // somebody is at it
	any       atomic.Bool
	listeners []func(BreakerChange)
	panics    counter
}

// add notes a change; the breaker's lock is held.
func (n *newsdesk) add(c BreakerChange) {
	n.pending = append(n.pending, c)
	n.any.Store(true)
}

// tell tells the listeners what is new. It is called after the lock was
// released; one goroutine at a time does it, for all, so that the order is kept.
// A listener may ask the breaker anything.
func (b *Breaker) tell() {
	n := &b.news
	if !n.any.Load() {
		return
	}
	b.mu.Lock()
	if n.telling {
		b.mu.Unlock()
		return
	}
	n.telling = true
	defer func() { // also if a listener ends the goroutine
		n.telling = false
		b.mu.Unlock()
	}()
	for len(n.pending) > 0 {
		change := n.pending[0]
		n.pending = n.pending[1:]
		n.any.Store(len(n.pending) > 0)
		listeners := n.listeners
		b.mu.Unlock()
		func() {
			defer b.mu.Lock()
			for _, listener := range listeners {
				n.one(listener, change)
			}
		}()
	}
}

// one keeps a listener's panic from the call that happens to tell it.
func (n *newsdesk) one(listener func(BreakerChange), c BreakerChange) {
	defer func() {
		if recover() != nil {
			n.panics.Add(1)
		}
	}()
	listener(c)
}

// listen adds a listener.
func (b *Breaker) listen(f func(BreakerChange)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.listeners = append(slices.Clip(b.news.listeners), f) // a copy: somebody may be reading
}
