package cache

import (
	"context"
	"errors"
	"runtime/debug"
	"time"
)

// read is one call of Get that the near tier could not answer.
type read[T any] struct {
	cache *Cache
	key   Key
	owner Owner
	kind  *Kind[T]
	call  Call
	load  Load[T]
	seen  *farValue[T] // what the far tier said already, nil if it was not asked
}

// outcome is what came of asking the far tier and the service.
type outcome[T any] struct {
	value  T
	from   Origin
	err    error
	near   bool   // value is kept near: callers get copies
	finish func() // what remains to be told to the far tier; may be nil
	fills  bool   // finish stores the value, which is nowhere else until then
}

// shared joins the load of the key, or begins it.
func (r *read[T]) shared(ctx context.Context) (T, Origin, error) {
	var none T
	c := r.cache
	f, leads := c.loads.join(flightKey{r.key, r.call.Manner}, r.owner)
	switch {
	case !leads:
		c.count.joined.Add(1)
	case !r.lead(ctx, f):
		f.err = ErrClosed
		c.loads.leave(f)
		close(f.done)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		select {
		case <-f.done:
		default:
			return none, Origin{}, context.Cause(ctx)
		}
	}
	switch {
	case f.crash != nil && leads:
		panic(relayed{f.crash}) //nolint:forbidigo // the load's own, passed on
	case f.crash != nil:
		return none, Origin{}, f.crash
	}
	from := f.from
	from.Shared = !leads
	if f.err != nil {
		return none, from, private(f.err)
	}
	v, _ := f.value.(T)
	if f.shared {
		v = r.kind.Clone(v)
	}
	return v, from, nil
}

// private copies what this package made of an error that others are given too.
func private(err error) error {
	if absent, ok := err.(*AbsentError); ok { //nolint:errorlint // only what is not wrapped is ours
		own := *absent
		return &own
	}
	return err
}

// lead makes a flight; it reports false if the cache is closed. The far tier is asked on
// the caller's own goroutine: to wake another one for it takes longer than to have the
// answer, which comes within the budget. The service is not, as the caller may leave.
func (r *read[T]) lead(ctx context.Context, f *flight) bool {
	c := r.cache
	if c.guard != nil {
		if !c.hold() {
			return false
		}
		defer c.work.Done()
		if r.look(ctx, f); f.landed {
			return true
		}
	}
	return c.spawn(func() { r.fly(ctx, f) })
}

// look is the part of a flight that the far tier can end.
func (r *read[T]) look(ctx context.Context, f *flight) {
	r.cache.leg(f, func() {
		at := r.far(ctx, false)
		if at.hit {
			r.land(f, r.found(&f.fence, at))
		} else if ctx.Err() == nil { // else there was no time to answer
			r.seen = &at
		}
	})
}

// fly is the rest of it. Whoever waits is served before the far tier is.
func (r *read[T]) fly(ctx context.Context, f *flight) {
	ctx, cancel := r.cache.detached(ctx, r.call)
	defer cancel()
	r.cache.leg(f, func() {
		out := r.fetch(ctx, &f.fence)
		r.land(f, out)
		if out.finish != nil {
			out.finish()
			r.cache.loads.leave(f)
		}
	})
}

// land hands out what a flight has brought.
func (r *read[T]) land(f *flight, out outcome[T]) {
	f.value, f.shared, f.from, f.err = out.value, out.near, out.from, out.err
	if !out.fills { // else calls may still join, rather than load what is about to be stored
		r.cache.loads.leave(f)
	}
	r.cache.loads.land(f)
}

// leg runs a part of a flight. Where it ends early, by a panic or runtime.Goexit, all who
// wait are told.
func (c *Cache) leg(f *flight, part func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		c.count.panics.Add(1)
		crash := recover()
		if crash == nil {
			crash = errors.New("it ended its goroutine")
		}
		c.loads.leave(f)
		if !f.landed {
			f.crash = &PanicError{Value: crash, Stack: debug.Stack()}
			c.loads.land(f)
		}
	}()
	part()
	returned = true
}

// alone makes a load that nobody joins, on the caller's goroutine.
func (r *read[T]) alone(ctx context.Context) (T, Origin, error) {
	f := r.cache.loads.alone(r.owner)
	defer r.cache.loads.drop(f)
	out := r.fetch(ctx, f)
	if out.finish != nil {
		out.finish()
	}
	if out.near && out.err == nil {
		out.value = r.kind.Clone(out.value)
	}
	return out.value, out.from, out.err
}

// only answers from what is kept.
func (r *read[T]) only(ctx context.Context) (T, Origin, error) {
	f := r.cache.loads.alone(r.owner)
	defer r.cache.loads.drop(f)
	if at := r.far(ctx, false); at.hit {
		out := r.found(f, at)
		if out.near {
			out.value = r.kind.Clone(out.value)
		}
		return out.value, out.from, nil
	}
	if v, from, err := r.stale(ctx); err == nil {
		r.cache.count.stale.Add(1)
		return v, from, nil
	}
	return *new(T), Origin{}, ErrMiss
}

// fetch asks the far tier, then the service, and keeps what it may.
func (r *read[T]) fetch(ctx context.Context, f *fence) outcome[T] {
	var at farValue[T]
	lease := ""
	if r.cache.guard != nil {
		if r.seen != nil {
			at = *r.seen
		} else {
			at = r.far(ctx, false)
		}
		if r.call.Mode == Use && !at.hit && at.known {
			lease = r.await(ctx, &at)
		}
		if at.hit && r.call.Mode != Refresh {
			return r.found(f, at)
		}
	}
	handed := false
	defer func() {
		if lease != "" && !handed { // the load panicked
			r.cache.guard.release(r.key, lease)
		}
	}()
	r.cache.count.loads.Add(1)
	told := time.Now()
	v, raw, err := r.load(ctx)
	handed = true
	if err != nil {
		return r.failed(ctx, f, told, lease, err)
	}
	return r.loaded(f, told, lease, at, v, raw)
}

// found keeps near what the far tier had.
func (r *read[T]) found(f *fence, at farValue[T]) outcome[T] {
	out := outcome[T]{value: at.value, from: Origin{Tier: TierFar, Age: max(0, time.Since(at.told))}}
	out.near = r.cache.keepNear(f, Entry{
		Key: r.key, Class: at.class, Value: at.value, Size: r.kind.Size(at.value), Told: at.told,
	})
	return out
}

// loaded keeps what the service said.
func (r *read[T]) loaded(f *fence, told time.Time, lease string, at farValue[T], v T, raw string) outcome[T] {
	c := r.cache
	class := r.kind.Class(r.key, v)
	out := outcome[T]{value: v}
	out.near = c.keepNear(f, Entry{Key: r.key, Class: class, Value: v, Size: r.kind.Size(v), Told: told})
	if c.guard == nil {
		return out
	}
	ttl := c.keep.far(class)
	switch {
	case ttl > 0 && at.known: // the marks fence it, whatever struck the load here
		fill := Fill{Key: r.key, TTL: ttl, Marks: at.marks, Lease: lease}
		out.fills = true
		out.finish = func() {
			e := envelope{class: class, told: told, marks: at.marks, raw: raw}
			fill.Value = e.seal(r.key)
			c.guard.fill(fill)
		}
	case lease != "":
		out.finish = func() { c.guard.release(r.key, lease) }
	case ttl <= 0 && at.hit: // what stands there is refuted
		out.finish = func() { c.guard.remove(r.key) }
	}
	return out
}

// failed makes the best of a load that brought no value.
func (r *read[T]) failed(ctx context.Context, f *fence, told time.Time, lease string, err error) outcome[T] {
	c := r.cache
	out := outcome[T]{err: err}
	if lease != "" {
		out.finish = func() { c.guard.release(r.key, lease) }
	}
	if absent, ok := errors.AsType[*AbsentError](err); ok {
		c.keepNear(f, Entry{Key: r.key, Class: Absent, Note: absent.Note, Told: told})
		if c.guard != nil && r.call.Mode == Refresh {
			out.finish = func() { c.guard.remove(r.key) }
		}
		return out
	}
	c.count.loadErrors.Add(1)
	if r.call.Mode == Refresh || r.call.Trouble == nil || !r.call.Trouble(err) {
		return out
	}
	if v, from, miss := r.stale(context.WithoutCancel(ctx)); miss == nil {
		c.count.stale.Add(1)
		from.Cause = err
		out.value, out.from, out.err = v, from, nil
	}
	return out
}

// stale returns what may stand in for a load: what was taken back is not there
// any more. The value is the caller's own.
func (r *read[T]) stale(ctx context.Context) (T, Origin, error) {
	if r.cache.keep.StaleIfError <= 0 {
		return *new(T), Origin{}, ErrMiss
	}
	v, from, err := nearest(r.cache, r.key, r.kind, true)
	if err == nil {
		return v, from, nil
	}
	if at := r.far(ctx, true); at.hit {
		age := max(0, time.Since(at.told))
		return at.value, Origin{Tier: TierFar, Age: age, Stale: age >= r.cache.keep.Mutable}, nil
	}
	return v, Origin{}, ErrMiss
}
