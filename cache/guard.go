package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// guard stands before the far tier, so that its trouble is no call's. It gives
// every operation a budget. Failures in a row, or an invalidation that failed, shut
// the tier: operations are then refused at once, invalidations are written down,
// and a probe makes up for them before it opens the tier again.
type guard struct {
	cache  *Cache
	far    Far
	leaser Leaser // nil if the tier is none
	limits Guard

	shut   atomic.Bool
	failed atomic.Int64 // operations in a row

	mu   sync.Mutex // guards shut being cleared against owed being filled
	owed ledger
}

// errShut is what operations on a tier that is shut come to.
var errShut = errors.New("the shared tier is shut")

func newGuard(c *Cache, far Far, limits Guard) *guard {
	g := &guard{cache: c, far: far, limits: limits}
	g.leaser, _ = far.(Leaser)
	return g
}

// try makes one operation within a budget.
func (g *guard) try(ctx context.Context, budget time.Duration, operation func(context.Context) error) error {
	if g.shut.Load() {
		g.cache.count.passedBy.Add(1)
		return errShut
	}
	bounded, cancel := context.WithTimeout(ctx, budget)
	err := operation(bounded)
	cancel()
	switch {
	case err == nil:
		g.failed.Store(0)
	case ctx.Err() != nil: // the caller's end says nothing about the tier
	default:
		g.cache.count.farErrors.Add(1)
		if g.failed.Add(1) >= int64(g.limits.Failures) {
			g.close()
		}
	}
	return err
}

// aside is try for what no caller waits for. A cache that is closed meanwhile sees it
// through: what was loaded is worth storing, and others wait for the lease.
func (g *guard) aside(operation func(context.Context) error) {
	_ = g.try(context.WithoutCancel(g.cache.life), g.limits.Budget, operation)
}

func (g *guard) get(ctx context.Context, key Key) (value string, marks Marks, err error) {
	err = g.try(ctx, g.limits.Budget, func(ctx context.Context) (err error) {
		value, marks, err = g.far.Get(ctx, key)
		return err
	})
	return value, marks, err
}

func (g *guard) lease(ctx context.Context, key Key) (grant Grant, err error) {
	err = g.try(ctx, g.limits.Budget, func(ctx context.Context) (err error) {
		grant, err = g.leaser.Lease(ctx, key, g.limits.Lease)
		return err
	})
	return grant, err
}

func (g *guard) release(key Key, lease string) {
	g.aside(func(ctx context.Context) error { return g.leaser.Release(ctx, key, lease) })
}

func (g *guard) remove(key Key) {
	g.aside(func(ctx context.Context) error { return g.far.Delete(ctx, key) })
}

func (g *guard) fill(f Fill) {
	g.aside(func(ctx context.Context) error {
		stored, err := g.far.Fill(ctx, f)
		switch {
		case err != nil:
		case stored:
			g.cache.count.fills.Add(1)
		default:
			g.cache.count.fenced.Add(1)
		}
		return err
	})
}

// bump takes back an owner's values in the far tier, or writes that down. After
// it no read of this process sees what is taken back.
func (g *guard) bump(ctx context.Context, owner Owner, scope Scope) error {
	err := g.try(ctx, g.limits.InvalidateBudget, func(ctx context.Context) error {
		return g.far.Bump(ctx, owner, scope)
	})
	if err == nil {
		return nil
	}
	g.mu.Lock()
	g.owed.add(owner, scope, g.cache.keep.far(Mutable))
	g.mu.Unlock()
	g.close()
	return err
}

// close shuts the tier and begins to probe.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut.Swap(true) {
		return
	}
	g.cache.count.shuts.Add(1)
	g.cache.spawn(g.probe)
}

// probe tries the tier until it serves and knows of all invalidations.
func (g *guard) probe() {
	life := g.cache.life
	for wait := g.limits.Probe; pause(life, wait); wait = min(2*wait, g.limits.ProbeMax) {
		if g.within(life, g.far.Ping) == nil && g.makeUp(life) && g.open() {
			return
		}
	}
}

func (g *guard) within(ctx context.Context, operation func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, g.limits.InvalidateBudget)
	defer cancel()
	return operation(ctx)
}

// makeUp tells the tier what it missed; it reports false if that failed again.
func (g *guard) makeUp(ctx context.Context) bool {
	for {
		g.mu.Lock()
		owner, scope, ok := g.owed.next()
		g.mu.Unlock()
		if !ok {
			return true
		}
		if g.within(ctx, func(ctx context.Context) error { return g.far.Bump(ctx, owner, scope) }) != nil {
			return false
		}
		g.mu.Lock()
		g.owed.paid(owner, scope)
		g.mu.Unlock()
	}
}

// open opens the tier unless something was written down meanwhile.
func (g *guard) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.owed.settled() {
		return false
	}
	g.failed.Store(0)
	g.shut.Store(false)
	return true
}
