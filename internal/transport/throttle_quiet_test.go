package transport_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

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
