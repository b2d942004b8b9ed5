package cache

import (
	"context"
	"time"
)

// Cache is a near tier and, perhaps, a far one behind it. It is safe for
// concurrent use and may serve several clients, whose tenants keep them apart. A
// nil *Cache keeps nothing.
type Cache struct{}

// Option configures a [Cache].
type Option func(*settings)

type settings struct{}

// WithFar adds a tier that processes share. If it is a [Leaser] or a [Bus] too,
// those are used.
func WithFar(far Far) Option { return nil }

// WithBus tells other processes by bus, in place of the far tier's own.
func WithBus(bus Bus) Option { return nil }

// WithKeep replaces [DefaultKeep].
func WithKeep(k Keep) Option { return nil }

// WithGuard replaces [DefaultGuard].
func WithGuard(g Guard) Option { return nil }

// Guard bounds what a far tier may cost.
type Guard struct {
	// Budget bounds one operation of a call on the far tier.
	Budget time.Duration
	// InvalidateBudget bounds what Invalidate and Erase spend on it.
	InvalidateBudget time.Duration
	// Failures in a row shut the tier.
	Failures int
	// Probe is the pause between probes of a tier that is shut; it doubles up to
	// ProbeMax.
	Probe, ProbeMax time.Duration
	// Lease is how long a process may load a key before another one may. 0 uses
	// no leases.
	Lease time.Duration
	// Poll is how often a process looks whether the one with the lease is done.
	Poll time.Duration
}

// New makes a cache. near may be nil if there is a far tier. A cache with a far tier
// or a bus runs goroutines until [Cache.Close].
func New(near Near, opts ...Option) (*Cache, error) { return nil, nil }

// Close ends the loads under way and the goroutines, and waits for them. The
// backends are the caller's to close, after this. A closed cache keeps nothing and
// passes every call on.
func (c *Cache) Close() error { return nil }

// Invalidate takes back what may have changed of an owner: all but durable
// values. It works near in any case; an error matches [ErrDeferred]: the far tier
// could not be reached, and the cache will make up for it before it reads from
// there again, unless the process ends first. It may be called again.
func (c *Cache) Invalidate(ctx context.Context, owner Owner) error { return nil }

// Erase takes back everything of an owner. Errors are those of Invalidate.
func (c *Cache) Erase(ctx context.Context, owner Owner) error { return nil }
