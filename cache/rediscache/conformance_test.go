//go:build unix

package rediscache_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// judge runs the suite on the Redis at url, each rule under a prefix of its own.
func judge(t *testing.T, url string, o rediscache.Options) {
	t.Helper()
	cachetest.RunFar(t, func(t *testing.T, processes int) []cache.Far {
		t.Helper()
		o := rediscache.Options{Prefix: apart(), Sealer: o.Sealer}
		all := make([]cache.Far, processes)
		for i := range all {
			all[i] = open(t, url, o)
		}
		return all
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	for name, o := range sealing(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, calm(s.Addr), o)
		})
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := dbtest.RedisCluster(t, 3)
	for name, o := range sealing(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, calm(nodes[1].Addr)+"&cluster=true", o)
		})
	}
}

func TestRedisWithTheCallersOwnClient(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	cachetest.RunFar(t, func(t *testing.T, processes int) []cache.Far {
		t.Helper()
		all := make([]cache.Far, processes)
		for i := range all {
			client := redis.NewClient(&redis.Options{Addr: s.Addr}) // as it comes
			t.Cleanup(func() { _ = client.Close() })
			if i == 0 {
				client.FlushAll(t.Context())
			}
			tier, err := rediscache.New(client, rediscache.Options{})
			if err != nil {
				t.Fatal(err)
			}
			all[i] = tier
		}
		return all
	})
}
