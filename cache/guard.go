package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// guard stands before the far tier, so that its trouble is no call's. It gives
// every operation a budget; the parts of the tier have a breaker each.
type guard struct {
	cache  *Cache
	far    Far
	leaser Leaser // nil if the tier is none
	pinged Parted // nil if the tier is none
	parted Parted // nil if the tier fails as a whole
	limits Guard
	diary  Journal // nil if there is none
	parts  []*part
}

// errShut is what operations on a tier that is shut come to.
var errShut = errors.New("the shared tier is shut")

func newGuard(c *Cache, far Far, limits Guard, diary Journal) *guard {
	g := &guard{cache: c, far: far, limits: limits, diary: diary, parts: make([]*part, 1)}
	g.leaser, _ = far.(Leaser)
	if g.pinged, _ = far.(Parted); g.pinged != nil && g.pinged.Parts() > 1 {
		g.parted, g.parts = g.pinged, make([]*part, g.pinged.Parts())
	}
	for i := range g.parts {
		g.parts[i] = &part{guard: g, number: i}
	}
	if diary != nil { // what an earlier process could not tell
		for _, owner := range diary.Pending() {
			g.of(owner).owe(owner, Everything)
		}
	}
	return g
}

// of is the part that has an owner's.
func (g *guard) of(owner Owner) *part {
	if g.parted == nil {
		return g.parts[0]
	}
	return g.parts[g.parted.PartOf(owner)]
}

func (g *guard) partOf(key Key) *part {
	if g.parted == nil {
		return g.parts[0]
	}
	return g.of(key.Owner())
}

// try makes one operation within a budget.
func (g *guard) try(ctx context.Context, p *part, budget time.Duration, operation func(context.Context) error) error {
	if p.shut.Load() {
		g.cache.count.passedBy.Add(1)
		return errShut
	}
	bounded, cancel := context.WithTimeout(ctx, budget)
	err := operation(bounded)
	slow := bounded.Err() != nil
	cancel()
	switch {
	case err == nil:
		p.failed.Store(0)
	case ctx.Err() != nil: // the caller's end says nothing about the tier
	default:
		g.cache.count.farErrors.Add(1)
		switch {
		case p.failed.Add(1) >= int64(g.limits.Failures):
			p.close()
		case !slow: // it is not the one it was: a connection that broke, a server that refuses
			p.doubt()
		}
	}
	return err
}

// aside is try for what no caller waits for. A cache that is closed meanwhile sees it
// through: what was loaded is worth storing, and others wait for the lease.
func (g *guard) aside(key Key, operation func(context.Context) error) {
	_ = g.try(context.WithoutCancel(g.cache.life), g.partOf(key), g.limits.Budget, operation)
}

func (g *guard) get(ctx context.Context, key Key) (value string, marks Marks, err error) {
	err = g.try(ctx, g.partOf(key), g.limits.Budget, func(ctx context.Context) (err error) {
		value, marks, err = g.far.Get(ctx, key)
		return err
	})
	return value, marks, err
}

func (g *guard) lease(ctx context.Context, key Key) (grant Grant, err error) {
	err = g.try(ctx, g.partOf(key), g.limits.Budget, func(ctx context.Context) (err error) {
		grant, err = g.leaser.Lease(ctx, key, g.limits.Lease)
		return err
	})
	return grant, err
}

func (g *guard) release(key Key, lease string) {
	g.aside(key, func(ctx context.Context) error { return g.leaser.Release(ctx, key, lease) })
}

func (g *guard) remove(key Key) {
	g.aside(key, func(ctx context.Context) error { return g.far.Delete(ctx, key) })
}

func (g *guard) fill(f Fill) {
	g.aside(f.Key, func(ctx context.Context) error {
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
	p := g.of(owner)
	err := g.try(ctx, p, g.limits.InvalidateBudget, func(ctx context.Context) error {
		return g.far.Bump(ctx, owner, scope)
	})
	if err == nil {
		p.told(owner, scope)
		return nil
	}
	p.owe(owner, scope)
	if scope == Everything && g.diary != nil {
		if failure := g.diary.Add(owner); failure != nil {
			err = errors.Join(err, fmt.Errorf("the journal does not take it: %w", failure))
		}
	}
	return err
}

// heard notes what another process has told the tier.
func (g *guard) heard(n Notice) { g.of(n.Owner).told(n.Owner, n.Scope) }

// doubt has all parts tell again what the tier was told lately.
func (g *guard) doubt() {
	for _, p := range g.parts {
		p.doubt()
	}
}

// lastWord tries once more to tell what is owed, when the cache ends.
func (g *guard) lastWord(ctx context.Context) {
	for _, p := range g.parts {
		if p.owes() > 0 && p.ping(ctx) == nil {
			p.makeUp(ctx)
		}
	}
}

func (g *guard) owes() (n int) {
	for _, p := range g.parts {
		n += p.owes()
	}
	return n
}

// shut reports whether any part is.
func (g *guard) shut() bool {
	return slices.ContainsFunc(g.parts, func(p *part) bool { return p.shut.Load() })
}
