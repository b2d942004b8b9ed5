package transport_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func newThrottle(t *testing.T, cfg transport.ThrottleConfig) *transport.Throttle {
	t.Helper()
	throttle, err := transport.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}

// take takes a token and returns when, since start.
func take(t *testing.T, throttle *transport.Throttle, start time.Time) (transport.Grant, time.Duration) {
	t.Helper()
	g, err := throttle.Take(t.Context())
	if err != nil {
		t.Errorf("Take: %v", err)
	}
	return g, time.Since(start)
}

func TestThrottlePacesAfterTheBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 10, Burst: 3, Fixed: true})
		start := time.Now()
		for i, want := range []time.Duration{0, 0, 0, 100, 200, 300} {
			if _, at := take(t, throttle, start); at != want*time.Millisecond {
				t.Errorf("token %d at %v, want %v", i, at, want*time.Millisecond)
			}
		}
		time.Sleep(time.Hour) // idle time is worth no more than the burst
		start = time.Now()
		for i, want := range []time.Duration{0, 0, 0, 100} {
			if _, at := take(t, throttle, start); at != want*time.Millisecond {
				t.Errorf("token %d after idling at %v, want %v", i, at, want*time.Millisecond)
			}
		}
	})
}

func TestThrottleDefaultBurstIsOneSecondUpToTen(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]float64{0.1: 1, 3: 3, 10: 10, 150: 10} {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: rate})
		if got := throttle.Stats().Tokens; got != want {
			t.Errorf("rate %v: %v tokens at first, want %v", rate, got, want)
		}
	}
}

func TestThrottleServesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 10, Burst: 1, Fixed: true})
		start := time.Now()
		take(t, throttle, start)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, at := take(t, throttle, start); at != time.Duration(i+1)*100*time.Millisecond {
					t.Errorf("caller %d left at %v", i, at)
				}
			})
			synctest.Wait() // so that they come in this order
		}
		if n := throttle.Stats().Waiting; n != 20 {
			t.Errorf("%d waiting, want 20", n)
		}
		wg.Wait()
	})
}

func TestThrottleRefusesAtOnceWhatTheDeadlineCannotMeet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 1, Burst: 1, Fixed: true})
		start := time.Now()
		take(t, throttle, start)
		go throttle.Take(t.Context())
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), 1999*time.Millisecond)
		defer cancel()
		_, err := throttle.Take(ctx)
		refused, ok := errors.AsType[*transport.ThrottledError](err)
		if !ok || !errors.Is(err, transport.ErrThrottled) || refused.Wait != 2*time.Second || refused.Gated {
			t.Errorf("got %v, want a ThrottledError with a wait of 2s", err)
		}
		if !strings.Contains(err.Error(), "2s") {
			t.Errorf("%q does not name the wait", err)
		}
		if at := time.Since(start); at != 0 {
			t.Errorf("refused after %v, want at once", at)
		}
		if _, at := take(t, throttle, start); at != 2*time.Second { // nothing was spent
			t.Errorf("the next caller left at %v, want 2s", at)
		}

		exact, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := throttle.Take(exact); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a token exactly at the deadline was refused: %v", err)
		}
	})
}

func TestThrottleCancelledWaiterGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 1, Burst: 1, Fixed: true})
		start := time.Now()
		take(t, throttle, start)
		first, cancelFirst := context.WithCancelCause(t.Context())
		third, cancelThird := context.WithCancelCause(t.Context())
		why := errors.New("changed my mind")
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{first, t.Context(), third, t.Context()} {
			wg.Go(func() {
				_, err := throttle.Take(ctx)
				at := time.Since(start)
				if i%2 == 0 {
					if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || at != 500*time.Millisecond {
						t.Errorf("caller %d: %v after %v, want its cause after 500ms", i, err, at)
					}
				} else if want := time.Duration(i/2+1) * time.Second; err != nil || at != want {
					t.Errorf("caller %d: %v after %v, want no error after %v", i, err, at, want)
				}
			})
			synctest.Wait()
		}
		time.Sleep(500 * time.Millisecond)
		cancelThird(why)
		cancelFirst(why)
		wg.Wait()
		if _, err := throttle.Take(first); !errors.Is(err, context.Canceled) {
			t.Errorf("Take on an ended context: %v", err)
		}
		if s := throttle.Stats(); s.Waiting != 0 {
			t.Errorf("%d still waiting", s.Waiting)
		}
	})
}

func TestThrottleRetryAfterQuietsEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rate, asked = 10, 30 * time.Second
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: rate, Burst: 5, Fixed: true})
		start := time.Now()
		g, _ := take(t, throttle, start)
		for range 4 {
			take(t, throttle, start)
		}

		var wg sync.WaitGroup
		var mu sync.Mutex
		var left []time.Duration
		for i := range 20 { // in the queue before the gate closes
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if i%2 == 0 {
					ctx = t.Context()
				}
				_, err := throttle.Take(ctx)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					left = append(left, time.Since(start))
				} else if refused, ok := errors.AsType[*transport.ThrottledError](err); !ok || !refused.Gated || time.Since(start) != 50*time.Millisecond {
					t.Errorf("caller %d: %v after %v, want a refusal when the gate closes", i, err, time.Since(start))
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: asked})
		synctest.Wait()
		if s := throttle.Stats(); s.Waiting != 10 || s.GateUntil.Sub(start) < asked {
			t.Errorf("%+v, want 10 waiting behind a gate of at least %v", s, asked)
		}

		ctx, cancel := context.WithTimeout(t.Context(), asked)
		defer cancel()
		before := time.Now()
		if _, err := throttle.Take(ctx); !errors.Is(err, transport.ErrThrottled) || time.Since(before) != 0 {
			t.Errorf("deadline before the reopening: %v after %v, want a refusal at once", err, time.Since(before))
		}

		wg.Wait()
		reopens := start.Add(50*time.Millisecond + asked)
		if first := start.Add(left[0]).Sub(reopens); first < time.Second/rate || first > asked/20+time.Second/rate+2 {
			t.Errorf("the first left %v after the Retry-After, want one token's time plus at most %v", first, asked/20)
		}
		for i := 1; i < len(left); i++ { // no burst
			if gap := left[i] - left[i-1]; gap < time.Second/rate-2 || gap > time.Second/rate+2 {
				t.Errorf("departure %d came %v after the one before, want %v", i, gap, time.Second/rate)
			}
		}
		if s := throttle.Stats(); !s.GateUntil.IsZero() {
			t.Errorf("the gate is still reported: %v", s.GateUntil)
		}
	})
}

func TestThrottleGateIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		asked, bound, want time.Duration
	}{
		{time.Hour, 0, transport.DefaultGateCap},
		{math.MaxInt64, 0, transport.DefaultGateCap},
		{time.Hour, 5 * time.Second, 5 * time.Second},
		{3 * time.Second, 5 * time.Second, 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			throttle := newThrottle(t, transport.ThrottleConfig{Rate: 1000, GateCap: tt.bound})
			g, _ := take(t, throttle, time.Now())
			throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: tt.asked})
			got := time.Until(throttle.Stats().GateUntil)
			if got < tt.want || got > tt.want+tt.want/20 {
				t.Errorf("asked for %v: quiet for %v, want %v and up to a twentieth more", tt.asked, got, tt.want)
			}
		})
	}
}

func TestThrottleGateReopensForEachProcessAtItsOwnTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const asked = 10 * time.Second
		seen := make(map[time.Duration]bool)
		for range 20 {
			throttle := newThrottle(t, transport.ThrottleConfig{Rate: 10})
			g, _ := take(t, throttle, time.Now())
			throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: asked})
			quiet := time.Until(throttle.Stats().GateUntil)
			if quiet < asked || quiet > asked+asked/20 {
				t.Errorf("quiet for %v, want %v and up to a twentieth more", quiet, asked)
			}
			seen[quiet] = true
		}
		if len(seen) < 15 {
			t.Errorf("20 throttles chose %d different times", len(seen))
		}
	})
}

func TestThrottleCountsAWaveAsOneCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 1000, Burst: 30})
		var grants []transport.Grant
		for range 30 {
			g, _ := take(t, throttle, time.Now())
			grants = append(grants, g)
		}
		for _, g := range grants {
			time.Sleep(time.Millisecond)
			throttle.Feedback(g, transport.Feedback{Limited: true})
		}
		time.Sleep(time.Second)
		s := throttle.Stats()
		if s.Cuts != 1 || s.Limited != 30 || s.Rate >= 1000 {
			t.Errorf("%+v, want one cut for 30 answers", s)
		}
	})
}

func TestThrottleStaysBetweenFloorAndCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 100, Floor: 7})
		for range 200 { // an upstream that turns everything away
			g, _ := take(t, throttle, time.Now())
			time.Sleep(30 * time.Millisecond)
			throttle.Feedback(g, transport.Feedback{Limited: true})
			if r := throttle.Stats().Rate; r < 7 {
				t.Fatalf("rate %v below the floor", r)
			}
		}
		low := throttle.Stats().Rate
		if low > 10 {
			t.Errorf("rate %v after 200 rejections in a row", low)
		}
		for range 5000 { // and now it takes everything
			g, _ := take(t, throttle, time.Now())
			throttle.Feedback(g, transport.Feedback{})
			if r := throttle.Stats().Rate; r > 100 {
				t.Fatalf("rate %v above the ceiling", r)
			}
		}
		if r := throttle.Stats().Rate; r != 100 {
			t.Errorf("rate %v after 5000 accepted requests, want the ceiling", r)
		}
	})
}

func TestThrottleDoesNotGrowWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 100})
		g, _ := take(t, throttle, time.Now())
		throttle.Feedback(g, transport.Feedback{Limited: true})
		time.Sleep(time.Second)
		before := throttle.Stats().Rate
		time.Sleep(time.Hour)
		if after := throttle.Stats().Rate; after != before || before >= 100 {
			t.Errorf("rate went from %v to %v in an idle hour", before, after)
		}
	})
}

func TestThrottleProbesAnUpstreamThatTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 100})
		const dead = 10 * time.Second
		start := time.Now()
		var attempts int
		for {
			g, at := take(t, throttle, start)
			attempts++
			time.Sleep(30 * time.Millisecond)
			throttle.Feedback(g, transport.Feedback{Limited: at < dead})
			if at >= dead {
				break
			}
			if s := throttle.Stats(); !s.HeldUntil.After(time.Now()) {
				t.Errorf("%+v after a rejection, want a hold", s)
			}
		}
		if s := throttle.Stats(); !s.HeldUntil.IsZero() {
			t.Errorf("still held until %v after an accepted probe", s.HeldUntil)
		}
		if attempts > 25 { // 1000 at the configured rate
			t.Errorf("%d attempts in %v of rejections, want at most 25", attempts, dead)
		}
		if _, at := take(t, throttle, time.Now()); at > time.Second {
			t.Errorf("%v to the next departure after an accepted probe", at)
		}
	})
}

func TestThrottleFixedKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 50, Fixed: true})
		for range 100 {
			g, _ := take(t, throttle, time.Now())
			throttle.Feedback(g, transport.Feedback{Limited: true})
		}
		if s := throttle.Stats(); s.Rate != 50 || s.Cuts != 0 {
			t.Errorf("%+v, want the configured rate", s)
		}
	})
}

func TestThrottleSetRateReachesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 0.01, Burst: 1})
		start := time.Now()
		take(t, throttle, start)
		go func() {
			time.Sleep(time.Second)
			if err := throttle.SetRate(100); err != nil {
				t.Error(err)
			}
		}()
		if _, at := take(t, throttle, start); at < time.Second || at > 1010*time.Millisecond {
			t.Errorf("left at %v, want within a token's time of the change at 1s", at)
		}
		if s := throttle.Stats(); s.Rate != 100 || s.Ceiling != 100 {
			t.Errorf("%+v, want 100 per second", s)
		}
		for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1)} {
			if err := throttle.SetRate(bad); err == nil {
				t.Errorf("SetRate(%v) was accepted", bad)
			}
		}
	})
}

func TestThrottleOff(t *testing.T) {
	t.Parallel()
	throttle, err := transport.NewThrottle(transport.ThrottleConfig{})
	if throttle != nil || err != nil {
		t.Fatalf("got %v, %v, want a nil throttle", throttle, err)
	}
	g, err := throttle.Take(t.Context())
	if err != nil {
		t.Error(err)
	}
	throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: time.Hour})
	if err := throttle.SetRate(-1); err != nil {
		t.Error(err)
	}
	if s := throttle.Stats(); s != (transport.ThrottleStats{}) {
		t.Errorf("%+v, want nothing", s)
	}
}

func TestThrottleConfigReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := transport.NewThrottle(transport.ThrottleConfig{Rate: math.NaN(), Burst: -2, Floor: -3, GateCap: -time.Second})
	for _, want := range []string{"Rate is NaN", "Burst is -2", "Floor is -3", "GateCap is -1s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := transport.NewThrottle(transport.ThrottleConfig{Rate: 1, Floor: 2}); err == nil {
		t.Error("a floor above the rate was accepted")
	}
}

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
