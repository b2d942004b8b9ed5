package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Cache is a near tier and, perhaps, a far one behind it. It is safe for
// concurrent use and may serve several clients, whose tenants keep them apart. A
// nil *Cache keeps nothing.
type Cache struct {
	near  Near
	keep  Keep
	guard *guard   // nil without a far tier
	bus   *busline // nil without a bus
	loads loads
	count counters
	// lastly bounds what Close does for others.
	lastly time.Duration

	closed atomic.Bool
	ending sync.Mutex // guards closed against new work
	work   sync.WaitGroup
	life   context.Context // ends with Close
	end    context.CancelCauseFunc
}

// New makes a cache. near may be nil if there is a far tier. A cache with a far tier
// or a bus runs goroutines until [Cache.Close]. All problems are reported at once,
// as [ErrConfig].
func New(near Near, opts ...Option) (*Cache, error) {
	s := settings{keep: DefaultKeep(), guard: DefaultGuard()}
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	if near == nil && s.far == nil {
		s.problem("no tier: give a near one, a far one (WithFar), or both")
	}
	s.check()
	if len(s.problems) > 0 {
		return nil, errors.Join(s.problems...)
	}
	c := &Cache{near: near, keep: s.keep, lastly: s.guard.InvalidateBudget}
	c.loads.init()
	c.life, c.end = context.WithCancelCause(context.Background())
	if s.far != nil {
		c.guard = newGuard(c, s.far, s.guard, s.journal)
	}
	if s.bus != nil {
		c.bus = &busline{cache: c, bus: s.bus, limits: s.guard, name: rand.Text()}
		c.spawn(c.bus.listen)
	}
	return c, nil
}

// open reports whether the cache is there and in use.
func (c *Cache) open() bool { return c != nil && !c.closed.Load() }

// hold keeps Close waiting until work.Done is called; it reports false, and holds
// nothing, if the cache is closed.
func (c *Cache) hold() bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.closed.Load() {
		return false
	}
	c.work.Add(1)
	return true
}

// spawn runs work on a goroutine that Close waits for; it reports false if the
// cache is closed.
func (c *Cache) spawn(work func()) bool {
	if !c.hold() {
		return false
	}
	go func() {
		defer c.work.Done()
		work()
	}()
	return true
}

// detached returns a context with the values of ctx that ends with the timeout or
// with the cache.
func (c *Cache) detached(ctx context.Context, call Call) (context.Context, context.CancelFunc) {
	timeout := call.Timeout
	if timeout <= 0 {
		timeout = DefaultLoadTimeout
	}
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(c.life, func() { end(context.Cause(c.life)) })
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, call.Cause)
	return ctx, func() { stop(); cancel(); end(nil) }
}

// pause waits; it reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends the loads under way and the goroutines, and waits for them; a value that
// was loaded is still stored, within the budget. What others are still to be told of is
// tried once more, for [Guard].InvalidateBudget. The backends are the caller's to close,
// after this. A closed cache keeps nothing and passes every call on. The error matches
// [ErrDeferred] if others could not be told of invalidations, which are now lost but for
// the erasures in a journal: see [Keep] and [WithJournal].
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.ending.Lock()
	first := !c.closed.Swap(true)
	c.ending.Unlock()
	c.end(ErrClosed)
	c.work.Wait()
	if first {
		c.lastWord()
	}
	if c.near != nil {
		c.near.Flush(Everything)
	}
	if n := c.deferred(); first && n > 0 {
		return fmt.Errorf("asleep/cache: %w: of %d owners", ErrDeferred, n)
	}
	return nil
}

// lastWord tells others what they are still to be told of, if they can be had now.
func (c *Cache) lastWord() {
	if c.deferred() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.lastly)
	defer cancel()
	if c.guard != nil {
		c.guard.lastWord(ctx)
	}
	if c.bus != nil {
		c.bus.makeUp(ctx)
	}
}
