//go:build unix

package fleet_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/server/limits"
)

func inbound(tb testing.TB, f *fleet.Fleet, r limits.Rate) limits.Limits {
	tb.Helper()
	in, err := f.Inbound("of a test", r)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

func allow(tb testing.TB, l limits.Limits, client string) limits.Decision {
	tb.Helper()
	d, err := l.Allow(tb.Context(), client)
	if err != nil {
		tb.Error(err)
	}
	return d
}

// Decisions in memory and in Redis are the same, figure by figure.
func TestBothKindsOfMemoryDecideAlike(t *testing.T) {
	t.Parallel()
	for _, r := range []limits.Rate{
		{Requests: 10, Window: time.Second},
		{Requests: 9, Window: 7 * time.Second, Burst: 3},
		{Requests: 7, Window: 24 * time.Hour},
		{Requests: 10, Window: time.Second, Algorithm: limits.SlidingWindow},
		{Requests: 100, Window: time.Minute, Algorithm: limits.SlidingWindow},
	} {
		random := rand.New(rand.NewPCG(uint64(r.Requests), uint64(r.Window)))
		steps := make([]time.Duration, 600)
		for i := range steps {
			steps[i] = time.Duration(random.Float64() * random.Float64() * float64(2*r.Window) / float64(r.Requests)).Truncate(time.Microsecond)
		}
		m := miniredis.RunT(t)
		shared := inbound(t, process(t, "redis://"+m.Addr()), r)
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var want []limits.Decision
		for _, pass := range steps {
			now = now.Add(pass)
			m.SetTime(now)
			d := allow(t, shared, "c")
			if d.Local {
				t.Fatal("Redis was not asked")
			}
			want = append(want, d)
		}
		synctest.Test(t, func(t *testing.T) {
			alone, err := limits.NewMemory(r)
			if err != nil {
				t.Fatal(err)
			}
			denied := 0
			for i, pass := range steps {
				time.Sleep(pass)
				got := allow(t, alone, "c")
				got.Local = false
				if r.Algorithm == limits.SlidingWindow { // the slots of the two clocks begin at different times
					got.Reset, got.RetryAfter, want[i].Reset, want[i].RetryAfter = 0, 0, 0, 0
				}
				if got != want[i] {
					t.Fatalf("%+v, step %d: in memory %+v, in Redis %+v", r, i, got, want[i])
				}
				if !got.Allowed {
					denied++
				}
			}
			if denied < 20 || denied > 580 {
				t.Errorf("%d of 600 denied: a weak test", denied)
			}
		})
	}
}

// In Redis, who waits as long as it is told is let in, and nobody earlier.
func TestRetryAfterIsExactOnTheClockOfRedis(t *testing.T) {
	t.Parallel()
	for _, r := range []limits.Rate{
		{Requests: 10, Window: time.Minute},
		{Requests: 7, Window: time.Second},
		{Requests: 3, Window: 24 * time.Hour},
		{Requests: 10, Window: time.Minute, Algorithm: limits.SlidingWindow},
		{Requests: 7, Window: time.Second, Algorithm: limits.SlidingWindow},
	} {
		m := miniredis.RunT(t)
		now := time.Date(2026, 3, 1, 0, 0, 0, 123_456_000, time.UTC)
		pass := func(d time.Duration) { now = now.Add(d); m.SetTime(now) }
		pass(0)
		shared := inbound(t, process(t, "redis://"+m.Addr()), r)
		for range 50 {
			d := allow(t, shared, "c")
			for d.Allowed {
				pass(r.Window / time.Duration(3*r.Requests))
				d = allow(t, shared, "c")
			}
			pass(d.RetryAfter - time.Microsecond)
			for range 3 { // knocking costs nothing
				if early := allow(t, shared, "c"); early.Allowed || early.RetryAfter != time.Microsecond {
					t.Fatalf("%+v, a microsecond early: %+v", r, early)
				}
			}
			pass(time.Microsecond)
			if in := allow(t, shared, "c"); !in.Allowed || in.Local {
				t.Fatalf("%+v, in time: %+v", r, in)
			}
		}
	}
}

func TestANameWithAnotherRateIsCountedApart(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	f := process(t, "redis://"+m.Addr())
	for _, r := range []limits.Rate{
		{Requests: 2, Window: time.Hour},
		{Requests: 3, Window: time.Hour},
		{Requests: 3, Window: time.Minute},
		{Requests: 3, Window: time.Hour, Burst: 1},
		{Requests: 3, Window: time.Hour, Algorithm: limits.SlidingWindow},
	} {
		in := inbound(t, f, r)
		for i := range r.Depth() + 1 {
			if d := allow(t, in, "c"); d.Local || d.Allowed != (i < r.Depth()) {
				t.Errorf("%+v, request %d: %+v", r, i, d)
			}
		}
	}
}

func TestProcessesKeepAnInboundLimitTogether(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  "redis://" + dbtest.Redis(t).Addr,
		"cluster": "redis://" + dbtest.RedisCluster(t, 3)[2].Addr + "?cluster=true",
	} {
		for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
			t.Run(name+" "+string(algorithm), func(t *testing.T) {
				t.Parallel()
				r := limits.Rate{Requests: 50, Window: time.Hour, Algorithm: algorithm}
				var allowed, alone atomic.Int64
				var wg sync.WaitGroup
				for range 4 {
					in := inbound(t, process(t, url), r)
					wg.Go(func() {
						for i := range 100 {
							d := allow(t, in, strconv.Itoa(i%2))
							if d.Allowed {
								allowed.Add(1)
							}
							if d.Local {
								alone.Add(1)
							}
						}
					})
				}
				wg.Wait()
				if n := allowed.Load(); n < 100 || n > 100+alone.Load() {
					t.Errorf("%d allowed, %d of them alone; two clients have 50 each", n, alone.Load())
				}
			})
		}
	}
}

func TestAnInboundLimitOutlivesWhateverBefallsRedis(t *testing.T) {
	t.Parallel()
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.Redis(t, trouble.args...)
			url := "redis://" + s.Addr
			for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
				in := inbound(t, hasty(t, url), limits.Rate{Requests: 3, Window: time.Hour, Algorithm: algorithm})
				next, watch := 0, standstill.For(t)
				ask := func() limits.Decision {
					start := time.Now()
					d := allow(t, in, strconv.Itoa(next))
					if took := watch.Took(start); took > 20*ms+slack {
						t.Errorf("a decision took %v", took)
					}
					return d
				}
				admin := open(t, url+"?read_timeout=1m&write_timeout=1m&pool_timeout=1m&dial_timeout=1m")
				await(t, "Redis decides", func() bool { return !ask().Local })
				trouble.begin(t, s, admin)
				// A Redis that is full has room again for a moment when it frees a buffer.
				kept := !trouble.away
				for try := 0; !kept && try < 50; try++ {
					trouble.begin(t, s, admin)
					await(t, "the process decides", func() bool { next++; return ask().Local })
					next++
					var all []limits.Decision
					for range 4 {
						all = append(all, ask())
					}
					if slices.ContainsFunc(all, func(d limits.Decision) bool { return !d.Local }) {
						continue
					}
					kept = true
					for i, d := range all { // and keeps the limit by itself
						if d.Allowed != (i < 3) || d.Limit != 3 {
							t.Errorf("request %d: %+v", i, d)
						}
					}
				}
				if !kept {
					t.Error("the process never decided four times in a row")
				}
				trouble.recover(t, s, admin)
				await(t, "Redis decides again", func() bool { next++; return !ask().Local })
			}
		})
	}
}

func TestWrongLimitsAreExplainedByName(t *testing.T) {
	t.Parallel()
	f := hasty(t, "redis://127.0.0.1:1")
	if _, err := f.Inbound("GET /x", limits.Rate{Window: time.Second}); err == nil || !strings.Contains(err.Error(), `"GET /x"`) || !strings.Contains(err.Error(), "0 requests") {
		t.Errorf("%v", err)
	}
	_ = f.Close()
	if _, err := f.Inbound("GET /x", limits.Rate{Requests: 1, Window: time.Second}); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("of a closed fleet: %v", err)
	}
}
