package bench

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
	shared "github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/redis/go-redis/v9"
	"github.com/asleep-sdk/asleep/internal/redisconn"
)

func TestLayers(t *testing.T) {
	ctx := context.Background()
	f, err := newRedisField(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer f.end()
	call, err := f.hit(ctx, shared.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tuned, _ := redisconn.Open("redis://" + f.addr)
	f.client.Set(ctx, "json", report(), time.Hour)
	f.client.Set(ctx, "marks", "ABCDEFGHIJKLMNOPQRSTUVWXYZ.ABCDEFGHIJKLMNOPQRSTUVWXYZ", time.Hour)
	resp2 := redis.NewClient(&redis.Options{Addr: f.addr, Protocol: 2, ContextTimeoutEnabled: true, DisableIdentity: true})
	c, tier, err := f.cache(shared.Options{})
	kind := &cache.Kind[*asleep.Report]{Name: "session", Schema: 1,
		Decode: func(_ cache.Key, raw string) (*asleep.Report, error) { return asleep.ParseReport(raw) },
		Clone:  (*asleep.Report).Clone, Size: func(*asleep.Report) int { return 1 }, Class: func(cache.Key, *asleep.Report) cache.Class { return cache.Durable }}
	key := cache.Key{Tenant: "t", User: "user-0001", ID: "20240120220000_k7q2m", Kind: "session", Schema: 1, Zone: "UTC"}
	load := func(context.Context) (*asleep.Report, string, error) {
		r, err := asleep.ParseReport(report())
		return r, report(), err
	}
	get := func() error { _, _, err := cache.Get(ctx, c, key, kind, cache.Call{}, load); return err }
	alone := func() error { _, _, err := cache.Get(ctx, c, key, kind, cache.Call{Mode: cache.Alone}, load); return err }
	get()
	time.Sleep(50 * time.Millisecond)
	get()
	names := []string{"bare GET", "bare GET tuned", "bare MGET", "MGET tuned", "MGET tuned ctx", "MGET resp2", "tier.Get", "cache.Get alone", "cache.Get", "Client.Session", "names"}
	fns := []func() error{
		func() error { return f.client.Get(ctx, "json").Err() },
		func() error { return tuned.Get(ctx, "json").Err() },
		func() error { return f.client.MGet(ctx, "marks", "json").Err() },
		func() error { return tuned.MGet(ctx, "marks", "json").Err() },
		func() error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			return tuned.MGet(ctx, "marks", "json").Err()
		},
		func() error { return resp2.MGet(ctx, "marks", "json").Err() },
		func() error { _, _, err := tier.Get(ctx, key); return err },
		alone, get, call,
		func() error { key.Name(); key.Owner(); return nil },
	}
	m := meter{rounds: 101, slice: 50}
	costs, err := m.measure(fns)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range costs {
		fmt.Printf("%-20s %.3f  %6.1f µs %6.1f KB %4.0f\n", names[i], c.Ratio, c.Time.Seconds()*1e6, c.Bytes/1024, c.Allocs)
	}
	if p := os.Getenv("PROF"); p != "" {
		w, _ := os.Create(p)
		pprof.StartCPUProfile(w)
		for range 40000 {
			call()
		}
		pprof.StopCPUProfile()
		w.Close()
	}
}
