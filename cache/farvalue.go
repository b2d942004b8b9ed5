package cache

import (
	"context"
	"time"
)

// farValue is what the far tier said about a key.
type farValue[T any] struct {
	marks Marks
	known bool // marks are those in force: a load from now on may be stored
	hit   bool
	value T
	class Class
	told  time.Time
}

// far asks the far tier. stale accepts what may stand in for a load that failed.
func (r *read[T]) far(ctx context.Context, stale bool) farValue[T] {
	g := r.cache.guard
	if g == nil {
		return farValue[T]{}
	}
	value, marks, err := g.get(ctx, r.key)
	if err != nil {
		return farValue[T]{}
	}
	at := r.judge(value, marks, stale)
	switch {
	case r.call.Mode == Refresh: // it asked for the marks
	case at.hit:
		r.cache.count.farHits.Add(1)
	default:
		r.cache.count.farMisses.Add(1)
	}
	return at
}

// judge decides whether a value may be shown. Anything may stand in a far tier:
// what cannot be read is removed.
func (r *read[T]) judge(value string, marks Marks, stale bool) farValue[T] {
	c := r.cache
	at := farValue[T]{marks: marks, known: marks.Epoch != "" && marks.Generation != ""}
	if !at.known || value == "" {
		return at
	}
	e, err := openEnvelope(value, r.key)
	if err != nil {
		c.foreign(r.key)
		return at
	}
	if e.marks.Epoch != marks.Epoch || e.class != Durable && e.marks.Generation != marks.Generation {
		return at // taken back
	}
	if now := time.Now(); e.told.After(now) {
		e.told = now // the clock of another process
	}
	limit := c.keep.age(e.class)
	if stale && e.class == Mutable {
		limit += c.keep.StaleIfError
	}
	if time.Since(e.told) >= limit {
		return at
	}
	v, err := r.kind.Decode(r.key, e.raw)
	if err != nil || r.kind.Class(r.key, v) != e.class {
		c.foreign(r.key)
		return at
	}
	at.hit, at.value, at.class, at.told = true, v, e.class, e.told
	return at
}

// foreign removes what cannot be read.
func (c *Cache) foreign(key Key) {
	c.count.foreign.Add(1)
	c.guard.remove(key)
}

// await gets the lease of a key, or what the process that has it brings, in which
// case at is a hit. It waits for one process only: if that ends without a value, an
// error or "no such thing" say, all who waited load at once rather than in turn.
func (r *read[T]) await(ctx context.Context, at *farValue[T]) (lease string) {
	g := r.cache.guard
	if g.leaser == nil || g.limits.Lease <= 0 {
		return ""
	}
	holder := ""
	until := time.Now().Add(g.limits.Lease)
	for wait := g.limits.Poll; ; wait = min(2*wait, 4*g.limits.Poll) {
		grant, err := g.lease(ctx, r.key)
		if err != nil {
			return ""
		}
		*at = r.judge(grant.Value, grant.Marks, false)
		switch {
		case at.hit:
			if grant.Lease != "" {
				g.release(r.key, grant.Lease)
			}
			r.cache.count.farHits.Add(1)
			return ""
		case grant.Lease != "":
			return grant.Lease
		case grant.Holder == "": // nobody can have it
			return ""
		case holder != "" && grant.Holder != holder, !time.Now().Before(until):
			return ""
		}
		if holder == "" {
			r.cache.count.leaseWaits.Add(1)
		}
		if holder = grant.Holder; !pause(ctx, wait) {
			return ""
		}
	}
}
