package cache

import (
	"context"
	"fmt"
)

// Invalidate takes back what may have changed of an owner: all but durable
// values. It works in this process in any case; an error matches [ErrDeferred]:
// the far tier or the other processes could not be told, and the cache will make up
// for it, before it reads from the tier again, unless the process ends first. It
// may be called again. The end of ctx does not interrupt it: it takes
// [Guard].InvalidateBudget at most for each of the two.
func (c *Cache) Invalidate(ctx context.Context, owner Owner) error {
	return c.takeBack(ctx, owner, Changing)
}

// Erase takes back everything of an owner. Errors are those of Invalidate; with a journal
// ([WithJournal]) it is made up for even if the process ends first, unless the error says
// that the journal failed too.
func (c *Cache) Erase(ctx context.Context, owner Owner) error {
	return c.takeBack(ctx, owner, Everything)
}

// takeBack tells the far tier first: what is read from there while it is told is
// dropped near after it, and others read nothing old once they are told.
func (c *Cache) takeBack(ctx context.Context, owner Owner, scope Scope) error {
	if !c.open() {
		return nil
	}
	if scope == Everything {
		c.count.erasures.Add(1)
	} else {
		c.count.invalidations.Add(1)
	}
	ctx = context.WithoutCancel(ctx)
	var far, bus error
	if c.guard != nil {
		far = c.guard.bump(ctx, owner, scope)
	}
	c.dropNear(owner, scope)
	if c.bus != nil {
		bus = c.bus.tell(ctx, owner, scope)
	}
	switch {
	case far != nil:
		return fmt.Errorf("asleep/cache: %w: %w", ErrDeferred, far)
	case bus != nil:
		return fmt.Errorf("asleep/cache: %w: %w", ErrDeferred, bus)
	}
	return nil
}

// dropNear takes back what this process keeps or is loading.
func (c *Cache) dropNear(owner Owner, scope Scope) {
	c.loads.strike(owner)
	if c.near != nil {
		c.near.DropOwner(owner, scope)
	}
}

func (c *Cache) flushNear() {
	if c.near != nil {
		c.near.Flush(Everything)
	}
}

// deferred counts the owners whose invalidation somebody is still to be told of.
func (c *Cache) deferred() (n int) {
	if c.guard != nil {
		n += c.guard.owes()
	}
	if b := c.bus; b != nil {
		b.mu.Lock()
		n += len(b.owed.owed)
		b.mu.Unlock()
	}
	return n
}
