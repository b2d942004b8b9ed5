package transport_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// fleet is a Limiter in memory: one token each period, booked in the order asked. It
// fails as it is told.
type fleet struct {
	period time.Duration

	mu       sync.Mutex
	next     time.Time
	err      error
	hang     bool
	asked    []time.Time
	maxWaits []time.Duration
	told     []time.Duration // Retry-After of rate-limit answers, -1 for an accepted attempt
	broken   bool            // panics
}

func (f *fleet) Reserve(ctx context.Context, cost int, maxWait time.Duration) (time.Duration, bool, error) {
	if f.hang {
		<-ctx.Done()
		return 0, false, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.asked, f.maxWaits = append(f.asked, now), append(f.maxWaits, maxWait)
	switch {
	case f.broken:
		panic("a broken limiter")
	case f.err != nil:
		return 0, false, f.err
	}
	if f.next.Before(now) {
		f.next = now
	}
	wait := f.next.Sub(now)
	if wait > maxWait {
		return wait, false, nil
	}
	f.next = f.next.Add(time.Duration(cost) * f.period)
	return wait, true, nil
}

func (f *fleet) Feedback(limited bool, retryAfter time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !limited {
		retryAfter = -1
	}
	f.told = append(f.told, retryAfter)
	if f.broken {
		panic("a broken limiter")
	}
}

func (f *fleet) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fleet) asks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// shared puts f in the throttle's place; share, if above 0, is the local throttle's
// rate, with a burst of one.
func shared(t *testing.T, f *fleet, share float64) func(*transport.Config) {
	t.Helper()
	return func(c *transport.Config) {
		var errs [2]error
		c.Throttle, errs[0] = transport.NewThrottle(transport.ThrottleConfig{Rate: share, Burst: 1})
		c.Shared, errs[1] = transport.NewShared(f, c.Throttle, 0)
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProcessesThatShareALimiterTogetherKeepItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{period: 100 * ms}
		start := time.Now()
		var mu sync.Mutex
		var sent []time.Duration
		wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Since(start))
			return reply(200), nil
		})
		var wg sync.WaitGroup
		for range 3 { // processes, each alone allowed no more than one attempt in 10 s
			cfg := config(wire)
			shared(t, f, 0.1)(&cfg)
			l := &lab{t: t, start: start, doer: transport.New(cfg)}
			for range 10 {
				wg.Go(func() {
					if res := l.get(); res.err != nil {
						t.Error(res.err)
					}
				})
			}
		}
		wg.Wait()
		for i, at := range sent {
			if want := time.Duration(i) * 100 * ms; at != want {
				t.Errorf("attempt %d left at %v, want %v", i, at, want)
			}
		}
		if len(f.told) != 30 || slices.Max(f.told) != -1 {
			t.Errorf("told %v, want 30 accepted attempts", f.told)
		}
	})
}

func TestAReservationPastTheDeadlineIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	f := &fleet{period: time.Minute}
	inLab(t, always(200), shared(t, f, 0), func(l *lab) {
		l.get()
		ctx, cancel := context.WithTimeout(l.t.Context(), 5*time.Second)
		defer cancel()
		res := l.do(ctx)
		refusal, ok := errors.AsType[*transport.ThrottledError](res.err)
		if !ok || !refusal.Shared || refusal.Wait != time.Minute || res.took != 0 || len(l.attempts()) != 1 {
			t.Errorf("%v after %v, %d attempts; want a refusal at once that says a minute", res.err, res.took, len(l.attempts()))
		}
		if want := []time.Duration{math.MaxInt64, 5 * time.Second}; !slices.Equal(f.maxWaits, want) {
			t.Errorf("asked to wait at most %v, want %v", f.maxWaits, want)
		}
		if s := l.doer.Stats().Limiter; !s.On || s.Away || s.Reserved != 1 || s.Refused != 1 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestALimiterThatFailsLeavesTheLocalShareToPace(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]func(*fleet){
		"error": func(f *fleet) { f.err = errors.New("no connection") },
		"panic": func(f *fleet) { f.broken = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fleet{period: time.Nanosecond}
			failing(f)
			inLab(t, always(200), shared(t, f, 10), func(l *lab) {
				for range 15 {
					if res := l.get(); res.err != nil {
						t.Fatal(res.err)
					}
				}
				for i, at := range l.attempts() {
					if want := time.Duration(i) * 100 * ms; at != want {
						t.Errorf("attempt %d left at %v, want %v", i, at, want)
					}
				}
				if n := f.asks(); n != 2 { // at once, and after the pause of a second
					t.Errorf("a failing limiter was asked %d times in 1.4 s, want 2", n)
				}
				if s := l.doer.Stats().Limiter; !s.Away || s.Local != 15 || s.Reserved != 0 {
					t.Errorf("stats %+v", s)
				}
				f.set(func() { f.err, f.broken = nil, false })
				l.until(3 * time.Second)
				for range 5 {
					l.get()
				}
				if got := l.since(); got != 3*time.Second+4 { // 1 ns each
					t.Errorf("healed, five calls ended at %v", got)
				}
				if s := l.doer.Stats().Limiter; s.Away || s.Reserved != 5 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestAHangingLimiterCostsItsPatienceOnceAPause(t *testing.T) {
	t.Parallel()
	f := &fleet{hang: true}
	inLab(t, always(200), shared(t, f, 0), func(l *lab) {
		for i, want := range []time.Duration{transport.LimiterPatience, 0, 0, 0} {
			if res := l.get(); res.err != nil || res.took != want {
				t.Errorf("call %d: %v after %v, want success after %v", i, res.err, res.took, want)
			}
		}
		time.Sleep(transport.LimiterPause)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var slow int
		for range 20 {
			wg.Go(func() {
				res := l.get()
				mu.Lock()
				defer mu.Unlock()
				if res.took > 0 {
					slow++
				}
			})
		}
		wg.Wait()
		if slow != 1 {
			t.Errorf("%d of 20 calls waited for the limiter, want the one that asks", slow)
		}
	})
}

func TestTheEndOfACallersContextIsNotTheLimitersFault(t *testing.T) {
	t.Parallel()
	f := &fleet{hang: true}
	inLab(t, always(200), shared(t, f, 0), func(l *lab) {
		ctx, cancel := context.WithTimeout(l.t.Context(), 30*ms)
		defer cancel()
		if res := l.do(ctx); !errors.Is(res.err, context.DeadlineExceeded) || res.took != 30*ms {
			t.Errorf("%v after %v", res.err, res.took)
		}
		if s := l.doer.Stats().Limiter; s.Away || s.Failed != 0 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestARetryAfterIsWaitedOutLocallyBeforeAnythingIsReserved(t *testing.T) {
	t.Parallel()
	f := &fleet{period: ms}
	first := true
	var mu sync.Mutex
	upstream := func(*http.Request, time.Duration) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if first {
			first = false
			return reply(429, "Retry-After", "2"), nil
		}
		return reply(200), nil
	}
	inLab(t, upstream, shared(t, f, 0), func(l *lab) {
		l.get(once)
		gate := l.doer.Stats().Limiter.GateUntil.Sub(l.start)
		if gate < 2*time.Second || gate > 2100*ms {
			t.Fatalf("the gate is closed until %v, want 2 s and up to a twentieth more", gate)
		}
		l.get()
		gate++ // the gate opens with an empty bucket, of 1 ns a token
		if sent := l.attempts(); sent[1] != gate || f.asked[1].Sub(l.start) != gate {
			t.Errorf("reserved at %v, sent at %v, want both at %v", f.asked[1].Sub(l.start), sent[1], gate)
		}
		if want := []time.Duration{2 * time.Second, -1}; !slices.Equal(f.told, want) {
			t.Errorf("told %v, want %v", f.told, want)
		}
	})
}

func TestAReservationSleptOverAClosingGateIsMadeAnew(t *testing.T) {
	t.Parallel()
	f := &fleet{period: time.Second}
	inLab(t, func(_ *http.Request, at time.Duration) (*http.Response, error) {
		if at == 0 {
			time.Sleep(500 * ms)
			return reply(429, "Retry-After", "10"), nil
		}
		return reply(200), nil
	}, shared(t, f, 0), func(l *lab) {
		var wg sync.WaitGroup
		wg.Go(func() { l.get(once) })
		synctest.Wait()
		wg.Go(func() { l.get() }) // has a token for 1 s; the gate closes at 0.5 s
		wg.Wait()
		sent := l.attempts()
		if len(sent) != 2 || sent[1] < 10500*ms || f.asks() != 3 {
			t.Errorf("sent at %v with %d reservations; want the second after 10.5 s, with a fresh one", sent, f.asks())
		}
	})
}

func TestAnOpenBreakerAndAFullBulkheadReserveNothing(t *testing.T) {
	t.Parallel()
	f := &fleet{period: ms}
	inLab(t, always(503), func(c *transport.Config) {
		shared(t, f, 0)(c)
		breakers(t, nil)(c)
		c.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 1, MaxQueue: 1, MaxWait: time.Nanosecond})
	}, func(l *lab) {
		for range 20 {
			l.get(once)
		}
		if n := f.asks(); n != 5 {
			t.Errorf("%d reservations for 5 attempts and 15 refusals", n)
		}
	})
}

func TestACallThatGivesUpWhileItsTokenIsEarnedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := &fleet{period: time.Second}
	inLab(t, always(200), shared(t, f, 0), func(l *lab) {
		l.get()
		ctx, cancel := context.WithCancelCause(l.t.Context())
		why := errors.New("the page was closed")
		time.AfterFunc(300*ms, func() { cancel(why) })
		if res := l.do(ctx); !errors.Is(res.err, why) || res.took != 300*ms || res.Attempts != 0 {
			t.Errorf("%v after %v and %d attempts", res.err, res.took, res.Attempts)
		}
		if s := l.doer.Stats().Limiter; s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// lyingLimiter answers whatever it is told to.
type lyingLimiter struct {
	wait time.Duration
	ok   bool
}

func (l lyingLimiter) Reserve(context.Context, int, time.Duration) (time.Duration, bool, error) {
	return l.wait, l.ok, nil
}
func (lyingLimiter) Feedback(bool, time.Duration) {}

func TestALyingLimiterNeverHoldsACallPastItsDeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limiter lyingLimiter
		refused bool
	}{
		"a negative wait":           {lyingLimiter{-time.Hour, true}, false},
		"leave past the deadline":   {lyingLimiter{time.Hour, true}, true},
		"the longest wait":          {lyingLimiter{math.MaxInt64, true}, true},
		"a refusal without a wait":  {lyingLimiter{0, false}, true},
		"a refusal with a past one": {lyingLimiter{-1, false}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inLab(t, always(200), func(cfg *transport.Config) {
				cfg.Shared, _ = transport.NewShared(c.limiter, nil, 0)
			}, func(l *lab) {
				ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
				defer cancel()
				res := l.do(ctx)
				if res.took != 0 || errors.Is(res.err, transport.ErrThrottled) != c.refused {
					t.Errorf("%v after %v", res.err, res.took)
				}
			})
		})
	}
}

// quieter is a fleet that hears of quiet that another process was asked for.
type quieter struct {
	fleet
	until time.Time
}

func (q *quieter) Quiet() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken {
		panic("a broken limiter")
	}
	return q.until
}

func TestATokenThatComesDueInAnothersQuietTimeIsAskedForAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &quieter{fleet: fleet{period: 100 * ms}}
		start := time.Now()
		q.next = start.Add(100 * ms)
		cfg := config(transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { return reply(200), nil }))
		var err error
		if cfg.Shared, err = transport.NewShared(q, nil, 0); err != nil {
			t.Fatal(err)
		}
		l := &lab{t: t, start: start, doer: transport.New(cfg)}
		time.AfterFunc(50*ms, func() {
			q.set(func() { q.until, q.next = start.Add(time.Second), start.Add(time.Second) })
		})
		if res := l.get(); res.err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want to be sent when the quiet is over, at 1 s", res.err, time.Since(start))
		}
		q.set(func() { q.broken = true })
		if q.asks() != 2 {
			t.Errorf("asked %d times, want twice", q.asks())
		}
	})
}
