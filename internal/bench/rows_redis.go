package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	rediscache "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	shared "github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/seal"
)

// The peers beside a Redis.
const (
	goRedisShared = "go-redis/cache"
	goRedisJSON   = "go-redis + encoding/json"
	goRedisScan   = "go-redis, SCAN + DEL"
	oursPlain     = "ours, not encrypted"
)

func redisRows() []Row {
	return []Row{
		{
			ID: "redis-hit", What: "hit in Redis of a report of 1,000 epochs, decoded",
			Goal:  "<= 0.944x (85 µs where the peer takes 90)",
			Goals: []Goal{{Figure: "x peer", Limit: 0.944}}, Run: redisHit,
		},
		{
			ID: "redis-sealed", What: "the same, encrypted: what that adds",
			Goal:  "<= 3 µs",
			Goals: []Goal{{Figure: "µs added", Limit: 3}}, Run: redisSealed,
		},
		{
			ID: "redis-invalidate", What: "take back a user with 1,000,000 values in Redis",
			// In microseconds as a ratio, so that the verdict does not hang on the machine.
			Goal:  "<= 1.67x a bare SET (20 µs where it takes 12), flat (within 1.5x of a user with 1,000)",
			Goals: []Goal{{Figure: "x a bare SET", Limit: 1.67}, {Figure: "x that of 1,000", Limit: 1.5}}, Run: redisInvalidate,
		},
		{
			ID: "redis-stalled", What: "Redis stalls: added to each of the first three calls, and to later ones",
			Goal:  "<= 25 ms, <= 1 µs",
			Goals: []Goal{{Figure: "ms at first", Limit: 25}, {Figure: "µs later", Limit: 1}}, Run: redisStalled,
		},
		{
			ID: "redis-stampede", What: "8 caches on one Redis x 125 goroutines want one missing key: loads; slowest caller beyond the load",
			Goal:  "1, <= 30 ms",
			Goals: []Goal{{Figure: "loads", Limit: 1}, {Figure: "ms beyond", Limit: 30}}, Run: redisStampede,
		},
		{
			ID: "redis-race", What: "a load in one cache that began before an invalidation by another ends after it, 1,000 times: values kept that were not true any more",
			Goal:  "0",
			Goals: []Goal{{Figure: "stale", Limit: 0}}, Run: redisRace,
		},
	}
}

// redisField is a Redis and caches on it, which stop together.
type redisField struct {
	*redisServer

	client *redis.Client
	ends   []func()
}

func newRedisField(ctx context.Context) (*redisField, error) {
	s, err := startRedis(ctx)
	if err != nil {
		return nil, err
	}
	f := &redisField{redisServer: s, client: redis.NewClient(&redis.Options{Addr: s.addr})}
	f.ends = []func(){s.stop, func() { _ = f.client.Close() }}
	return f, nil
}

func (f *redisField) end() {
	for i := range f.ends {
		f.ends[len(f.ends)-1-i]()
	}
}

// cache makes one of ours on the Redis, without a near tier.
func (f *redisField) cache(o shared.Options) (*cache.Cache, *shared.Tier, error) {
	return f.bounded("", cache.DefaultGuard(), o)
}

// calm is cache with bounds that a busy machine keeps too: for what each call costs. A call
// that is bounded by more takes the same steps.
func (f *redisField) calm(o shared.Options) (*cache.Cache, *shared.Tier, error) {
	guard := cache.DefaultGuard()
	guard.Budget, guard.InvalidateBudget = 5*time.Second, 5*time.Second
	return f.bounded("?read_timeout=5s&write_timeout=5s&pool_timeout=5s&dial_timeout=5s", guard, o)
}

func (f *redisField) bounded(timeouts string, guard cache.Guard, o shared.Options) (*cache.Cache, *shared.Tier, error) {
	tier, err := shared.Open("redis://"+f.addr+timeouts, o)
	if err != nil {
		return nil, nil, err
	}
	c, err := cache.New(nil, cache.WithFar(tier), cache.WithGuard(guard))
	if err != nil {
		return nil, nil, err
	}
	f.ends = append(f.ends, func() { _ = tier.Close() }, func() { _ = c.Close() })
	return c, tier, nil
}

// hit is a call of the client that Redis answers.
func (f *redisField) hit(ctx context.Context, o shared.Options) (func() error, error) {
	kept, _, err := f.calm(o)
	if err != nil {
		return nil, err
	}
	c, done, err := clientWith(kept)
	if err != nil {
		return nil, err
	}
	f.ends = append(f.ends, done)
	call := func() error {
		_, err := c.Session(ctx, "user-0001", "20240120220000_k7q2m")
		return err
	}
	for range 100 { // it is stored after the first has been answered
		before := kept.Stats().Far.Hits
		if err := call(); err != nil {
			return nil, err
		}
		if kept.Stats().Far.Hits > before {
			return call, nil
		}
		wait(ctx, 20*time.Millisecond)
	}
	return nil, errors.New("the report is not answered by Redis")
}

// redisMeter has many short slices: what else the machine does falls into few of them.
var redisMeter = meter{rounds: 601, slice: 20}

func redisHit(ctx context.Context) []Outcome {
	names := []string{goRedisShared, goRedisJSON, ours.Name}
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer f.end()
	value := new(usualReport)
	peer := rediscache.New(&rediscache.Options{Redis: f.client})
	call, err := f.hit(ctx, shared.Options{})
	err = errors.Join(err,
		json.Unmarshal([]byte(report()), value),
		peer.Set(&rediscache.Item{Ctx: ctx, Key: "report", Value: value, TTL: time.Hour}),
		f.client.Set(ctx, "json", report(), time.Hour).Err())
	if err != nil {
		return outcomes(names, err, nil)
	}
	costs, err := redisMeter.measure([]func() error{
		func() error { return peer.Get(ctx, "report", new(usualReport)) },
		func() error {
			b, err := f.client.Get(ctx, "json").Bytes()
			if err != nil {
				return err
			}
			return json.Unmarshal(b, new(usualReport))
		},
		call,
	})
	return outcomes(names, err, func(i int) []Figure {
		return []Figure{
			{Name: "x peer", Format: "%.3f", Value: costs[i].Ratio},
			{Name: "µs", Format: "%.0f", Value: costs[i].Time.Seconds() * 1e6},
			{Name: "KB", Format: "%.1f", Value: costs[i].Bytes / 1024},
		}
	})
}

func redisSealed(ctx context.Context) []Outcome {
	names := []string{oursPlain, ours.Name}
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer f.end()
	ring, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		return outcomes(names, err, nil)
	}
	plain, err1 := f.hit(ctx, shared.Options{})
	sealed, err2 := f.hit(ctx, shared.Options{Sealer: ring})
	if err := errors.Join(err1, err2); err != nil {
		return outcomes(names, err, nil)
	}
	costs, err := redisMeter.measure([]func() error{plain, sealed})
	return outcomes(names, err, func(i int) []Figure {
		figures := []Figure{{Name: "µs", Format: "%.0f", Value: costs[i].Time.Seconds() * 1e6}}
		if i > 0 {
			figures = append([]Figure{
				{Name: "µs added", Format: "%.1f", Value: costs[i].Added.Seconds() * 1e6},
				{Name: "µs of doubt", Format: "± %.1f", Value: costs[i].Doubt.Seconds() * 1e6},
			}, figures...)
		}
		return figures
	})
}

// many is the values of the user whose are taken back.
const many = 1_000_000

func redisInvalidate(ctx context.Context) []Outcome {
	names := []string{ours.Name, goRedisScan}
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer f.end()
	c, tier, err := f.calm(shared.Options{})
	if err != nil {
		return outcomes(names, err, nil)
	}
	few, lots := cache.OwnerOf("t", "few"), cache.OwnerOf("t", "lots")
	for owner, n := range map[cache.Owner]int{few: 1000, lots: many} {
		if err := f.populate(ctx, owner, n); err != nil {
			return outcomes(names, err, nil)
		}
	}
	costs, err := redisMeter.measure([]func() error{
		func() error { return tier.Bump(ctx, few, cache.Changing) },
		func() error { return tier.Bump(ctx, lots, cache.Changing) },
		func() error { return c.Invalidate(ctx, lots) },
		func() error { return f.client.Set(ctx, "one", "write", time.Hour).Err() },
	})
	begun := time.Now()
	if err == nil {
		err = f.scan(ctx, "asleep:{"+string(lots)+"}:v:*")
	}
	scanned := time.Since(begun)
	return outcomes(names, err, func(i int) []Figure {
		if i == 1 {
			return []Figure{{Name: "µs", Format: "%.0f", Value: scanned.Seconds() * 1e6}}
		}
		return []Figure{
			{Name: "x a bare SET", Format: "%.2f", Value: costs[1].Ratio / costs[3].Ratio},
			{Name: "x that of 1,000", Format: "%.2f", Value: costs[1].Ratio},
			{Name: "µs", Format: "%.1f", Value: costs[1].Time.Seconds() * 1e6},
			{Name: "µs with the notice to other processes", Format: "%.1f", Value: costs[2].Time.Seconds() * 1e6},
		}
	})
}

// populate gives an owner marks and so many values.
func (f *redisField) populate(ctx context.Context, owner cache.Owner, n int) error {
	slot := "asleep:{" + string(owner) + "}"
	if err := f.client.Set(ctx, slot+":m", "ABCDEFGHIJKLMNOPQRSTUVWXYZ.ABCDEFGHIJKLMNOPQRSTUVWXYZ", time.Hour).Err(); err != nil {
		return err
	}
	for done := 0; done < n; {
		_, err := f.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range min(5000, n-done) {
				p.Set(ctx, fmt.Sprintf("%s:v:%032x", slot, done), "x", time.Hour)
				done++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scan is how one takes back without marks.
func (f *redisField) scan(ctx context.Context, pattern string) error {
	var cursor uint64
	for {
		keys, next, err := f.client.Scan(ctx, cursor, pattern, 1000).Result()
		if err == nil && len(keys) > 0 {
			err = f.client.Del(ctx, keys...).Err()
		}
		if cursor = next; err != nil || cursor == 0 {
			return err
		}
	}
}
