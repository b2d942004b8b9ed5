package bench

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	rediscache "github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	shared "github.com/asleep-sdk/asleep/cache/rediscache"
)

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
	theirs := worst(1, func(int) { _, _ = peer.get(ctx, "u", one) })
	return outcomes(names, nil, func(i int) []Figure {
		if i == 1 {
			return []Figure{{Name: "ms at first", Format: "%.0f", Value: theirs.Seconds() * 1e3}}
		}
		return []Figure{
			{Name: "ms at first", Format: "%.1f", Value: first.Seconds() * 1e3},
			{Name: "µs later", Format: "%.2f", Value: max(0, costs[1].Added).Seconds() * 1e6},
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
