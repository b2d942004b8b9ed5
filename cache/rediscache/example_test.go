//go:build unix

package rediscache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/cache/rediscache"
)

// Two processes share what the service said. Here both are one program, and the Redis is
// one in memory.
func Example() {
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer redis.Close()
	kind := &cache.Kind[string]{
		Name: "note", Schema: 1,
		Decode: func(_ cache.Key, raw string) (string, error) { return raw, nil },
		Clone:  func(v string) string { return v },
		Size:   func(v string) int { return len(v) },
		Class:  func(cache.Key, string) cache.Class { return cache.Durable },
	}
	key := cache.Key{Tenant: cache.TenantOf("the API key", "https://api.asleep.ai"), User: "user-0001", ID: "a night"}
	for process := range 2 {
		// An example must not hang on how busy the machine is: a program leaves these out.
		const patient = "?read_timeout=1m&write_timeout=1m&pool_timeout=1m&dial_timeout=1m"
		shared, err := rediscache.Open("redis://"+redis.Addr()+patient, rediscache.Options{Prefix: "my-app"})
		if err != nil {
			fmt.Println(err)
			return
		}
		near, err := memory.New(memory.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		guard := cache.DefaultGuard()
		guard.Budget = time.Minute
		kept, err := cache.New(near, cache.WithFar(shared), cache.WithGuard(guard))
		if err != nil {
			fmt.Println(err)
			return
		}
		v, from, err := cache.Get(context.Background(), kept, key, kind, cache.Call{}, func(context.Context) (string, string, error) {
			return "slept well", "slept well", nil // a call to the service
		})
		fmt.Printf("process %d: %s, from %q, %v\n", process, v, from.Tier, err)
		_ = kept.Close() // it is stored by then
		_ = shared.Close()
	}
	// Output:
	// process 0: slept well, from "", <nil>
	// process 1: slept well, from "shared", <nil>
}
