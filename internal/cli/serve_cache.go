package cli

import (
	"context"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
)

// serveCacheBytes is what a service keeps of answers in its own memory, at most.
const serveCacheBytes = 32 << 20

// serveCache is what a service shares of the answers of the upstream over the Redis of
// REDIS_URL. Without one it is empty, and the service keeps them in its memory alone.
type serveCache struct {
	kept *cache.Cache
	tier *rediscache.Tier
}

// openCache notes what is wrong with the settings; it connects to nothing yet.
func (o *serveOptions) openCache() *serveCache {
	settings := config.ReadCaching(o.app.reader)
	c := &serveCache{tier: o.app.redisTier(settings)}
	if !settings.Enabled || c.tier == nil {
		return c
	}
	near, err := memory.New(memory.Options{MaxBytes: serveCacheBytes})
	if err == nil {
		keep := cache.DefaultKeep()
		keep.Mutable = settings.TTL
		c.kept, err = cache.New(near, cache.WithKeep(keep), cache.WithFar(c.tier))
	}
	if err != nil {
		o.app.problem("CACHE_TTL_SECONDS", "is of no use: %v", err)
	}
	return c
}

// options hand it to the service.
func (c *serveCache) options() (options []server.Option) {
	if c.kept != nil {
		options = append(options, server.WithCache(c.kept))
	}
	if c.tier != nil {
		options = append(options, server.WithCheck(server.Check{Name: "redis", Ask: c.tier.Ping}))
	}
	return options
}

// close ends it after the service; what Redis could not be told is in the log.
func (c *serveCache) close(ctx context.Context, a *app) {
	if c.kept != nil {
		if err := c.kept.Close(); err != nil {
			a.log.WarnContext(ctx, "the cache was not closed well", "error", err.Error())
		}
	}
	if c.tier != nil {
		_ = c.tier.Close()
	}
}
