package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

const (
	closed   = transport.BreakerClosed
	open     = transport.BreakerOpen
	halfOpen = transport.BreakerHalfOpen
)

func repeat(n int, statuses ...int) []int { return slices.Repeat(statuses, n) }

func TestBreakerTripRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script []int
		every  time.Duration
		opens  int // with this call, 0 = never
	}{
		{"5 in a row on a quiet client", repeat(1, 503), 0, 5},
		{"lost connections count", repeat(1, 0), 0, 5},
		{"a success between starts anew", []int{503, 503, 503, 503, 200, 503, 503, 503, 503, 503}, 0, 10},
		{"10 in a row on a busy one", append(repeat(20, 200), 503), 0, 30},
		{"19 calls are quiet", append(repeat(14, 200), 503), 0, 19},
		{"20 calls are busy", append(repeat(15, 200), 503), 0, 25},
		{"5 of 24 in a row do not do", append(append(repeat(19, 200), repeat(9, 503)...), repeat(30, 200)...), 0, 0},
		{"half of 20", repeat(1000, 200, 503), 0, 20},
		{"less than half never", repeat(1000, 200, 503, 200), 0, 0},
		{"half of fewer than 20 is not judged", append(repeat(9, 200, 503), repeat(100, 200)...), 0, 0},
		{"403, 404 and 429 are successes", []int{503, 503, 503, 503, 404, 503, 503, 503, 503, 429, 503, 503, 503, 503, 403, 200}, 0, 0},
		{"failures older than the window are forgotten", repeat(1, 503), 16 * time.Second, 0},
		{"failures within it are not", repeat(1, 503), 12 * time.Second, 5},
		{"busyness passes", append(repeat(20, 200), 503), 11 * time.Second, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inLab(t, script(c.script...), breakers(t, nil), func(l *lab) {
				for n := 1; n <= 100; n++ {
					if l.get(once); l.breaker().State == open {
						if n != c.opens {
							t.Errorf("opened with call %d, want %d", n, c.opens)
						}
						return
					}
					time.Sleep(c.every)
				}
				if c.opens != 0 {
					t.Errorf("never opened, want it with call %d", c.opens)
				}
			})
		})
	}
}

func TestAttemptsUnderWayDoNotMakeAClientBusy(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	upstream := func(*http.Request, time.Duration) (*http.Response, error) {
		if n.Add(1) <= 30 {
			time.Sleep(5 * time.Second)
		}
		return reply(503), nil
	}
	inLab(t, upstream, breakers(t, nil), func(l *lab) {
		for range 30 {
			go l.get(once)
		}
		synctest.Wait()
		for range 5 {
			l.get(once)
		}
		l.wantState(open)
		time.Sleep(time.Minute)
	})
}

func TestOpenBreakerRefusesThenProbesThenCloses(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.wantState(open)
		l.until(time.Minute - 1)
		res := l.get()
		refusal, ok := errors.AsType[*transport.CircuitOpenError](res.err)
		if !ok || !errors.Is(res.err, transport.ErrCircuitOpen) || res.took != 0 || res.Attempts != 0 || res.Outcome.Class != transport.ClassRefused {
			t.Fatalf("%v after %v, %+v; want a refusal at once", res.err, res.took, res.Result)
		}
		if want := l.start.Add(time.Minute); !refusal.Until.Equal(want) || !l.breaker().Until.Equal(want) {
			t.Errorf("until %v, want %v", refusal.Until, want)
		}
		l.until(time.Minute)
		if res := l.get(); res.status != 200 {
			t.Errorf("the probe: %v", res.err)
		}
		l.wantState(halfOpen)
		l.get()
		l.wantState(closed)
		if s := l.breaker(); s.Opened != 1 || s.Refused != 1 || !s.Until.IsZero() || s.Calls != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAFailedProbeOpensAgain(t *testing.T) {
	t.Parallel()
	for name, after := range map[string][]int{"the first": {503}, "the second": {200, 503}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inLab(t, script(append(repeat(5, 503), after...)...), breakers(t, nil), func(l *lab) {
				for range 5 {
					l.get(once)
				}
				l.until(time.Minute)
				for range after {
					l.wantNotRefused(l.get(once))
				}
				l.wantState(open)
				l.until(2*time.Minute - 1)
				if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) {
					t.Errorf("%d %v: want a refusal for another minute", res.status, res.err)
				}
			})
		})
	}
}

func (l *lab) wantNotRefused(res result) {
	l.t.Helper()
	if errors.Is(res.err, transport.ErrCircuitOpen) {
		l.t.Errorf("at %v: %v", l.since(), res.err)
	}
}

func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	slow := func(_ *http.Request, at time.Duration) (*http.Response, error) {
		if at < time.Second {
			return reply(503), nil
		}
		time.Sleep(2 * time.Second)
		return reply(200), nil
	}
	inLab(t, slow, breakers(t, nil), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.until(time.Minute)
		go l.get()
		synctest.Wait()
		for range 10 {
			if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) {
				t.Errorf("%d %v: want a refusal while a probe is under way", res.status, res.err)
			}
		}
		if n := len(l.attempts()); n != 6 {
			t.Errorf("%d attempts, want 5 and a probe", n)
		}
		l.until(62*time.Second + 1)
		l.get()
		l.wantState(closed)
	})
}

func TestCallersWhoLeaveNeverOpenTheBreaker(t *testing.T) {
	t.Parallel()
	slow := func(r *http.Request, _ time.Duration) (*http.Response, error) {
		select {
		case <-time.After(3 * time.Second): //nolint:forbidigo // a bubble's clock
			return reply(200), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	inLab(t, slow, breakers(t, nil), func(l *lab) {
		for i := range 200 {
			ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
			if i%2 == 0 {
				cancel()
				ctx, cancel = context.WithCancel(l.t.Context())
				time.AfterFunc(time.Second, cancel)
			}
			l.do(ctx)
			cancel()
		}
		l.wantState(closed)
		if s := l.breaker(); s.Failures != 0 || s.Calls != 0 {
			t.Errorf("they were counted: %+v", s)
		}
	})
}

func TestOwnTimeoutsAndTruncatedBodiesOpenTheBreaker(t *testing.T) {
	t.Parallel()
	hanging := func(r *http.Request, _ time.Duration) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	short := func(*http.Request, time.Duration) (*http.Response, error) {
		resp := reply(200)
		resp.ContentLength = 99
		return resp, nil
	}
	for name, upstream := range map[string]play{"hanging": hanging, "truncating": short} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inLab(t, upstream, breakers(t, nil), func(l *lab) {
				for range 5 {
					l.get(once)
				}
				l.wantState(open)
			})
		})
	}
}

func TestADeadUpstreamOpensTheBreakerWithinTenAttempts(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"from the start": 0, "after a quiet time": 10, "after a busy time": 10000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := 0
			upstream := func(*http.Request, time.Duration) (*http.Response, error) {
				if up++; up <= before {
					return reply(200), nil
				}
				return reply(503), nil
			}
			inLab(t, upstream, breakers(t, nil), func(l *lab) {
				for range before {
					l.get()
					time.Sleep(4 * time.Millisecond)
				}
				for range 100 {
					l.get()
				}
				if n := len(l.attempts()) - before; n > 10 {
					t.Errorf("%d attempts", n)
				}
				l.wantState(open)
			})
		})
	}
}

func TestAFlakyUpstreamNeverOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		random := newRandom(seed)
		upstream := func(*http.Request, time.Duration) (*http.Response, error) {
			if random() < 0.2 {
				return reply(503), nil
			}
			return reply(200), nil
		}
		inLab(t, upstream, breakers(t, nil), func(l *lab) {
			for l.since() < time.Minute {
				go l.get()
				time.Sleep(4 * time.Millisecond)
			}
			synctest.Wait()
			if s := l.breaker(); s.State != closed || s.Opened != 0 {
				t.Errorf("seed %d: %+v", seed, s)
			}
			time.Sleep(time.Minute)
		})
	}
}

func TestLateResultsOfAnEarlierStateTellNothing(t *testing.T) {
	t.Parallel()
	upstream := func(r *http.Request, at time.Duration) (*http.Response, error) {
		if late := r.Header.Get("Late"); late != "" {
			d, _ := time.ParseDuration(late)
			time.Sleep(d)
			return reply(200), nil
		}
		return reply(503), nil
	}
	inLab(t, upstream, func(c *transport.Config) {
		c.AttemptTimeout = -1
		breakers(t, nil)(c)
	}, func(l *lab) {
		// Three successes that come in while open, one at the very moment of the
		// first probe: none may close it, or bring it to half open early.
		for _, late := range []string{"1s", "59s", "1m0s"} {
			go func() {
				req, _ := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://api.test/", nil)
				req.Header.Set("Late", late)
				_, _ = l.doer.Do(req)
			}()
		}
		synctest.Wait()
		for range 5 {
			l.get(once)
		}
		for _, at := range []time.Duration{2 * time.Second, 59*time.Second + 1} {
			l.until(at)
			l.wantState(open)
		}
		l.until(time.Minute)
		synctest.Wait()
		l.wantNotRefused(l.get(once)) // a failing probe
		l.wantState(open)
	})
}

func TestCircuitOpenErrorSaysWhatAndUntilWhen(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, err := range map[string]*transport.CircuitOpenError{
		"circuit open: the upstream is considered down; next probe not before 2026-01-02T03:04:05Z":           {Until: at},
		"circuit open: forced by the operator":                                                                {},
		"circuit open: the upstream is considered down, and the wait for it ended: context deadline exceeded": {Until: at, Err: context.DeadlineExceeded},
	} {
		if err.Error() != want || !errors.Is(err, transport.ErrCircuitOpen) || errors.Is(err, context.DeadlineExceeded) != (err.Err != nil) {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestBreakerModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  transport.BreakerMode
		state transport.BreakerState
		sent  int // of 30 calls to a dead upstream in a second
	}{
		{transport.ModeAuto, open, 5},
		{transport.ModeForcedOpen, transport.BreakerForcedOpen, 0},
		{transport.ModeForcedClosed, transport.BreakerForcedClosed, 30},
		{transport.ModeMetricsOnly, open, 30},
	} {
		t.Run(c.mode.String(), func(t *testing.T) {
			t.Parallel()
			inLab(t, always(503), breakers(t, func(b *transport.BreakerConfig) { b.Mode = c.mode }), func(l *lab) {
				var last result
				for range 30 {
					last = l.get(once)
				}
				l.wantState(c.state)
				if n := len(l.attempts()); n != c.sent {
					t.Errorf("%d attempts, want %d", n, c.sent)
				}
				refusal, ok := errors.AsType[*transport.CircuitOpenError](last.err)
				if ok != (c.sent < 30) || ok && refusal.Until.IsZero() != (c.mode == transport.ModeForcedOpen) {
					t.Errorf("the last call: %v", last.err)
				}
			})
		})
	}
}

func TestMetricsOnlyFollowsTheUpstreamBack(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), breakers(t, func(b *transport.BreakerConfig) { b.Mode = transport.ModeMetricsOnly }), func(l *lab) {
		for range 10 {
			l.get(once)
		}
		l.wantState(open)
		l.until(30 * time.Second)
		l.get()
		l.wantState(open)
		l.until(time.Minute)
		l.get()
		l.wantState(halfOpen)
		l.get()
		l.wantState(closed)
	})
}

func TestSwitchingTheModeBeginsAnew(t *testing.T) {
	t.Parallel()
	var set *transport.Breakers
	inLab(t, always(503), func(c *transport.Config) {
		breakers(t, nil)(c)
		set = c.Breakers
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.wantState(open)
		mode := func(m transport.BreakerMode) {
			if err := set.SetMode(m); err != nil {
				t.Fatal(err)
			}
		}
		mode(transport.ModeAuto) // a reset
		l.wantState(closed)
		for range 4 {
			l.get(once)
		}
		mode(transport.ModeForcedOpen)
		mode(transport.ModeAuto)
		l.get(once)
		l.wantState(closed) // the 4 are forgotten
		if err := set.SetMode(9); err == nil {
			t.Error("mode 9 was accepted")
		}
	})
}

func TestPatientCallsWaitWhileForcedOpen(t *testing.T) {
	t.Parallel()
	var set *transport.Breakers
	inLab(t, always(200), func(c *transport.Config) {
		breakers(t, func(b *transport.BreakerConfig) { b.Mode = transport.ModeForcedOpen })(c)
		set = c.Breakers
	}, func(l *lab) {
		time.AfterFunc(time.Hour, func() { _ = set.SetMode(transport.ModeAuto) })
		if res := l.get(patient); res.status != 200 || res.took != time.Hour {
			t.Errorf("%d %v after %v", res.status, res.err, res.took)
		}
	})
}

func TestListenersHearChangesInOrderAndOutsideTheLock(t *testing.T) {
	t.Parallel()
	var heard []string
	var set *transport.Breakers
	listen := func(c transport.BreakerChange) {
		set.Stats() // would deadlock under the lock
		heard = append(heard, fmt.Sprintf("%v>%v %d/%d", c.From, c.To, c.Failures, c.Calls))
		if c.To == halfOpen {
			panic("a listener's own trouble")
		}
	}
	inLab(t, downUntil(2*time.Minute), func(c *transport.Config) {
		breakers(t, func(b *transport.BreakerConfig) { b.OnChange = listen })(c)
		set = c.Breakers
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		for _, at := range []time.Duration{time.Minute, 2 * time.Minute} {
			l.until(at)
			l.get(once)
			l.get(once)
		}
		want := "closed>open 5/5, open>half_open 0/0, half_open>open 0/0, open>half_open 0/0, half_open>closed 0/0"
		if got := strings.Join(heard, ", "); got != want {
			t.Errorf("heard %s\nwant %s", got, want)
		}
		if n := l.doer.Stats().HookPanics; n != 2 {
			t.Errorf("%d panics counted, want 2", n)
		}
	})
}

func TestAListenerMaySwitchTheBreaker(t *testing.T) {
	t.Parallel()
	var set *transport.Breakers
	var heard []transport.BreakerState
	inLab(t, always(503), func(c *transport.Config) {
		breakers(t, func(b *transport.BreakerConfig) {
			b.OnChange = func(c transport.BreakerChange) {
				if heard = append(heard, c.To); c.To == open {
					_ = set.SetMode(transport.ModeForcedClosed)
				}
			}
		})(c)
		set = c.Breakers
	}, func(l *lab) {
		for range 9 {
			l.get(once)
		}
		if want := []transport.BreakerState{open, transport.BreakerForcedClosed}; !slices.Equal(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
		l.wantState(transport.BreakerForcedClosed)
	})
}

func TestABreakerPerKind(t *testing.T) {
	t.Parallel()
	upstream := func(r *http.Request, _ time.Duration) (*http.Response, error) {
		if r.Method == http.MethodDelete {
			return reply(503), nil
		}
		return reply(200), nil
	}
	inLab(t, upstream, breakers(t, func(b *transport.BreakerConfig) { b.PerKind = true }), func(l *lab) {
		erase := func(c *transport.Call) { c.Kind = transport.KindDelete }
		for range 5 {
			l.get(erase, once)
		}
		if res := l.get(erase); !errors.Is(res.err, transport.ErrCircuitOpen) {
			t.Errorf("delete: %d %v", res.status, res.err)
		}
		if res := l.get(); res.status != 200 {
			t.Errorf("get: %v", res.err)
		}
		for _, b := range l.doer.Stats().Breakers {
			if (b.State == open) != (b.Name == "delete") {
				t.Errorf("%s is %v", b.Name, b.State)
			}
		}
	})
}

func TestBreakerConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := transport.NewBreakers(transport.BreakerConfig{
		Failures: -1, BusyFailures: -2, MinCalls: -3, Successes: -4, Ratio: 1.5, Window: -5, Bucket: -6, OpenFor: -7,
		ProbeAfter: -8, ProbeLease: -9, Mode: 10,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Failures is -1", "BusyFailures is -2", "MinCalls is -3", "Successes is -4", "Ratio is 1.5", "Window is -5ns",
		"Bucket is -6ns", "OpenFor is -7ns", "ProbeAfter is -8ns", "ProbeLease is -9ns", "Mode 10",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in\n%v", want, err)
		}
	}
	for _, bad := range []transport.BreakerConfig{
		{Failures: 5, Window: time.Minute, Bucket: 31 * time.Second},
		{Failures: 5, Bucket: time.Millisecond},
		{Failures: 5, OpenFor: time.Second, ProbeAfter: 2 * time.Second},
	} {
		if _, err := transport.NewBreakers(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if set, err := transport.NewBreakers(transport.BreakerConfig{}); set != nil || err != nil {
		t.Errorf("the zero value gave %v, %v; want off", set, err)
	}
}
