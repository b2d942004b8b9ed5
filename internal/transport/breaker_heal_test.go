package transport_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// onItsWayBack runs test when the first probe has succeeded at one minute, and the
// second, which takes so long and ends with status, has just left.
func onItsWayBack(t *testing.T, takes time.Duration, status int, test func(*lab)) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	upstream := func(*http.Request, time.Duration) (*http.Response, error) {
		mu.Lock()
		n++
		second := n == 2
		mu.Unlock()
		if second {
			time.Sleep(takes)
			return reply(status), nil
		}
		return reply(200), nil
	}
	opened(t, upstream, nil, func(l *lab) {
		l.get(once)
		l.wantState(halfOpen)
		var probe sync.WaitGroup
		probe.Go(func() { l.get(once) })
		synctest.Wait()
		test(l)
		probe.Wait()
	})
}

// TestACallBetweenTwoGoodProbesWaits: it came too early by the length of a probe, and
// nothing but that probe goes out before the breaker has closed.
func TestACallBetweenTwoGoodProbesWaits(t *testing.T) {
	t.Parallel()
	const calls = 5
	onItsWayBack(t, 100*time.Millisecond, 200, func(l *lab) {
		before := len(l.attempts())
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if res := l.get(); res.status != 200 || res.took < 100*time.Millisecond {
					t.Errorf("%d %v after %v, want 200 once the probe has ended", res.status, res.err, res.took)
				}
			})
		}
		synctest.Wait()
		l.until(time.Minute + 100*time.Millisecond - 1)
		if n := len(l.attempts()) - before; n != 0 {
			t.Errorf("%d attempts beside the probe", n)
		}
		l.wantState(halfOpen)
		wg.Wait()
		l.wantState(closed)
		if left := l.breaker().Waiting; left != 0 {
			t.Errorf("%d still wait", left)
		}
	})
}

func TestTheWaitForASecondProbeIsShort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		takes    time.Duration
		status   int
		deadline time.Duration // of the call, 0 for none
		after    time.Duration // when it is refused
	}{
		{"the probe fails", 100 * time.Millisecond, 503, 0, 100 * time.Millisecond},
		{"the probe hangs", time.Second, 200, 0, 250 * time.Millisecond},
		{"the call ends sooner", time.Second, 200, 30 * time.Millisecond, 30 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onItsWayBack(t, tt.takes, tt.status, func(l *lab) {
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						ctx := l.t.Context()
						if tt.deadline > 0 {
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(ctx, tt.deadline)
							defer cancel()
						}
						if res := l.do(ctx); !errors.Is(res.err, transport.ErrCircuitOpen) || res.took != tt.after {
							t.Errorf("%d %v after %v, want a refusal after %v", res.status, res.err, res.took, tt.after)
						}
					})
				}
				wg.Wait()
				if left := l.breaker().Waiting; left != 0 {
					t.Errorf("%d still wait", left)
				}
			})
		})
	}
}

// TestBeforeTheFirstGoodProbeNobodyWaits: as long as nothing speaks for the upstream, a
// call that is not patient is refused at once.
func TestBeforeTheFirstGoodProbeNobodyWaits(t *testing.T) {
	t.Parallel()
	slow := func(*http.Request, time.Duration) (*http.Response, error) {
		time.Sleep(100 * time.Millisecond)
		return reply(200), nil
	}
	opened(t, slow, nil, func(l *lab) {
		go l.get(once)
		synctest.Wait()
		if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) || res.took != 0 {
			t.Errorf("%d %v after %v, want a refusal at once", res.status, res.err, res.took)
		}
		time.Sleep(time.Second)
	})
}
