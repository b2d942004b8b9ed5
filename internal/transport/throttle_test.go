package transport_test

import (
	"context"
	"errors"
	"math"
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
