package transport_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// opened is a lab whose breaker has opened, at its first possible probe.
func opened(t *testing.T, upstream play, configure func(*transport.Config), test func(*lab)) {
	t.Helper()
	n := 0
	dead := func(r *http.Request, at time.Duration) (*http.Response, error) {
		if n++; n <= 5 {
			return reply(503), nil
		}
		return upstream(r, at)
	}
	inLab(t, dead, func(c *transport.Config) {
		breakers(t, nil)(c)
		if configure != nil {
			configure(c)
		}
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.wantState(open)
		l.until(time.Minute)
		test(l)
	})
}

func TestAHangingProbeLosesItsPlaceButItsResultStillCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		want   transport.BreakerState // once it has ended, another having succeeded meanwhile
	}{{"success", 200, closed}, {"failure", 503, open}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first := true
			upstream := func(*http.Request, time.Duration) (*http.Response, error) {
				if first {
					first = false
					time.Sleep(time.Hour)
					return reply(c.status), nil
				}
				return reply(200), nil
			}
			opened(t, upstream, func(c *transport.Config) { c.AttemptTimeout = -1 }, func(l *lab) {
				go l.get(once)
				synctest.Wait()
				l.until(75*time.Second - 1)
				if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) {
					t.Errorf("%d %v: want a refusal within the lease", res.status, res.err)
				}
				l.until(75 * time.Second)
				if res := l.get(); res.status != 200 {
					t.Errorf("after the lease: %v", res.err)
				}
				l.wantState(halfOpen)
				l.until(time.Minute + time.Hour + 1)
				l.wantState(c.want)
			})
		})
	}
}

func TestAProbeThatIsAbandonedFreesItsPlaceAtOnce(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request, _ time.Duration) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	opened(t, hang, nil, func(l *lab) {
		for range 20 { // more than the 2 places that gobreaker has
			ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
			l.wantNotRefused(l.do(ctx))
			cancel()
			l.wantState(halfOpen)
		}
	})
}

func TestAProbeThatBlowsUpIsAFailureAndFreesItsPlace(t *testing.T) {
	t.Parallel()
	for name, blow := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := func(*http.Request, time.Duration) (*http.Response, error) { blow(); return nil, nil } //nolint:nilnil // not reached
			opened(t, ended, nil, func(l *lab) {
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { _ = recover() }()
					l.get()
				})
				wg.Wait()
				l.wantState(open)
				if s := l.doer.Stats(); s.InFlight != 0 || s.Breakers[0].Probing {
					t.Errorf("left behind: %+v", s)
				}
			})
		})
	}
}

func TestAProbeThatIsRefusedFurtherInFreesItsPlace(t *testing.T) {
	t.Parallel()
	opened(t, always(200), func(c *transport.Config) {
		c.Inner = []transport.Policy{func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Refuse") != "" {
					return nil, errors.New("refused")
				}
				return next.RoundTrip(r)
			})
		}}
	}, func(l *lab) {
		for range 10 {
			req, _ := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://api.test/", nil)
			req.Header.Set("Refuse", "1")
			_, err := l.doer.Do(req)
			if err == nil || errors.Is(err, transport.ErrCircuitOpen) {
				t.Fatalf("%v, want the inner refusal", err)
			}
		}
		l.wantState(halfOpen)
		l.get()
		l.get()
		l.wantState(closed)
	})
}

func TestAProbeThatWaitsForATokenInVainFreesItsPlace(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), func(c *transport.Config) {
		breakers(t, nil)(c)
		var err error
		if c.Throttle, err = transport.NewThrottle(transport.ThrottleConfig{Rate: 1. / 300, Burst: 5, Floor: 1. / 300}); err != nil {
			t.Fatal(err)
		}
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.until(time.Minute)
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
		defer cancel()
		if res := l.do(ctx); !errors.Is(res.err, transport.ErrThrottled) {
			t.Errorf("%d %v", res.status, res.err)
		}
		if l.breaker().Probing {
			t.Error("the probe keeps its place")
		}
	})
}

func TestAProbeThatLostItsPlaceBeforeItWasSentIsNotSent(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), func(c *transport.Config) {
		breakers(t, func(b *transport.BreakerConfig) { b.ProbeLease = 5 * time.Second })(c)
		var err error
		if c.Throttle, err = transport.NewThrottle(transport.ThrottleConfig{Rate: 1. / 70, Burst: 5, Floor: 1. / 70}); err != nil {
			t.Fatal(err)
		}
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		l.until(time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() { // has its token at 70 s, when the place is the other's
			if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) || res.took.Round(ms) != 10*time.Second {
				t.Errorf("%d %v after %v", res.status, res.err, res.took)
			}
		})
		l.until(66 * time.Second)
		l.wantNotRefused(l.get())
		wg.Wait()
	})
}

// The waits between probes: 250 ms, and a twelfth of the outage once that is more.
func TestShortProbesBackOffWithTheOutage(t *testing.T) {
	t.Parallel()
	inLab(t, always(503), breakers(t, func(b *transport.BreakerConfig) { b.ProbeAfter = 250 * ms }), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		for l.since() < time.Hour {
			l.get(once)
			time.Sleep(time.Until(l.breaker().Until))
		}
		probes := l.attempts()[5:]
		for i, at := range probes {
			last := time.Duration(0)
			if i > 0 {
				last = probes[i-1]
			}
			want := min(max(250*ms, last/12), time.Minute)
			if got := at - last; got != want {
				t.Fatalf("probe %d came %v after the one before at %v, want %v", i+1, got, last, want)
			}
		}
		if n := len(probes); n > 130 {
			t.Errorf("%d probes in an hour", n)
		}
	})
}

func TestJitterOfShortProbesStaysWithinATenth(t *testing.T) {
	t.Parallel()
	for draw, want := range map[float64]time.Duration{0: 225 * ms, 0.999999: 275 * ms} {
		inLab(t, always(503), breakers(t, func(b *transport.BreakerConfig) {
			b.ProbeAfter = 250 * ms
			b.Rand = func() float64 { return draw }
		}), func(l *lab) {
			for range 5 {
				l.get(once)
			}
			if got := time.Until(l.breaker().Until).Round(ms); got != want {
				t.Errorf("draw %v: %v, want %v", draw, got, want)
			}
		})
	}
}
