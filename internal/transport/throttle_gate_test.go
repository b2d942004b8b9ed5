package transport_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// shut is a throttle whose gate was closed at 1 s, with callers in line.
type shut struct {
	*transport.Throttle

	t     *testing.T
	start time.Time
	wg    sync.WaitGroup
	mu    sync.Mutex
	left  []time.Duration
	first transport.Grant
}

const shutFor = 1900 * time.Millisecond

// inFrontOfTheGate runs test when the first caller has had time to look in.
func inFrontOfTheGate(t *testing.T, cfg transport.ThrottleConfig, callers int, test func(*shut)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &shut{Throttle: newThrottle(t, cfg), t: t, start: time.Now()}
		g, _ := take(t, s.Throttle, s.start)
		time.Sleep(time.Second)
		s.Feedback(g, transport.Feedback{Limited: true, RetryAfter: shutFor})
		for range callers {
			s.wg.Go(func() {
				g, at := take(t, s.Throttle, s.start)
				s.mu.Lock()
				defer s.mu.Unlock()
				if len(s.left) == 0 {
					s.first = g
				}
				s.left = append(s.left, at)
			})
		}
		time.Sleep(500 * time.Millisecond)
		test(s)
		s.wg.Wait()
	})
}

func (s *shut) departures() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Duration(nil), s.left...)
}

// restFrom checks that all but the first of so many left from a time on, and not much later.
func (s *shut) restFrom(callers int, from, within time.Duration) {
	s.t.Helper()
	s.wg.Wait()
	left := s.departures()
	if len(left) != callers || left[1] < from || left[callers-1] > from+within {
		s.t.Errorf("left at %v, want all but the first between %v and %v", left, from, from+within)
	}
}

func TestOneLooksInBeforeTheGateOpens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		look func(*shut)
		from time.Duration // when the others leave
	}{
		{"accepted, all may come", func(s *shut) { s.Feedback(s.first, transport.Feedback{}) }, 1500 * time.Millisecond},
		{"refused, the gate closes for good", func(s *shut) {
			s.Feedback(s.first, transport.Feedback{Limited: true, RetryAfter: shutFor})
		}, 1500*time.Millisecond + shutFor},
		{"refused without a wait, the gate stays closed", func(s *shut) {
			s.Feedback(s.first, transport.Feedback{Limited: true})
		}, time.Second + shutFor},
		{"unanswered, the gate stays closed", func(*shut) {}, time.Second + shutFor},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inFrontOfTheGate(t, transport.ThrottleConfig{Rate: 100}, 8, func(s *shut) {
				if left := s.departures(); len(left) != 1 || left[0] < 1050*time.Millisecond {
					t.Fatalf("left at %v, want one, 50 ms after the gate was closed or later", left)
				}
				tt.look(s)
				s.restFrom(8, tt.from, shutFor/20+4*time.Second)
			})
		})
	}
}

func TestNobodyLooksIn(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]transport.ThrottleConfig{
		"where the whole gate is asked for": {Rate: 100, WholeGate: true},
		"where the rate is fixed":           {Rate: 100, Fixed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFrontOfTheGate(t, cfg, 3, func(s *shut) {
				if left := s.departures(); len(left) != 0 {
					t.Errorf("left at %v, want nobody before the gate opens", left)
				}
				s.wg.Wait()
				if left := s.departures(); left[0] < time.Second+shutFor {
					t.Errorf("the first left at %v, before the gate had opened", left[0])
				}
			})
		})
	}
}

// TestALateRefusalDoesNotCloseTheGateAgain: what left before the one who was let in says
// less than that one.
func TestALateRefusalDoesNotCloseTheGateAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 100})
		one, _ := take(t, throttle, time.Now())
		late, _ := take(t, throttle, time.Now())
		time.Sleep(time.Millisecond)
		throttle.Feedback(one, transport.Feedback{Limited: true, RetryAfter: shutFor})
		look, _ := take(t, throttle, time.Now())
		throttle.Feedback(look, transport.Feedback{})
		throttle.Feedback(late, transport.Feedback{Limited: true, RetryAfter: shutFor})
		if until := throttle.Stats().GateUntil; !until.IsZero() {
			t.Errorf("closed until %v by a request that left before the look", until)
		}
	})
}

// TestOnlyTheOneWhoLooksInMayHopeForLess: the deadline of anybody behind is judged by what
// the upstream asked for.
func TestOnlyTheOneWhoLooksInMayHopeForLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, transport.ThrottleConfig{Rate: 100})
		g, _ := take(t, throttle, time.Now())
		time.Sleep(time.Millisecond)
		throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: shutFor})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := throttle.Take(ctx); err != nil {
				t.Errorf("the first in line: %v, want a look after 50 ms", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		_, err := throttle.Take(ctx)
		if refused, ok := errors.AsType[*transport.ThrottledError](err); !ok || !refused.Gated || time.Since(start) != 0 {
			t.Errorf("the second in line: %v after %v, want a refusal at once", err, time.Since(start))
		}
		wg.Wait()
		if _, err := throttle.Take(ctx); !errors.Is(err, transport.ErrThrottled) || time.Since(start) > 100*time.Millisecond {
			t.Errorf("after the look: %v, want a refusal", err)
		}
	})
}
