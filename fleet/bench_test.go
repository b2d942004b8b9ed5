//go:build unix

package fleet_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/server/limits"
)

func BenchmarkReserve(b *testing.B) {
	run := func(b *testing.B, th *fleet.Throttle, parallel int) {
		b.Helper()
		before := th.Stats()
		b.SetParallelism(parallel)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := th.Reserve(b.Context(), 1, patient); err != nil {
					b.Error(err)
				}
			}
		})
		after := th.Stats()
		b.ReportMetric(float64(after.Exchanges-before.Exchanges)/float64(b.N), "trips/op")
	}
	fresh := func(b *testing.B) *fleet.Throttle {
		b.Helper()
		th := throttle(b, process(b, "redis://"+dbtest.Redis(b).Addr), fleet.Rate{PerSecond: 1e6, Burst: 1e6})
		await(b, "it has joined", func() bool { return th.Stats().Members == 1 })
		return th
	}
	b.Run("one caller", func(b *testing.B) { run(b, fresh(b), 0) })
	b.Run("64 callers", func(b *testing.B) { run(b, fresh(b), 32) })
	b.Run("redis away", func(b *testing.B) {
		th := throttle(b, hasty(b, "redis://127.0.0.1:1"), fleet.Rate{PerSecond: 1e6, Burst: 1e6, Members: 1})
		await(b, "it is away", func() bool {
			_, _, _ = th.Reserve(b.Context(), 1, 0)
			return th.Stats().Away
		})
		run(b, th, 0)
	})
}

func BenchmarkInbound(b *testing.B) {
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		b.Run(string(algorithm), func(b *testing.B) {
			in := inbound(b, process(b, "redis://"+dbtest.Redis(b).Addr), limits.Rate{Requests: 100, Window: time.Second, Algorithm: algorithm})
			for i := 0; b.Loop(); i++ {
				_, _ = in.Allow(b.Context(), strconv.Itoa(i&1023))
			}
		})
	}
}

func BenchmarkHint(b *testing.B) {
	h := hint(b, hasty(b, "redis://127.0.0.1:1"), fleet.HintOptions{})
	for b.Loop() {
		h.Until()
	}
}
