package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// part is a part of the far tier that fails as a whole. Failures in a row, or an
// invalidation that failed, shut it: operations are then refused at once, invalidations
// are written down, and a probe makes up for them before it opens the part again.
//
// A server that comes back may have lost the last of what it was told: a replica that
// took over lagged behind, or a snapshot was older. So what it was told lately, by this
// process or by others that said so, is told again before the part opens.
type part struct {
	guard  *guard
	number int

	shut   atomic.Bool
	failed atomic.Int64 // operations in a row

	mu     sync.Mutex // guards shut being cleared against owed being filled
	owed   ledger
	lately recollection
}

// owe writes an invalidation down and shuts the part.
func (p *part) owe(owner Owner, scope Scope) {
	p.mu.Lock()
	p.owed.add(owner, scope, p.guard.cache.keep.far(Mutable))
	p.mu.Unlock()
	p.close()
}

func (p *part) owes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.owed.owed)
}

// told notes an invalidation that the tier knows of.
func (p *part) told(owner Owner, scope Scope) {
	p.mu.Lock()
	p.lately.add(owner, scope, p.guard.limits.Recall, false)
	p.mu.Unlock()
}

// doubt shuts the part if there is something that it may have forgotten, for no longer than
// it takes to tell it again.
func (p *part) doubt() {
	p.mu.Lock()
	something := !p.lately.empty(p.guard.limits.Recall)
	p.mu.Unlock()
	if something {
		p.closeFor(0)
	}
}

// close shuts the part and begins to probe after a pause.
func (p *part) close() { p.closeFor(p.guard.limits.Probe) }

func (p *part) closeFor(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut.Swap(true) {
		return
	}
	for owner, scope := range p.lately.since(p.guard.limits.Recall) {
		p.owed.add(owner, scope, 0)
	}
	p.guard.cache.count.shuts.Add(1)
	p.guard.cache.spawn(func() { p.probe(wait) })
}

// probe tries the part until it serves and knows of all invalidations.
func (p *part) probe(wait time.Duration) {
	g := p.guard
	life := g.cache.life
	for ; pause(life, wait); wait = min(max(2*wait, g.limits.Probe), g.limits.ProbeMax) {
		if p.ping(life) == nil && p.makeUp(life) && p.open() {
			return
		}
	}
}

func (p *part) ping(ctx context.Context) error {
	return p.within(ctx, func(ctx context.Context) error {
		if parted := p.guard.pinged; parted != nil {
			return parted.PingPart(ctx, p.number)
		}
		return p.guard.far.Ping(ctx)
	})
}

func (p *part) within(ctx context.Context, operation func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.guard.limits.InvalidateBudget)
	defer cancel()
	return operation(ctx)
}

// makeUp tells the tier what it missed; it reports false if that failed again.
func (p *part) makeUp(ctx context.Context) bool {
	g := p.guard
	for {
		p.mu.Lock()
		owner, scope, ok := p.owed.next()
		p.mu.Unlock()
		if !ok {
			return true
		}
		if p.within(ctx, func(ctx context.Context) error { return g.far.Bump(ctx, owner, scope) }) != nil {
			return false
		}
		p.mu.Lock()
		paid := p.owed.paid(owner, scope)
		p.lately.add(owner, scope, g.limits.Recall, true)
		p.mu.Unlock()
		if paid && scope == Everything && g.diary != nil {
			_ = g.diary.Remove(owner) // else it is told again, which does no harm
		}
	}
}

// open opens the part unless something was written down meanwhile.
func (p *part) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.owed.settled() {
		return false
	}
	p.failed.Store(0)
	p.shut.Store(false)
	return true
}
