package memory_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
)

// full returns a tier with 10,000 users of 10 entries each.
func full(b *testing.B) (*memory.Memory, []cache.Key) {
	b.Helper()
	m, err := memory.New(memory.Options{MaxBytes: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	var keys []cache.Key
	until := time.Now().Add(time.Hour)
	for user := range 10_000 {
		for id := range 10 {
			k := cache.Key{Tenant: "t", User: fmt.Sprint("user-", user), Kind: "session", ID: strconv.Itoa(id), Zone: cache.UTC, Schema: 1}
			keys = append(keys, k)
			m.Set(&cache.Entry{Key: k, Owner: cache.Owner(k.User), Class: cache.Durable, Size: 1000, Fresh: until, Until: until})
		}
	}
	return m, keys
}

func BenchmarkGet(b *testing.B) {
	m, keys := full(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if m.Get(keys[i%len(keys)]) == nil {
			b.Fatal("evicted")
		}
		i += 7919
	}
}

// BenchmarkDropOwner takes back one user's of 100,000 entries.
func BenchmarkDropOwner(b *testing.B) {
	m, keys := full(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.DropOwner(cache.Owner(keys[i%len(keys)].User), cache.Everything)
		i += 10
	}
}
