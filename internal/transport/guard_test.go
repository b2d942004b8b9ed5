package transport_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// full puts in every policy, with little room, so that all of them have to decide.
func full(t *testing.T, rate float64) func(*transport.Config) {
	t.Helper()
	return func(c *transport.Config) {
		breakers(t, func(b *transport.BreakerConfig) { b.ProbeAfter, b.OpenFor = 250*ms, 5*time.Second })(c)
		var errs [3]error
		c.Budget, errs[0] = transport.NewBudget(transport.BudgetConfig{Tokens: 20})
		c.Bulkhead, errs[1] = transport.NewBulkhead(transport.BulkheadConfig{Limit: 4})
		c.Throttle, errs[2] = transport.NewThrottle(transport.ThrottleConfig{Rate: rate, Burst: 10})
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingIsLeftBehindWhateverHappens plays random upstreams to random callers:
// who cancel, whose hooks panic and end the goroutine, whose bodies hang. What was
// taken must be back in the end, and the rules must have held all along.
func TestNothingIsLeftBehindWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			w := &wild{t: t, random: newRandom(seed), start: time.Now()}
			cfg := config(transport.RoundTripFunc(w.answer))
			cfg.Retry.Rand = newRandom(seed + 1000)
			full(t, 50)(&cfg)
			cfg.AttemptTimeout = 3 * time.Second
			cfg.Hooks = []transport.Hooks{w.hooks()}
			w.breakers, w.doer = cfg.Breakers, transport.New(cfg)
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() { w.call(i) })
				time.Sleep(time.Duration(w.random() * float64(100*time.Millisecond)))
			}
			wg.Wait()
			time.Sleep(time.Minute) // leases run out
			synctest.Wait()
			w.check(seed)
		})
	}
}

// wild is an upstream and its callers, both unpredictable.
type wild struct {
	t        *testing.T
	random   func() float64
	start    time.Time
	doer     *transport.Doer
	breakers *transport.Breakers

	mu       sync.Mutex
	attempts int
	probing  int
	bodies   int
	healed   bool // never dead any more, though still unreliable
}

func (w *wild) answer(r *http.Request) (*http.Response, error) {
	state := w.breakers.Of(transport.KindGet).Stats().State
	w.mu.Lock()
	w.attempts++
	if state == open {
		w.t.Error("an attempt was sent while the breaker was open")
	}
	if state == halfOpen {
		if w.probing++; w.probing > 1 {
			w.t.Error("two probes at a time within a lease")
		}
		defer func() {
			w.mu.Lock()
			w.probing--
			w.mu.Unlock()
		}()
	}
	healed := w.healed
	w.mu.Unlock()
	time.Sleep(time.Duration(w.random() * float64(20*time.Millisecond)))
	dead := !healed && int(time.Since(w.start)/(2*time.Second))%3 == 1
	switch n := w.random(); {
	case n < 0.02:
		panic("a broken transport")
	case n < 0.04:
		runtime.Goexit()
		return nil, nil //nolint:nilnil // not reached
	case dead || n < 0.15:
		return reply(503), nil
	case n < 0.20:
		return nil, io.ErrUnexpectedEOF
	case n < 0.25:
		return reply(429, "Retry-After", "1"), nil
	case n < 0.30:
		return w.hanging(r), nil
	}
	return reply(200), nil
}

// hanging is an answer whose body ends with the context only.
func (w *wild) hanging(r *http.Request) *http.Response {
	resp := reply(200)
	w.mu.Lock()
	w.bodies++
	w.mu.Unlock()
	resp.Body = &hangingBody{w: w, done: r.Context().Done()}
	return resp
}

type hangingBody struct {
	w    *wild
	done <-chan struct{}
}

func (b *hangingBody) Read([]byte) (int, error) {
	<-b.done
	return 0, context.Canceled
}

func (b *hangingBody) Close() error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.bodies--
	return nil
}

func (w *wild) hooks() transport.Hooks {
	trouble := func() {
		switch n := w.random(); {
		case n < 0.03:
			panic("a broken hook")
		case n < 0.04:
			runtime.Goexit()
		}
	}
	return transport.Hooks{
		AttemptStart: func(context.Context, *transport.Operation, *transport.Attempt) context.Context { trouble(); return nil },
		AttemptEnd:   func(context.Context, *transport.Operation, *transport.Attempt) { trouble() },
		Event:        func(context.Context, *transport.Operation, transport.Event) { trouble() },
	}
}

func (w *wild) call(i int) {
	defer func() { _ = recover() }()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(1+w.random()*float64(10*time.Second)))
	defer cancel()
	if w.random() < 0.3 {
		time.AfterFunc(time.Duration(w.random()*float64(time.Second)), cancel)
	}
	call := &transport.Call{Op: "op", Route: "/x", Kind: transport.KindGet, Limits: transport.Limits{Patient: i%3 == 0}}
	if i%2 == 0 {
		call.Lane = transport.Batch
	}
	req, _ := http.NewRequestWithContext(transport.WithCall(ctx, call), http.MethodGet, "http://api.test/", nil)
	_, err := w.doer.Do(req)
	if counted := call.Attempts - call.RateLimited; !call.Limits.Patient && counted > 4 {
		w.t.Errorf("%d counted attempts", counted)
	}
	if deadline, _ := ctx.Deadline(); time.Since(deadline) > 20*time.Millisecond { // what the upstream takes whatever the context
		w.t.Errorf("returned after the deadline: %v", err)
	}
}

func (w *wild) check(seed uint64) {
	s := w.doer.Stats()
	b := s.Breakers[0]
	if s.InFlight != 0 || s.Bulkhead.InFlight != 0 || s.Bulkhead.QueuedBatch+s.Bulkhead.QueuedInteractive != 0 || s.Throttle.Waiting != 0 || b.Waiting != 0 || w.bodies != 0 {
		w.t.Errorf("seed %d: left behind: %+v, %d bodies", seed, s, w.bodies)
	}
	if s.Budget.Tokens != s.Budget.Capacity {
		w.t.Errorf("seed %d: %v of %v tokens after a minute of rest", seed, s.Budget.Tokens, s.Budget.Capacity)
	}
	// The breaker can still be closed: nobody sits on the place of the probe.
	w.mu.Lock()
	w.healed = true
	w.mu.Unlock()
	for i := 0; i < 50 && w.breakers.Of(transport.KindGet).Stats().State != closed; i++ {
		call := &transport.Call{Kind: transport.KindGet}
		req, _ := http.NewRequestWithContext(transport.WithCall(w.t.Context(), call), http.MethodGet, "http://api.test/", nil)
		func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				_, _ = w.doer.Do(req)
			}()
			<-done
		}()
		time.Sleep(time.Minute)
	}
	if state := w.breakers.Of(transport.KindGet).Stats().State; state != closed {
		w.t.Errorf("seed %d: the breaker is stuck %v", seed, state)
	}
}

// An outage must not be made worse: whatever the calls, retries stay within the
// budget.
func TestRetriesNeverExceedTheBudget(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		tokens, perSecond, calls := 1+rng.IntN(30), 0.1+rng.Float64()*3, 50+rng.IntN(200)
		inLab(t, always(503), budget(t, transport.BudgetConfig{Tokens: float64(tokens), PerSecond: perSecond}), func(l *lab) {
			for range calls {
				go l.get()
				time.Sleep(time.Duration(rng.IntN(200)) * ms)
			}
			synctest.Wait()
			limit := float64(calls) + float64(tokens) + perSecond*l.since().Seconds() + 1
			if n := float64(len(l.attempts())); n > limit {
				t.Errorf("seed %d: %v attempts for %d calls, want at most %v", seed, n, calls, limit)
			}
			time.Sleep(time.Minute)
		})
	}
}

func TestAnOpenBreakerCostsNeitherSlotNorToken(t *testing.T) {
	t.Parallel()
	inLab(t, always(503), func(c *transport.Config) {
		full(t, 1000)(c)
		breakers(t, nil)(c)
		c.Throttle, _ = transport.NewThrottle(transport.ThrottleConfig{Rate: 1. / 60, Burst: 6, Floor: 1. / 60})
	}, func(l *lab) {
		for range 5 {
			l.get(once)
		}
		before := l.doer.Stats().Throttle.Tokens
		for range 100 {
			if res := l.get(); !errors.Is(res.err, transport.ErrCircuitOpen) || res.took != 0 {
				t.Fatal(res.err)
			}
		}
		if after := l.doer.Stats().Throttle.Tokens; after != before {
			t.Errorf("%v tokens of %v left", after, before)
		}
	})
}

func TestTheThrottleLearnsFromRateLimitAnswers(t *testing.T) {
	t.Parallel()
	inLab(t, script(429, 200), func(c *transport.Config) { full(t, 1000)(c) }, func(l *lab) {
		l.get()
		if s := l.doer.Stats().Throttle; s.Limited != 1 || s.Accepted != 1 || s.Cuts != 1 {
			t.Errorf("%+v", s)
		}
	})
	inLab(t, func(*http.Request, time.Duration) (*http.Response, error) { return reply(403), nil }, func(c *transport.Config) { full(t, 1000)(c) }, func(l *lab) {
		l.get()
		if s := l.doer.Stats().Throttle; s.Accepted != 1 {
			t.Errorf("another 4xx was let through: %+v", s)
		}
	})
}
