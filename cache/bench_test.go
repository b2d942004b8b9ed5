package cache_test

import (
	"errors"
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// BenchmarkGet is what the policy costs, above the tiers and the copy.
func BenchmarkGet(b *testing.B) {
	s := &service{says: "durable: a"}
	for name, setup := range map[string]func() *process{
		"near": func() *process { return newProcess(b, nil) },
		"far": func() *process {
			p := newProcess(b, cachetest.NewHub(), cache.WithKeep(cache.Keep{Durable: 1 << 60, Backstop: 1}))
			return p
		},
		"far shut": func() *process {
			p := newProcess(b, cachetest.NewHub(), cache.WithKeep(cache.Keep{Mutable: 1 << 60}))
			p.link.Break(cachetest.Faults{Err: errors.New("away")})
			_ = p.Invalidate(b.Context(), "o")
			return p
		},
	} {
		b.Run(name, func(b *testing.B) {
			p := setup()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.get(k1, cache.Call{}, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInvalidate(b *testing.B) {
	p := newProcess(b, cachetest.NewHub())
	owner := k1.Owner()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Invalidate(b.Context(), owner); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = k1.Name()
	}
}
