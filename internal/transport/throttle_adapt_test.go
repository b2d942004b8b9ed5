package transport_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

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
