package cache

import (
	"context"
	"time"
)

// Tier names where a value came from.
type Tier string

// The tiers.
const (
	TierNone Tier = ""       // it was loaded
	TierNear Tier = "memory" // this process
	TierFar  Tier = "shared" // the tier that processes share
)

// Origin says where a value came from.
type Origin struct {
	Tier Tier
	// Age is the time since the service was asked for it; 0 if it was loaded.
	Age time.Duration
	// Stale: its time has passed, and the load failed with Cause (nil where
	// nothing was to be loaded).
	Stale bool
	Cause error
	// Shared: another call got it, and this one waited with it.
	Shared bool
	// Deferred is of a deletion: it matches [ErrDeferred] if what others keep of the owner
	// could not be taken back yet, and says whether that outlives this process.
	Deferred error
}

// Mode says how a call uses the cache.
type Mode uint8

// The modes.
const (
	// Use reads, loads what is missing, and stores it.
	Use Mode = iota
	// Alone is Use without sharing: it loads on the caller's own goroutine and
	// context.
	Alone
	// Refresh is Alone without reading: the answer takes the place of what was kept.
	Refresh
	// Only reads and loads nothing: what is missing is [ErrMiss].
	Only
)

// DefaultLoadTimeout bounds a load that several share, if the call says nothing.
const DefaultLoadTimeout = 2 * time.Minute

// Call says how one call uses the cache.
type Call struct {
	Mode Mode
	// Timeout bounds a load that several share; 0 means DefaultLoadTimeout. Cause
	// is the cause of the load's context then (context.Cause).
	Timeout time.Duration
	Cause   error
	// Manner parts calls that must not share a load, as they load differently.
	Manner string
	// Trouble reports whether a load failed because the service is in trouble, so
	// that a stale value may answer ([Keep].StaleIfError); nil: never.
	Trouble func(error) bool
}

// Load asks the service: it returns the value, and the bytes that the kind's
// Decode makes it of, which it does not change later. "No such thing" is an
// [*AbsentError].
type Load[T any] func(ctx context.Context) (v T, raw string, err error)

// Get returns the value under key, from the nearest tier that has it, else by load.
// Kind and Schema of the key are those of kind. The value belongs to the caller. On a
// nil or closed c it just loads.
//
// The context that load is given has the values of the context of the caller that
// began it, but not its end. An error is load's own, or the cause of the end of
// ctx, or [ErrMiss], an [*AbsentError] or a [*PanicError]; an error of load's is
// shared by all who waited for it.
func Get[T any](ctx context.Context, c *Cache, key Key, kind *Kind[T], call Call, load Load[T]) (T, Origin, error) {
	if !c.open() {
		if call.Mode == Only {
			return *new(T), Origin{}, ErrMiss
		}
		v, _, err := load(ctx)
		return v, Origin{}, err
	}
	key.Kind, key.Schema = kind.Name, kind.Schema
	key = key.normal()
	if call.Mode != Refresh {
		if v, from, err := Peek(c, key, kind); err != ErrMiss { //nolint:errorlint // it is never wrapped here
			return v, from, err
		}
		c.count.nearMisses.Add(1)
	}
	r := &read[T]{cache: c, key: key, owner: key.Owner(), kind: kind, call: call, load: load}
	switch call.Mode {
	case Only:
		return r.only(ctx)
	case Alone, Refresh:
		return r.alone(ctx)
	case Use:
	}
	return r.shared(ctx)
}

// Peek is Get from the near tier alone: it waits for nothing. What is not there,
// or not fresh, is [ErrMiss] and counted nowhere, as Get is expected to follow.
func Peek[T any](c *Cache, key Key, kind *Kind[T]) (T, Origin, error) {
	if !c.open() {
		return *new(T), Origin{}, ErrMiss
	}
	key.Kind, key.Schema = kind.Name, kind.Schema
	v, from, err := nearest(c, key.normal(), kind, false)
	if err != ErrMiss { //nolint:errorlint // it is never wrapped here
		c.count.nearHits.Add(1)
	}
	return v, from, err
}

// nearest answers from the near tier; ErrMiss if it cannot. stale asks for what
// may still stand in for a load that failed.
func nearest[T any](c *Cache, key Key, kind *Kind[T], stale bool) (T, Origin, error) {
	var none T
	if c.near == nil {
		return none, Origin{}, ErrMiss
	}
	e := c.near.Get(key)
	if e == nil || e.Key != key {
		return none, Origin{}, ErrMiss
	}
	now := time.Now()
	from := Origin{Tier: TierNear, Age: max(0, now.Sub(e.Told)), Stale: !now.Before(e.Fresh)}
	if from.Stale && (!stale || !now.Before(e.Until)) {
		return none, Origin{}, ErrMiss
	}
	if e.Class == Absent {
		return none, from, &AbsentError{Note: e.Note}
	}
	v, ok := e.Value.(T)
	if !ok {
		return none, Origin{}, ErrMiss
	}
	return kind.Clone(v), from, nil
}
