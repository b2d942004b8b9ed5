package transport_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestAPatientCallWaitsForTheBreaker(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(90*time.Second), breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		res := l.get(patient)
		if res.status != 200 || res.took < 2*time.Minute || res.took > 2*time.Minute+100*ms {
			t.Errorf("%d %v after %v, want 200 with the probe at 2m", res.status, res.err, res.took)
		}
	})
}

func TestAPatientCallWhoseDeadlineComesFirstIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	inLab(t, always(503), breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
		defer cancel()
		if res := l.do(ctx, patient); !errors.Is(res.err, transport.ErrCircuitOpen) || res.took != 0 {
			t.Errorf("%v after %v", res.err, res.took)
		}
		// Those who wait are told when a failed probe puts the next too far off, also
		// behind one who can wait for it. (The first of the two is the probe.)
		forGood, stop := context.WithCancel(l.t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		for range 2 {
			wg.Go(func() { l.do(forGood, patient) })
			synctest.Wait()
		}
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				ctx, cancel := context.WithTimeout(l.t.Context(), 90*time.Second)
				defer cancel()
				if res := l.do(ctx, patient, func(c *transport.Call) { c.Limits.Attempts = 2 }); l.since() > time.Minute+100*ms || res.err == nil {
					t.Errorf("%v at %v, want a refusal after the first probe", res.err, l.since())
				}
			})
		}
		others.Wait()
		time.Sleep(time.Second)
		if n := l.breaker().Waiting; n != 2 {
			t.Errorf("%d are still in line, want the two who can wait", n)
		}
	})
}

func TestAPatientCallThatIsCancelledSaysBoth(t *testing.T) {
	t.Parallel()
	inLab(t, always(503), breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		ctx, cancel := context.WithCancel(l.t.Context())
		time.AfterFunc(time.Second, cancel)
		res := l.do(ctx, patient)
		if !errors.Is(res.err, transport.ErrCircuitOpen) || !errors.Is(res.err, context.Canceled) || res.took != time.Second || res.Outcome.Class != transport.ClassCanceled {
			t.Errorf("%v after %v, %v", res.err, res.took, res.Outcome.Class)
		}
		if n := l.breaker().Waiting; n != 0 {
			t.Errorf("%d are still in line", n)
		}
	})
}

func TestProbesOfPatientCallsAreNotCounted(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(10*time.Minute), func(c *transport.Config) {
		breakers(t, nil)(c)
		c.Budget, _ = transport.NewBudget(transport.BudgetConfig{Tokens: 1, PerSecond: 1e-9})
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		res := l.get(patient)
		if res.status != 200 || res.Attempts != 10 {
			t.Errorf("%d %v after %d attempts, want 200 with the 10th", res.status, res.err, res.Attempts)
		}
	})
}

// Two calls per 10 ms in normal times: then 200/s is the normal rate.
func TestPatientCallsReturnOnARamp(t *testing.T) {
	t.Parallel()
	const heal = 5 * time.Second
	upstream := func(_ *http.Request, at time.Duration) (*http.Response, error) {
		if at >= 2*time.Second && at < heal {
			return reply(503), nil
		}
		return reply(200), nil
	}
	inLab(t, upstream, breakers(t, func(b *transport.BreakerConfig) { b.ProbeAfter = 250 * ms }), func(l *lab) {
		var mu sync.Mutex
		var failed, calls int
		var firstOK time.Duration
		for l.since() < 9*time.Second {
			for range 2 {
				calls++
				go func() {
					ctx, cancel := context.WithTimeout(l.t.Context(), 4*time.Second)
					defer cancel()
					res := l.do(ctx, patient)
					mu.Lock()
					defer mu.Unlock()
					if res.status != 200 {
						failed++
					} else if at := l.since(); at >= heal && firstOK == 0 {
						firstOK = at - heal
					}
				}()
			}
			time.Sleep(10 * ms)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		during, second := 0, 0
		for _, at := range l.attempts() {
			if at >= 2*time.Second && at < heal {
				during++
			}
			if at >= heal+firstOK && at < heal+firstOK+time.Second {
				second++
			}
		}
		t.Logf("%d of %d calls failed; %d attempts in the outage (%.3f a call); first success %v after healing; %d in the first second (normal: 200)",
			failed, calls, during, float64(during)/600, firstOK, second)
		if failed > 0 || during > 36 || firstOK > 300*ms || second > 400 {
			t.Error("want no failure, at most 0.06 attempts a call, 300ms and twice the normal rate")
		}
	})
}

func TestThoseWhoCameFirstGoFirst(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				l.get(patient)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("order %v", order)
		}
	})
}
