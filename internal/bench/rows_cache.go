package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	rediscache "github.com/go-redis/cache/v9"
	"github.com/viccon/sturdyc"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/client"
)

// The peers of the cache, by the names they have in the table.
const (
	goRedisCache = "go-redis/cache, its local TinyLFU"
	sturdycName  = "sturdyc"
)

func cacheRows() []Row {
	return []Row{
		{
			ID:   "cache-hit",
			What: "hit in the memory of a report of 1,000 epochs, a private copy included",
			// In microseconds as a ratio, so that the verdict does not hang on the machine.
			Goal:  "<= 0.0305x (2.5 µs where the peer takes 82), <= 4.5 KB",
			Goals: []Goal{{Figure: "x peer", Limit: 0.0305}, {Figure: "KB", Limit: 4.5}},
			Run:   cacheHit,
		},
		{
			ID:    "cache-stampede",
			What:  "1,000 goroutines want one missing key, the first of them gives up: loads; calls that fail with it",
			Goal:  "1, 0",
			Goals: []Goal{{Figure: "loads", Limit: 1}, {Figure: "failed", Limit: 0}},
			Run:   cacheStampede,
		},
		{
			ID:    "cache-race",
			What:  "a load that began before an invalidation ends after it, 1,000 times: values kept that were not true any more",
			Goal:  "0",
			Goals: []Goal{{Figure: "stale", Limit: 0}},
			Run:   cacheRace,
		},
	}
}

// outcomes gives every contender its figures, or all of them the error.
func outcomes(names []string, err error, figures func(i int) []Figure) []Outcome {
	list := make([]Outcome, len(names))
	for i, name := range names {
		if list[i] = (Outcome{Contender: name, Err: err}); err == nil {
			list[i].Figures = figures(i)
		}
	}
	return list
}

// cacheHit: go-redis/cache keeps bytes and decodes them, so that copies are
// private; ours goes through the method of the client. sturdyc hands out what it
// keeps to everybody, and is not measured.
func cacheHit(ctx context.Context) []Outcome {
	names := []string{goRedisCache, ours.Name}
	value := new(usualReport)
	if err := json.Unmarshal([]byte(report()), value); err != nil {
		return outcomes(names, err, nil)
	}
	peer := rediscache.New(&rediscache.Options{LocalCache: rediscache.NewTinyLFU(1000, time.Hour)})
	if err := peer.Set(&rediscache.Item{Ctx: ctx, Key: "report", Value: value, TTL: time.Hour}); err != nil {
		return outcomes(names, err, nil)
	}
	c, done, err := cachedClient()
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer done()
	costs, err := decodeMeter.measure([]func() error{
		func() error { return peer.Get(ctx, "report", new(usualReport)) },
		func() error {
			_, err := c.Session(ctx, "user-0001", "20240120220000_k7q2m")
			return err
		},
	})
	return outcomes(names, err, func(i int) []Figure {
		return []Figure{
			{Name: "x peer", Format: "%.4f", Value: costs[i].Ratio},
			{Name: "µs", Format: "%.2f", Value: costs[i].Time.Seconds() * 1e6},
			{Name: "KB", Format: "%.1f", Value: costs[i].Bytes / 1024},
			{Name: "allocs", Format: "%.0f", Value: costs[i].Allocs},
		}
	})
}

// cachedClient is a client whose every answer is the report.
func cachedClient() (*client.Client, func(), error) {
	kept, err := newCache()
	if err != nil {
		return nil, nil, err
	}
	c, done, err := clientWith(kept)
	if err != nil {
		return nil, nil, err
	}
	return c, func() { done(); _ = kept.Close() }, nil
}

// clientWith is cachedClient with a cache that is the caller's to close.
func clientWith(kept *cache.Cache) (*client.Client, func(), error) {
	wire := roundTripper(func(req *http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(`{"detail":"OK","result":` + report() + `}`))
		return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: body, ContentLength: -1, Request: req}, nil
	})
	c, err := client.New(benchKey, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithCache(kept))
	if err != nil {
		return nil, nil, err
	}
	return c, func() { _ = c.Close() }, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func newCache() (*cache.Cache, error) {
	near, err := memory.New(memory.Options{})
	if err != nil {
		return nil, err
	}
	return cache.New(near)
}

// number is a value that can be told to be old.
var number = &cache.Kind[int64]{
	Name: "number", Schema: 1,
	Decode: func(_ cache.Key, raw string) (int64, error) { return strconv.ParseInt(raw, 10, 64) },
	Clone:  func(v int64) int64 { return v },
	Size:   func(int64) int { return 8 },
	Class:  func(cache.Key, int64) cache.Class { return cache.Mutable },
}

// loadingCache is a cache that loads numbers.
type loadingCache interface {
	get(ctx context.Context, key string, load func(context.Context) (int64, error)) (int64, error)
	forget(ctx context.Context, key string)
}

type ourCache struct{ *cache.Cache }

func (c ourCache) get(ctx context.Context, key string, load func(context.Context) (int64, error)) (int64, error) {
	v, _, err := cache.Get(ctx, c.Cache, cache.Key{User: key}, number, cache.Call{}, func(ctx context.Context) (int64, string, error) {
		v, err := load(ctx)
		return v, strconv.FormatInt(v, 10), err
	})
	return v, err
}

func (c ourCache) forget(ctx context.Context, key string) {
	_ = c.Invalidate(ctx, cache.OwnerOf("", key))
}

type goRedis struct{ *rediscache.Cache }

func (c goRedis) get(ctx context.Context, key string, load func(context.Context) (int64, error)) (v int64, err error) {
	err = c.Once(&rediscache.Item{Ctx: ctx, Key: key, Value: &v, TTL: time.Hour, Do: func(i *rediscache.Item) (any, error) {
		return load(i.Context())
	}})
	return v, err
}

func (c goRedis) forget(ctx context.Context, key string) { _ = c.Delete(ctx, key) }

type sturdy struct{ *sturdyc.Client[int64] }

func (c sturdy) get(ctx context.Context, key string, load func(context.Context) (int64, error)) (int64, error) {
	return c.GetOrFetch(ctx, key, load)
}

func (c sturdy) forget(_ context.Context, key string) { c.Delete(key) }

// loadingCaches are ours and the peers.
func loadingCaches() (names []string, caches []loadingCache, done func(), err error) {
	kept, err := newCache()
	if err != nil {
		return []string{ours.Name}, nil, nil, err
	}
	return []string{ours.Name, goRedisCache, sturdycName}, []loadingCache{
		ourCache{kept},
		goRedis{rediscache.New(&rediscache.Options{LocalCache: rediscache.NewTinyLFU(1000, time.Hour)})},
		sturdy{sturdyc.New[int64](1000, 1, time.Hour, 10)},
	}, func() { _ = kept.Close() }, nil
}

// errUnderWay is a load that was given up.
var errUnderWay = errors.New("given up")

func cacheStampede(ctx context.Context) []Outcome {
	names, caches, done, err := loadingCaches()
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer done()
	return outcomes(names, nil, func(i int) []Figure {
		var loads, failed atomic.Int64
		loading := make(chan struct{})
		load := func(ctx context.Context) (int64, error) {
			if loads.Add(1) == 1 {
				close(loading)
			}
			timer := time.NewTimer(200 * time.Millisecond)
			defer timer.Stop()
			select {
			case <-timer.C:
				return 1, nil
			case <-ctx.Done():
				return 0, errUnderWay
			}
		}
		first, leave := context.WithCancel(ctx)
		defer leave()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = caches[i].get(first, "stampede", load) })
		<-loading
		for range 999 {
			wg.Go(func() {
				if v, err := caches[i].get(ctx, "stampede", load); err != nil || v != 1 {
					failed.Add(1)
				}
			})
		}
		joined := time.NewTimer(50 * time.Millisecond)
		<-joined.C
		leave()
		wg.Wait()
		return []Figure{
			{Name: "loads", Format: "%.0f", Value: float64(loads.Load())},
			{Name: "failed", Format: "%.0f", Value: float64(failed.Load())},
		}
	})
}

func cacheRace(ctx context.Context) []Outcome {
	const trials = 1000
	names, caches, done, err := loadingCaches()
	if err != nil {
		return outcomes(names, err, nil)
	}
	defer done()
	return outcomes(names, nil, func(i int) []Figure {
		stale := 0
		for trial := range trials {
			if !raced(ctx, caches[i], caches[i], strconv.Itoa(trial)) {
				stale++
			}
		}
		return []Figure{{Name: "stale", Format: "%.0f", Value: float64(stale)}}
	})
}

// raced has loader load a key that is changed, and forgotten by other, meanwhile; it
// reports whether what is kept is true.
func raced(ctx context.Context, loader, other loadingCache, key string) bool {
	truth := int64(1)
	loading, changed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = loader.get(ctx, key, func(context.Context) (int64, error) {
			v := truth
			close(loading)
			<-changed
			return v, nil
		})
	})
	<-loading
	truth = 2
	other.forget(ctx, key)
	close(changed)
	wg.Wait()
	v, err := loader.get(ctx, key, func(context.Context) (int64, error) { return truth, nil })
	return err == nil && v == truth
}
