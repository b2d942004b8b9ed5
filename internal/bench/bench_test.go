package bench_test

import (
	"errors"
	"testing"

	"github.com/asleep-sdk/asleep/internal/bench"
)

// What one call of each contender costs, with testing's own means. The ratios that
// the goals are about are taken in turn, by the command calls.

func BenchmarkLoopback(b *testing.B) {
	up, err := bench.NewUpstream(b.Context(), bench.Healthy())
	if err != nil {
		b.Fatal(err)
	}
	defer up.Close()
	field(b, bench.Setup{URL: up.URL})
}

func BenchmarkFreeWire(b *testing.B) {
	field(b, bench.Setup{URL: "http://127.0.0.1:1", Wire: bench.FreeWire(), Whole: true})
}

func field(b *testing.B, setup bench.Setup) {
	b.Helper()
	for _, contender := range bench.Field() {
		b.Run(contender.Name, func(b *testing.B) {
			c, err := contender.New(setup)
			if errors.Is(err, bench.ErrNotMeasured) {
				b.Skip(err)
			}
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Get(b.Context(), "/payload"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	names, decode := bench.Decoders()
	for i, name := range names {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode[i](); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
