package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
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
			Goal:  "<= 20 µs, flat (within 1.5x of a user with 1,000)",
			Goals: []Goal{{Figure: "µs", Limit: 20}, {Figure: "x that of 1,000", Limit: 1.5}}, Run: redisInvalidate,
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
	tier, err := shared.Open("redis://"+f.addr, o)
	if err != nil {
		return nil, nil, err
	}
	c, err := cache.New(nil, cache.WithFar(tier))
	if err != nil {
		return nil, nil, err
	}
	f.ends = append(f.ends, func() { _ = tier.Close() }, func() { _ = c.Close() })
	return c, tier, nil
}

// hit is a call of the client that Redis answers.
func (f *redisField) hit(ctx context.Context, o shared.Options) (func() error, error) {
	kept, _, err := f.cache(o)
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
	for range 3 { // it is stored after the first has been answered
		if err := call(); err != nil {
			return nil, err
		}
		wait(ctx, 50*time.Millisecond)
	}
	before := kept.Stats().Far.Hits
	if err := call(); err != nil || kept.Stats().Far.Hits != before+1 {
		return nil, errors.Join(errors.New("the report is not answered by Redis"), err)
	}
	return call, nil
}

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
	costs, err := decodeMeter.measure([]func() error{
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
	costs, err := decodeMeter.measure([]func() error{plain, sealed})
	return outcomes(names, err, func(i int) []Figure {
		figures := []Figure{{Name: "µs", Format: "%.0f", Value: costs[i].Time.Seconds() * 1e6}}
		if i > 0 { // by the ratio within rounds, as the machine may change between them
			figures = append([]Figure{{Name: "µs added", Format: "%.1f", Value: (costs[i].Ratio - 1) * costs[0].Time.Seconds() * 1e6}}, figures...)
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
	c, tier, err := f.cache(shared.Options{})
	if err != nil {
		return outcomes(names, err, nil)
	}
	few, lots := cache.OwnerOf("t", "few"), cache.OwnerOf("t", "lots")
	for owner, n := range map[cache.Owner]int{few: 1000, lots: many} {
		if err := f.populate(ctx, owner, n); err != nil {
			return outcomes(names, err, nil)
		}
	}
	costs, err := decodeMeter.measure([]func() error{
		func() error { return tier.Bump(ctx, few, cache.Changing) },
		func() error { return tier.Bump(ctx, lots, cache.Changing) },
		func() error { return c.Invalidate(ctx, lots) },
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
			{Name: "µs", Format: "%.1f", Value: costs[1].Time.Seconds() * 1e6},
			{Name: "x that of 1,000", Format: "%.2f", Value: costs[1].Ratio},
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

// fleeting is a kind that is never kept, so that every call passes all of a cache.
var fleeting = &cache.Kind[int64]{
	Name: "fleeting", Schema: 1,
	Decode: number.Decode, Clone: number.Clone, Size: number.Size,
	Class: func(cache.Key, int64) cache.Class { return cache.Forbidden },
}

// redisStalled: what is added is added to the same calls of a cache without Redis.
func redisStalled(ctx context.Context) []Outcome {
	names := []string{ours.Name, goRedisShared}
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer f.end()
	without, err1 := newCache()
	with, tier, err2 := f.cache(shared.Options{})
	if err := errors.Join(err1, err2); err != nil {
		return outcomes(names, err, nil)
	}
	f.ends = append(f.ends, func() { _ = without.Close() })
	if err := tier.Ping(ctx); err != nil {
		return outcomes(names, err, nil)
	}
	f.stall()
	peer := goRedis{rediscache.New(&rediscache.Options{Redis: f.client})}
	call := func(c *cache.Cache) error {
		_, _, err := cache.Get(ctx, c, cache.Key{User: "u"}, fleeting, cache.Call{}, func(context.Context) (int64, string, error) { return 1, "1", nil })
		return err
	}
	worst := func(calls int, call func(int)) (most time.Duration) {
		for i := range calls {
			begun := time.Now()
			call(i)
			most = max(most, time.Since(begun))
		}
		return most
	}
	first := worst(3, func(int) { _ = call(with) })
	wait(ctx, 200*time.Millisecond)
	costs, err := decodeMeter.measure([]func() error{func() error { return call(without) }, func() error { return call(with) }})
	if err != nil {
		return outcomes(names, err, nil)
	}
	later := max(0, costs[1].Ratio-1) * costs[0].Time.Seconds()
	theirs := worst(1, func(int) { _, _ = peer.get(ctx, "u", one) })
	return outcomes(names, nil, func(i int) []Figure {
		if i == 1 {
			return []Figure{{Name: "ms at first", Format: "%.0f", Value: theirs.Seconds() * 1e3}}
		}
		return []Figure{
			{Name: "ms at first", Format: "%.1f", Value: first.Seconds() * 1e3},
			{Name: "µs later", Format: "%.2f", Value: later * 1e6},
		}
	})
}

func one(context.Context) (int64, error) { return 1, nil }

// several are caches as of so many processes on one Redis, ours and the peer's.
func (f *redisField) several(n int) (names []string, caches [][]loadingCache, err error) {
	names, caches = []string{ours.Name, goRedisShared}, make([][]loadingCache, 2)
	for range n {
		c, _, err := f.cache(shared.Options{})
		if err != nil {
			return names, nil, err
		}
		client := redis.NewClient(&redis.Options{Addr: f.addr})
		f.ends = append(f.ends, func() { _ = client.Close() })
		caches[0] = append(caches[0], ourCache{c})
		caches[1] = append(caches[1], goRedis{rediscache.New(&rediscache.Options{Redis: client})})
	}
	return names, caches, nil
}

func redisStampede(ctx context.Context) []Outcome {
	const load = 200 * time.Millisecond
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes([]string{ours.Name, goRedisShared}, err, nil)
	}
	defer f.end()
	names, caches, err := f.several(8)
	return outcomes(names, err, func(i int) []Figure {
		for p, c := range caches[i] { // connections are made
			_, _ = c.get(ctx, strconv.Itoa(p), one)
		}
		var loads, slowest atomic.Int64
		var wg sync.WaitGroup
		begun := time.Now()
		for _, c := range caches[i] {
			for range 125 {
				wg.Go(func() {
					_, _ = c.get(ctx, "herd", func(ctx context.Context) (int64, error) {
						loads.Add(1)
						wait(ctx, load)
						return 1, nil
					})
					for took := int64(time.Since(begun)); ; {
						if most := slowest.Load(); took <= most || slowest.CompareAndSwap(most, took) {
							return
						}
					}
				})
			}
		}
		wg.Wait()
		return []Figure{
			{Name: "loads", Format: "%.0f", Value: float64(loads.Load())},
			{Name: "ms beyond", Format: "%.0f", Value: (time.Duration(slowest.Load()) - load).Seconds() * 1e3},
		}
	})
}

func redisRace(ctx context.Context) []Outcome {
	f, err := newRedisField(ctx)
	if err != nil {
		return outcomes([]string{ours.Name, goRedisShared}, err, nil)
	}
	defer f.end()
	names, caches, err := f.several(2)
	return outcomes(names, err, func(i int) []Figure {
		stale := 0
		for trial := range 1000 {
			if !raced(ctx, caches[i][0], caches[i][1], strconv.Itoa(trial)) {
				stale++
			}
		}
		return []Figure{{Name: "stale", Format: "%.0f", Value: float64(stale)}}
	})
}
