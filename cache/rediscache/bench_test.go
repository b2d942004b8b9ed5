//go:build unix

package rediscache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// BenchmarkTier is what each operation costs beside a bare command.
func BenchmarkTier(b *testing.B) {
	s := dbtest.Redis(b)
	bare := raw(b, s.Addr)
	value := strings.Repeat("a night ", 1000)
	if err := bare.Set(b.Context(), "bare", value, 0).Err(); err != nil {
		b.Fatal(err)
	}
	b.Run("bare MGET", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := bare.MGet(b.Context(), "none", "bare").Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
	k := stored(k1)
	for name, o := range map[string]rediscache.Options{"plain": {}, "sealed": {Sealer: ring(b, 1)}} {
		tier := open(b, calm(s.Addr), o)
		_, marks, err := tier.Get(b.Context(), k)
		if err != nil {
			b.Fatal(err)
		}
		fill := cache.Fill{Key: k, Value: []byte(value), TTL: time.Hour, Marks: marks}
		for what, operation := range map[string]func() error{
			"fill": func() error { _, err := tier.Fill(b.Context(), fill); return err },
			"get":  func() error { _, _, err := tier.Get(b.Context(), k); return err },
			"bump": func() error { return tier.Bump(b.Context(), "other", cache.Changing) },
		} {
			b.Run(name+" "+what, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := operation(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
