package limits_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/server/limits"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

func newMemory(tb testing.TB, r limits.Rate) *limits.Memory {
	tb.Helper()
	m, err := limits.NewMemory(r)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func allow(tb testing.TB, l limits.Limits, client string) limits.Decision {
	tb.Helper()
	d, err := l.Allow(tb.Context(), client)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// expect asks and compares.
func expect(t *testing.T, l limits.Limits, what string, want limits.Decision) {
	t.Helper()
	want.Local = true
	if d := allow(t, l, "a"); d != want {
		t.Fatalf("%s: %+v, want %+v", what, d, want)
	}
}

func TestABucketIsExactToTheMicrosecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, limits.Rate{Requests: 5, Window: time.Minute})
		for i := range 5 {
			expect(t, m, "request "+strconv.Itoa(i), limits.Decision{Allowed: true, Limit: 5, Remaining: 4 - i, Reset: time.Duration(i+1) * 12 * time.Second})
		}
		for range 3 {
			expect(t, m, "a refusal costs nothing", limits.Decision{Limit: 5, Reset: time.Minute, RetryAfter: 12 * time.Second})
		}
		if d := allow(t, m, "b"); !d.Allowed || d.Remaining != 4 {
			t.Errorf("another client: %+v", d)
		}
		time.Sleep(12*time.Second - us)
		expect(t, m, "a microsecond early", limits.Decision{Limit: 5, Reset: 48*time.Second + us, RetryAfter: us})
		time.Sleep(us)
		expect(t, m, "in time", limits.Decision{Allowed: true, Limit: 5, Reset: time.Minute})
		time.Sleep(time.Hour)
		expect(t, m, "an hour later", limits.Decision{Allowed: true, Limit: 5, Remaining: 4, Reset: 12 * time.Second})
	})
}

func TestABurstIsWhatABucketHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, limits.Rate{Requests: 10, Window: time.Second, Burst: 2})
		expect(t, m, "one", limits.Decision{Allowed: true, Limit: 2, Remaining: 1, Reset: 100 * ms})
		expect(t, m, "two", limits.Decision{Allowed: true, Limit: 2, Reset: 200 * ms})
		expect(t, m, "three", limits.Decision{Limit: 2, Reset: 200 * ms, RetryAfter: 100 * ms})
	})
}

func TestAWindowSaysWhenItsOldestAndItsNewestLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, limits.Rate{Requests: 2, Window: 16 * time.Second, Algorithm: limits.SlidingWindow})
		expect(t, m, "one", limits.Decision{Allowed: true, Limit: 2, Remaining: 1, Reset: 17 * time.Second})
		time.Sleep(3500 * ms)
		expect(t, m, "two", limits.Decision{Allowed: true, Limit: 2, Reset: 16500 * ms})
		expect(t, m, "three", limits.Decision{Limit: 2, Reset: 16500 * ms, RetryAfter: 13500 * ms})
		time.Sleep(13500*ms - us)
		expect(t, m, "a microsecond early", limits.Decision{Limit: 2, Reset: 3*time.Second + us, RetryAfter: us})
		time.Sleep(us)
		expect(t, m, "in time", limits.Decision{Allowed: true, Limit: 2, Reset: 17 * time.Second})
		time.Sleep(time.Hour)
		expect(t, m, "an hour later", limits.Decision{Allowed: true, Limit: 2, Remaining: 1, Reset: 17 * time.Second})
	})
}

// Whatever the rate, and however it is knocked before: RetryAfter is the first microsecond at which one is let
// in, and after Reset all is there again.
func TestWhoWaitsAsLongAsIsSaidIsLetIn(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		for _, r := range []limits.Rate{
			{Requests: 1, Window: ms},
			{Requests: 7, Window: time.Second},
			{Requests: 100, Window: time.Minute},
			{Requests: 3, Window: 24 * time.Hour},
			{Requests: 1_000_003, Window: time.Second},
			{Requests: 1<<31 - 1, Window: 24 * time.Hour},
			{Requests: 5, Window: 1001 * us},
		} {
			if r.Algorithm = algorithm; r.Requests > 1000 { // more cannot be used up one by one
				if algorithm == limits.SlidingWindow {
					continue
				}
				r.Burst = 3
			}
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t, r)
				random := rand.New(rand.NewPCG(uint64(r.Requests), 1))
				for range 100 {
					d := allow(t, m, "a")
					for d.Allowed {
						time.Sleep(time.Duration(random.Int64N(int64(r.Window)/int64(2*r.Requests) + 1)))
						d = allow(t, m, "a")
					}
					for range 5 {
						time.Sleep(time.Duration(random.Int64N(int64(d.RetryAfter-us) + 1)).Truncate(us))
						if d = allow(t, m, "a"); d.Allowed {
							t.Fatalf("%+v: let in early", r)
						}
					}
					time.Sleep(d.RetryAfter)
					if d = allow(t, m, "a"); !d.Allowed {
						t.Fatalf("%+v: refused after RetryAfter: %+v", r, d)
					}
					if random.IntN(10) == 0 {
						time.Sleep(d.Reset)
						if d = allow(t, m, "a"); d.Remaining != r.Depth()-1 {
							t.Fatalf("%+v: after Reset %+v", r, d)
						}
					}
				}
			})
		}
	}
}

func TestNoWindowWhateverHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, limits.Rate{Requests: 20, Window: time.Second, Algorithm: limits.SlidingWindow})
		var allowed []time.Time
		random := rand.New(rand.NewPCG(3, 4))
		for range 20_000 {
			time.Sleep(time.Duration(random.ExpFloat64() * float64(20*ms)))
			if allow(t, m, "a").Allowed {
				allowed = append(allowed, time.Now())
			}
		}
		for i := 20; i < len(allowed); i++ {
			if span := allowed[i].Sub(allowed[i-20]); span < time.Second {
				t.Fatalf("21 requests in %v", span)
			}
		}
		if rate := float64(len(allowed)) / allowed[len(allowed)-1].Sub(allowed[0]).Seconds(); rate < 17 {
			t.Errorf("%.1f/s of 20/s: the window holds too much back", rate)
		}
	})
}

func TestNoMoreThanTheRateComesThroughTogether(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(t, limits.Rate{Requests: 100, Window: time.Minute, Algorithm: algorithm})
			var passed atomic.Int64
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					for range 50 {
						if allow(t, m, "a").Allowed {
							passed.Add(1)
						}
					}
				})
			}
			all.Wait()
			if passed.Load() != 100 {
				t.Errorf("%s: %d of 100 came through", algorithm, passed.Load())
			}
		})
	}
}

func TestAFloodOfClientsIsBoundedAndForgetsTheOldestFirst(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(t, limits.Rate{Requests: 1, Window: time.Hour, Algorithm: algorithm})
			for i := range limits.MaxClients + 1000 {
				if !allow(t, m, strconv.Itoa(i)).Allowed {
					t.Fatalf("client %d is refused", i)
				}
				if i%1000 == 999 && allow(t, m, "0").Allowed {
					t.Fatal("a client that keeps coming was forgotten")
				}
			}
			if n := m.Len(); n > limits.MaxClients || n < limits.MaxClients-1 {
				t.Errorf("%d clients are remembered", n)
			}
			if !allow(t, m, "1").Allowed || allow(t, m, "60000").Allowed {
				t.Error("not the oldest was forgotten")
			}
			time.Sleep(3 * time.Hour)
			for i := range 40_000 {
				allow(t, m, "later "+strconv.Itoa(i%10))
				allow(t, m, "once "+strconv.Itoa(i))
			}
			if n := m.Len(); n > 40_010 {
				t.Errorf("%d clients are remembered, most of which have all their requests again", n)
			}
		})
	}
}

func TestNamesOfAnyLengthAreToldApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, limits.Rate{Requests: 1, Window: time.Hour})
		long := strings.Repeat("x", 1<<20)
		for _, name := range []string{"", "x", long, long + "y"} {
			if !allow(t, m, name).Allowed || allow(t, m, name).Allowed {
				t.Errorf("the client %.10q is taken for another", name)
			}
		}
	})
}

func TestARateThatMakesNoSenseIsRefusedWithItsFigures(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]limits.Rate{
		"0 requests":                    {Window: time.Minute},
		"-3 requests":                   {Requests: -3, Window: time.Minute},
		"2147483648 requests":           {Requests: 1 << 31, Window: time.Minute},
		"window of 0s":                  {Requests: 1},
		"window of 48h":                 {Requests: 1, Window: 48 * time.Hour},
		`"leaky" is not known`:          {Requests: 1, Window: time.Minute, Algorithm: "leaky"},
		"a burst of -1":                 {Requests: 1, Window: time.Minute, Burst: -1},
		"a burst of 2: give 1 to 1":     {Requests: 1, Window: time.Minute, Burst: 2},
		"no effect in a sliding window": {Requests: 1, Window: time.Minute, Burst: 1, Algorithm: limits.SlidingWindow},
	} {
		if _, err := limits.NewMemory(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if _, err := limits.NewMemory(limits.Rate{Algorithm: "x"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every problem is named: %v", err)
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		b.Run(string(algorithm), func(b *testing.B) {
			m := newMemory(b, limits.Rate{Requests: 1_000_000_000, Window: 24 * time.Hour, Algorithm: algorithm})
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.Allow(b.Context(), "198.51.100.7")
			}
		})
	}
}
