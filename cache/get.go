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
	// Age is the time since the service said it; 0 if it was loaded.
	Age time.Duration
	// Stale: its time has passed, and the load failed with Cause.
	Stale bool
	Cause error
	// Shared: another call loaded it.
	Shared bool
}

// Mode says how a call uses the cache.
type Mode uint8

// The modes.
const (
	// Use reads, loads what is missing, and stores it.
	Use Mode = iota
	// Refresh reads nothing, loads on the caller's own goroutine and context, and
	// stores the answer in place of what was kept.
	Refresh
	// Alone is Use without sharing: it loads on the caller's own goroutine.
	Alone
	// Only reads and loads nothing: what is missing is [ErrMiss].
	Only
)

// Call says how one call uses the cache.
type Call struct {
	Mode Mode
	// Timeout bounds a load that several share; 0 means DefaultLoadTimeout.
	Timeout time.Duration
	// Manner parts calls that must not share a load, as they load differently.
	Manner string
	// Trouble reports whether a load failed because the service is in trouble, so
	// that a stale value may answer; nil: never.
	Trouble func(error) bool
}

// Load asks the service: it returns the value, and the bytes that the kind's
// Decode makes it of, which it does not change later. "No such thing" is an
// [*AbsentError].
type Load[T any] func(ctx context.Context) (v T, raw string, err error)

// Get returns the value under key, from the nearest tier that has it, else by load.
// The value belongs to the caller. On a nil c it just loads.
//
// The context that load is given has the values of the context of the caller that
// began it, but not its end. An error is load's own, or the end of ctx, or
// [ErrMiss], an [*AbsentError] or a [*PanicError].
func Get[T any](ctx context.Context, c *Cache, key Key, kind *Kind[T], call Call, load Load[T]) (T, Origin, error) {
	var v T
	return v, Origin{}, nil
}
