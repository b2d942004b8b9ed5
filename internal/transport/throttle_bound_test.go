package transport_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// stallingContext makes whoever waits on it late: Done is asked for after a timer
// was set and before it is looked at, and there the goroutine is stopped for a
// while, as by a busy or a suspended machine.
type stallingContext struct {
	context.Context
	stall func() time.Duration
}

func (c stallingContext) Done() <-chan struct{} {
	time.Sleep(c.stall())
	return c.Context.Done()
}

// TestThrottleNeverExceedsItsBound plays random arrivals, cancels, deadlines,
// stalls and answers: whatever happens, in no interval t do more than
// rate*t + burst requests leave.
func TestThrottleNeverExceedsItsBound(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			cfg := transport.ThrottleConfig{Rate: 1 + 200*rng.Float64(), Burst: 1 + rng.IntN(20), Fixed: rng.IntN(4) == 0}
			throttle := newThrottle(t, cfg)
			start := time.Now()
			var mu sync.Mutex
			var left []time.Duration
			var wg sync.WaitGroup
			for i := range 300 {
				own := rand.New(rand.NewPCG(seed, uint64(i+1)))
				wg.Go(func() {
					time.Sleep(upTo(own, 3*time.Second))
					var ctx context.Context
					var cancel context.CancelFunc
					if own.IntN(2) == 0 {
						ctx, cancel = context.WithTimeout(t.Context(), upTo(own, 5*time.Second))
					} else {
						ctx, cancel = context.WithCancel(t.Context())
						if own.IntN(4) == 0 {
							time.AfterFunc(upTo(own, time.Second), cancel)
						}
					}
					defer cancel()
					if own.IntN(3) == 0 {
						ctx = stallingContext{ctx, func() time.Duration { return upTo(own, 400*time.Millisecond) }}
					}
					g, err := throttle.Take(ctx)
					if err != nil {
						return
					}
					mu.Lock()
					left = append(left, time.Since(start))
					mu.Unlock()
					time.Sleep(upTo(own, 100*time.Millisecond))
					f := transport.Feedback{Limited: own.IntN(5) == 0}
					if f.Limited && own.IntN(10) == 0 {
						f.RetryAfter = upTo(own, 2*time.Second)
					}
					throttle.Feedback(g, f)
				})
			}
			wg.Wait()
			for i := range left {
				for j := i; j < len(left); j++ {
					bound := cfg.Rate*(left[j]-left[i]).Seconds() + float64(cfg.Burst)
					if n := j - i + 1; float64(n) > bound+1e-6 {
						t.Fatalf("seed %d, %+v: %d left between %v and %v, bound %v", seed, cfg, n, left[i], left[j], bound)
					}
				}
			}
			if s := throttle.Stats(); s.Waiting != 0 || len(left) < 5 {
				t.Errorf("seed %d: %d waiting at the end, %d left", seed, s.Waiting, len(left))
			}
		})
	}
}

// TestThrottleStallDoesNotBunchUp: tokens that fell due while nobody could run
// are lost beyond the burst.
func TestThrottleStallDoesNotBunchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 10, Burst: 2, Fixed: true})
		start := time.Now()
		var mu sync.Mutex
		var left []time.Duration
		var wg sync.WaitGroup
		for range 12 {
			ctx := stallingContext{t.Context(), func() time.Duration { return time.Second - time.Since(start)%time.Second }}
			wg.Go(func() {
				if _, err := throttle.Take(ctx); err != nil {
					t.Error(err)
				}
				mu.Lock()
				left = append(left, time.Since(start))
				mu.Unlock()
			})
		}
		wg.Wait()
		late := 0
		for _, at := range left {
			if at == time.Second {
				late++
			}
		}
		if left[1] != 0 || late != 2 {
			t.Errorf("departures %v: want the burst of 2 at 0 and, however many were due, of 2 after the stall at 1s", left)
		}
	})
}

func TestThrottleNewcomerDoesNotOvertakeALateHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 10, Burst: 5, Fixed: true})
		start := time.Now()
		for range 5 {
			take(t, throttle, start)
		}
		done := make(chan time.Duration)
		go func() {
			late := stallingContext{t.Context(), func() time.Duration { return time.Second }}
			if _, err := throttle.Take(late); err != nil {
				t.Error(err)
			}
			done <- time.Since(start)
		}()
		time.Sleep(500 * time.Millisecond) // there are tokens, but somebody was here first
		if _, at := take(t, throttle, start); at != time.Second {
			t.Errorf("the newcomer left at %v, want after the head at 1s", at)
		}
		if at := <-done; at != time.Second {
			t.Errorf("the head left at %v, want 1s", at)
		}
	})
}

func TestThrottleUnderRealConcurrency(t *testing.T) {
	t.Parallel()
	throttle := newThrottle(t, transport.ThrottleConfig{Rate: 1e6, Floor: 1e5, Burst: 100})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if n%7 == i%7 {
					go cancel()
				}
				if g, err := throttle.Take(ctx); err == nil {
					throttle.Feedback(g, transport.Feedback{Limited: n%100 == 50})
				}
				throttle.Stats()
				cancel()
			}
		})
	}
	wg.Wait()
	if n := throttle.Stats().Waiting; n != 0 {
		t.Errorf("%d waiting at the end", n)
	}
}

func BenchmarkThrottleTake(b *testing.B) {
	throttle, err := transport.NewThrottle(transport.ThrottleConfig{Rate: 1e12, Burst: 1e9, Fixed: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := throttle.Take(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkThrottleTakeFeedback(b *testing.B) {
	throttle, err := transport.NewThrottle(transport.ThrottleConfig{Rate: 1e12, Burst: 1e9})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		g, err := throttle.Take(ctx)
		if err != nil {
			b.Fatal(err)
		}
		throttle.Feedback(g, transport.Feedback{})
	}
}
