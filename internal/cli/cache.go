package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
)

const (
	// redisHello bounds the first word with Redis, dialling included.
	redisHello = 500 * time.Millisecond
	// redisBudget bounds one operation: a command can wait a little for what saves it a
	// call to the service.
	redisBudget = 500 * time.Millisecond
)

// answers is what a command keeps of the service's answers in the Redis of REDIS_URL, and
// shares with every other process on it. Without one it is nil and does nothing.
type answers struct {
	app   *app
	tier  *rediscache.Tier
	cache *cache.Cache
	quiet bool
	away  bool // it was said that Redis does not serve
}

// redisTier is the Redis of the settings, not yet connected to; nil if none is set, or if it
// cannot be, which is noted.
func (a *app) redisTier(s config.Caching) *rediscache.Tier {
	if s.Redis.IsZero() {
		return nil
	}
	var o rediscache.Options
	if s.Keys != nil {
		o.Sealer = s.Keys
	}
	logging.Disable() // go-redis would print every failed dial
	tier, err := rediscache.Open(s.Redis.Reveal(), o)
	if err != nil {
		a.problemOfRedis(s, strings.TrimPrefix(err.Error(), "asleep/rediscache: "+cache.ErrConfig.Error()+": "))
		return nil
	}
	return tier
}

func (a *app) problemOfRedis(s config.Caching, reason string) {
	a.problem(s.Label, "is not accepted: %s: give a URL such as redis://127.0.0.1:6379/0", reason)
}

func (a *app) answers(s config.Caching, use cacheUse) *answers {
	tier := a.redisTier(s)
	if tier == nil {
		return nil
	}
	keep, guard := cache.DefaultKeep(), cache.DefaultGuard()
	keep.Mutable, guard.Budget, guard.InvalidateBudget = s.TTL, redisBudget, redisBudget
	kept, err := cache.New(nil, cache.WithFar(tier), cache.WithKeep(keep), cache.WithGuard(guard))
	if err != nil {
		a.problem(s.Label, "is of no use: %v", err)
		return nil
	}
	return &answers{app: a, tier: tier, cache: kept, quiet: use.quiet}
}

// cacheUse is what a command needs the cache for.
type cacheUse struct {
	deletes bool // Redis is told even where nothing is to be read from there
	needed  bool // without Redis there is nothing to do
	quiet   bool // that Redis is away is not said
}

// cachedClient is client with what is kept in Redis; the function ends both.
func (a *app) cachedClient(ctx context.Context, use cacheUse, opts ...client.Option) (*client.Client, func()) {
	c, end := a.keptClient(ctx, use, opts...)
	return c, func() { _ = end() } // nothing was deleted, so that there is nothing to fail
}

// keptClient is cachedClient whose end fails if Redis could not be told of a deletion.
func (a *app) keptClient(ctx context.Context, use cacheUse, opts ...client.Option) (*client.Client, func() error) {
	settings := config.ReadCaching(a.reader)
	var kept *answers
	if settings.Enabled || use.deletes {
		kept = a.answers(settings, use)
	}
	if use.needed && settings.Redis.IsZero() {
		a.problem("REDIS_URL", "is not set: processes share nothing of any user")
	}
	if kept != nil {
		opts = append(opts, client.WithCache(kept.cache))
	}
	c := a.client(opts...)
	if c == nil || a.refusal() != nil {
		_ = kept.close(ctx)
		return c, func() error {
			if c == nil {
				return nil
			}
			return c.Close()
		}
	}
	kept.greet(ctx)
	return c, func() error {
		_ = c.Close()
		return kept.close(ctx)
	}
}

// greet makes the first connection, and says if there is nobody.
func (k *answers) greet(ctx context.Context) {
	if k == nil {
		return
	}
	hello, cancel := context.WithTimeout(ctx, redisHello)
	defer cancel()
	if err := k.tier.Ping(hello); err != nil && ctx.Err() == nil {
		k.away = true
		if k.quiet {
			return
		}
		k.app.note(ctx, fmt.Sprintf("Redis does not serve, going on without it (%s)", reasonOf(err)), "redis", "away")
	}
}

// errUntold is a deletion that others may not see for a while.
var errUntold = exitWith(ExitStopped, errors.New(`the Redis of REDIS_URL could not be told, and may still show to others what it kept of the user: once it serves, run "asleep users forget" with this user`))

// deleting has the user's deletion by do taken out of Redis too, and fails if it could not
// be told: nobody would make up for it when this process is gone.
func (a *app) deleting(ctx context.Context, use cacheUse, ask func() error, do func(*client.Client) error) error {
	use.deletes = true
	c, end := a.keptClient(ctx, use)
	told := false
	defer func() {
		if !told {
			_ = end()
		}
	}()
	if err := a.refusal(); err != nil {
		return err
	}
	if err := ask(); err != nil {
		return err
	}
	failed := do(c)
	told = true
	if err := end(); err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// close ends it, and says what Redis missed: errUntold if that was a deletion.
func (k *answers) close(ctx context.Context) error {
	if k == nil {
		return nil
	}
	stats := k.cache.Stats()
	err := k.cache.Close()
	_ = k.tier.Close()
	switch {
	case errors.Is(err, cache.ErrDeferred):
		return errUntold
	case stats.FarShuts > 0 && !k.away && !k.quiet:
		k.app.note(ctx, "Redis was slow or away for a while: what it has was asked of the service", "redis", "away for a while")
	}
	return nil
}

// reasonOf is an error of Redis without the packages it came through.
func reasonOf(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "asleep/rediscache: "), "ping: ")
}
