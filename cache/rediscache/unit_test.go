//go:build unix

package rediscache_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/standstill"
)

func TestWrongOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer func() { _ = ring.Close() }()
	replicas := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, RouteByLatency: true})
	defer func() { _ = replicas.Close() }()
	make1 := func(client redis.UniversalClient, prefix string) error {
		_, err := rediscache.New(client, rediscache.Options{Prefix: prefix})
		return err
	}
	_, url := rediscache.Open("http://u:hunter2@host", rediscache.Options{Prefix: "a{b"})
	for want, err := range map[string]error{
		"client is nil":                 make1(nil, ""),
		"moves keys":                    make1(ring, ""),
		"reads from replicas":           make1(replicas, ""),
		`Prefix is "a b"`:               make1(ring, "a b"),
		"Prefix is":                     make1(replicas, strings.Repeat("x", 65)),
		"invalid URL scheme: http":      url,
		`Prefix is "a{b": give at most`: url,
	} {
		if !errors.Is(err, cache.ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func mini(t *testing.T, o rediscache.Options) (*miniredis.Miniredis, *rediscache.Tier) {
	t.Helper()
	m := miniredis.RunT(t)
	return m, open(t, calm(m.Addr()), o)
}

func TestAKeyIsRotatedWithoutLosingAValue(t *testing.T) {
	t.Parallel()
	m, one := mini(t, rediscache.Options{Sealer: ring(t, 1)})
	both := open(t, calm(m.Addr()), rediscache.Options{Sealer: ring(t, 2, 1)})
	two := open(t, calm(m.Addr()), rediscache.Options{Sealer: ring(t, 2)})
	get := func(tier *rediscache.Tier) string {
		value, _, err := tier.Get(t.Context(), stored(k1))
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	fill(t, one, "old")
	if got := get(both); got != "old" {
		t.Errorf("with both keys: %q", got)
	}
	if got := get(two); got != "?" { // unreadable, to be removed
		t.Errorf("with the new key alone: %q", got)
	}
	fill(t, both, "new")
	if got := get(two); got != "new" {
		t.Errorf("what was sealed anew: %q", got)
	}
	if got := get(open(t, calm(m.Addr()), rediscache.Options{})); got != "" {
		t.Errorf("without encryption: %q", got)
	}
}

// fill stores a value for k1.
func fill(t *testing.T, tier *rediscache.Tier, value string) {
	t.Helper()
	_, marks, err := tier.Get(t.Context(), stored(k1))
	if err != nil {
		t.Fatal(err)
	}
	f := cache.Fill{Key: stored(k1), Value: []byte(value), TTL: time.Minute, Marks: marks}
	if ok, err := tier.Fill(t.Context(), f); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

// twice sends every script a second time, as a client that repeats does when an answer
// was lost.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }
func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || !strings.HasPrefix(cmd.Name(), "eval") {
			return err
		}
		return next(ctx, cmd)
	}
}

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestAScriptThatRunsTwiceDoesNoHarm(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(twice{})
	tier, err := rediscache.New(client, rediscache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := stored(k1)
	g, err := tier.Lease(t.Context(), k, time.Minute)
	if err != nil || g.Lease == "" {
		t.Fatalf("the second run refuses the lease of the first: %+v, %v", g, err)
	}
	f := cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute, Marks: g.Marks, Lease: g.Lease}
	if _, err := tier.Fill(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	value, before, err := tier.Get(t.Context(), k)
	if err != nil || value != "v" || before != g.Marks {
		t.Errorf("%q, %+v, %v", value, before, err)
	}
	if err := tier.Bump(t.Context(), k.Owner(), cache.Changing); err != nil {
		t.Fatal(err)
	}
	if _, after, err := tier.Get(t.Context(), k); err != nil || after.Generation == before.Generation || after.Epoch != before.Epoch {
		t.Errorf("%+v became %+v, %v", before, after, err)
	}
}

func TestLeasesAndMarksEndByTheirTime(t *testing.T) {
	t.Parallel()
	m, tier := mini(t, rediscache.Options{})
	k := stored(k1)
	first, err := tier.Lease(t.Context(), k, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	m.FastForward(5 * time.Second)
	second, err := tier.Lease(t.Context(), k, 5*time.Second)
	if err != nil || second.Lease == "" || second.Lease == first.Lease || second.Marks != first.Marks {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	m.FastForward(time.Hour)
	if left := m.Keys(); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
}

func TestTwoPrefixesShareNothing(t *testing.T) {
	t.Parallel()
	m, tier := mini(t, rediscache.Options{Prefix: "a"})
	fill(t, tier, "v")
	value, _, err := open(t, calm(m.Addr()), rediscache.Options{Prefix: "b"}).Get(t.Context(), stored(k1))
	if value != "" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
}

func TestACacheOnAClosedTierLoads(t *testing.T) {
	t.Parallel()
	m, tier := mini(t, rediscache.Options{})
	c, err := cache.New(new(cachetest.Map), cache.WithFar(tier))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cache: c, t: t, tier: tier, near: new(cachetest.Map), watch: standstill.For(t)}
	p.want(k1, "mutable: a", cache.TierNone)
	if err := tier.Close(); err != nil {
		t.Error(err)
	}
	m.Close()
	k2 := k1
	k2.ID = "2"
	p.want(k2, "mutable: b", cache.TierNone)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
