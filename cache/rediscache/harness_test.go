//go:build unix

package rediscache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/internal/standstill"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis reports every failed dial
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// sealing is options with and without encryption.
func sealing(t *testing.T) map[string]rediscache.Options {
	t.Helper()
	return map[string]rediscache.Options{"plain": {}, "sealed": {Sealer: ring(t, 1)}}
}

// ring makes keys out of numbers, the current one first.
func ring(tb testing.TB, keys ...byte) *seal.Keyring {
	tb.Helper()
	all := make([][]byte, len(keys))
	for i, k := range keys {
		all[i] = bytes.Repeat([]byte{k}, seal.KeySize)
	}
	r, err := seal.New(all...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func open(tb testing.TB, url string, o rediscache.Options) *rediscache.Tier {
	tb.Helper()
	tier, err := rediscache.Open(url, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tier.Close() })
	return tier
}

// patient is a guard for what is not about time: a machine that is busy is no fault.
func patient() cache.Guard {
	g := cache.DefaultGuard()
	g.Budget, g.InvalidateBudget, g.Probe = time.Minute, time.Minute, 10*time.Millisecond
	g.Lease = time.Minute // a load is not given up because the machine stood still
	return g
}

// calm is the URL of a Redis on a machine that may be busy, for what is not about time.
func calm(addr string) string {
	return "redis://" + addr + "?read_timeout=1m&write_timeout=1m&pool_timeout=1m&dial_timeout=1m"
}

// process is a cache on Redis with a near tier of its own.
type process struct {
	*cache.Cache

	t     testing.TB
	tier  *rediscache.Tier
	near  *cachetest.Map
	watch *standstill.Watch
}

func newProcess(tb testing.TB, url string, guard cache.Guard, o rediscache.Options) *process {
	tb.Helper()
	p := &process{t: tb, tier: open(tb, url, o), near: new(cachetest.Map), watch: standstill.For(tb)}
	c, err := cache.New(p.near, cache.WithFar(p.tier), cache.WithGuard(guard))
	if err != nil {
		tb.Fatal(err)
	}
	p.Cache = c
	tb.Cleanup(func() { _ = c.Close() })
	return p
}

// listening waits until the process hears of what others take back.
func (p *process) listening() *process {
	p.t.Helper()
	eventually(p.t, func() bool { return p.Stats().BusListened > 0 })
	return p
}

// nights is a kind of texts that begin with the name of their class.
var nights = &cache.Kind[string]{
	Name: "night", Schema: 1,
	Decode: func(_ cache.Key, raw string) (string, error) {
		if !strings.Contains(raw, ":") {
			return "", errors.New("no night")
		}
		return raw, nil
	},
	Clone: strings.Clone,
	Size:  func(v string) int { return len(v) },
	Class: func(_ cache.Key, v string) cache.Class {
		if strings.HasPrefix(v, "durable") {
			return cache.Durable
		}
		return cache.Mutable
	},
}

var k1 = cache.Key{Tenant: cache.TenantOf("sk-live-42", "https://api.asleep.ai"), User: "user-0001", ID: "20260303130000_k7q2m"}

// stored is a key as backends are given it.
func stored(k cache.Key) cache.Key {
	k.Kind, k.Schema = nights.Name, nights.Schema
	return k
}

// ask gets k; the service says text. What it took is without what the machine stood still.
func (p *process) ask(k cache.Key, text string) (got string, from cache.Origin, took time.Duration) {
	p.t.Helper()
	begun := time.Now()
	got, from, err := cache.Get(p.t.Context(), p.Cache, k, nights, cache.Call{}, func(context.Context) (string, string, error) {
		return text, text, nil
	})
	took = p.watch.Took(begun)
	if err != nil {
		p.t.Errorf("a call failed: %v", err)
	}
	return got, from, took
}

// want fails unless k is text from tier; it is what the service says too.
func (p *process) want(k cache.Key, text string, tier cache.Tier) {
	p.t.Helper()
	if got, from, _ := p.ask(k, text); got != text || from.Tier != tier {
		p.t.Errorf("%q from %q, want %q from %q", got, from.Tier, text, tier)
	}
}

// shared loads k and returns when it can be had from Redis.
func (p *process) shared(k cache.Key, text string) {
	p.t.Helper()
	eventually(p.t, func() bool {
		p.near.Flush(cache.Everything)
		got, from, _ := p.ask(k, text)
		if got != text {
			p.t.Fatalf("%q, want %q", got, text)
		}
		return from.Tier == cache.TierFar
	})
}

// raw is a client beside the tier, for looking and for planting.
func raw(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(unhurried(addr))
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// unhurried are the options of a client that takes a busy machine for no fault.
func unhurried(addr string) *redis.Options {
	return &redis.Options{Addr: addr, DialTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, PoolTimeout: time.Minute}
}

// keys lists what stands in Redis.
func keys(tb testing.TB, c *redis.Client) []string {
	tb.Helper()
	all, err := c.Keys(context.WithoutCancel(tb.Context()), "*").Result()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// eventually polls for what a real server decides.
func eventually(tb testing.TB, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatal("it does not come about")
		}
	}
}

var prefixes atomic.Int64

// apart is a prefix that no other test has.
func apart() string { return fmt.Sprint("t", prefixes.Add(1)) }
