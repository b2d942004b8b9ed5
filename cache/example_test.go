package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// Package client does this for reports, lists and averages; here is a kind of
// one's own.
func ExampleGet() {
	greetings := &cache.Kind[string]{
		Name: "greeting", Schema: 1,
		Decode: func(_ cache.Key, raw string) (string, error) { return raw, nil },
		Clone:  func(s string) string { return s },
		Size:   func(s string) int { return len(s) },
		Class:  func(cache.Key, string) cache.Class { return cache.Mutable },
	}
	c, err := cache.New(new(cachetest.Map)) // or memory.New, which is bounded
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close() }()

	ctx := context.Background()
	key := cache.Key{Tenant: cache.TenantOf("the API key", "https://api.asleep.ai"), User: "user-0001", ID: "hello"}
	asked := 0
	ask := func(context.Context) (string, string, error) {
		asked++
		text := fmt.Sprint("hello for the ", asked, ". time")
		return text, text, nil
	}
	for range 2 {
		text, from, err := cache.Get(ctx, c, key, greetings, cache.Call{Timeout: time.Second}, ask)
		fmt.Printf("%s, from %q, %v\n", text, from.Tier, err)
	}
	if err := c.Invalidate(ctx, key.Owner()); err != nil {
		fmt.Println(err)
	}
	text, from, err := cache.Get(ctx, c, key, greetings, cache.Call{}, ask)
	fmt.Printf("%s, from %q, %v\n", text, from.Tier, err)
	// Output:
	// hello for the 1. time, from "", <nil>
	// hello for the 1. time, from "memory", <nil>
	// hello for the 2. time, from "", <nil>
}
