package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// pace is an upstream whose nth answer, from 0, takes as long as it says; a request
// that is given up is noted.
type pace struct {
	takes func(n int) time.Duration
	// replies, if set, makes the nth answer.
	replies func(n int) (*http.Response, error)

	mu      sync.Mutex
	n       int
	givenUp []int
}

func (p *pace) play(r *http.Request, _ time.Duration) (*http.Response, error) {
	p.mu.Lock()
	n := p.n
	p.n++
	p.mu.Unlock()
	timer := time.NewTimer(p.takes(n))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.givenUp = append(p.givenUp, n)
		return nil, r.Context().Err()
	}
	if p.replies != nil {
		return p.replies(n)
	}
	return reply(200), nil
}

// learned is an upstream that answers the first 20 requests after 10 ms, 20 ms and so on
// up to 200 ms, so that the 95th percentile is 190 ms, and then as after says.
func learned(after func(n int) time.Duration) *pace {
	return &pace{takes: func(n int) time.Duration {
		if n < 20 {
			return time.Duration(n+1) * 10 * ms
		}
		return after(n - 20)
	}}
}

const quantile = 190 * ms // of learned

// learn makes the 20 calls.
func (l *lab) learn() {
	l.t.Helper()
	for range 20 {
		if res := l.get(); res.err != nil || res.Attempts != 1 {
			l.t.Fatalf("%v with %d attempts while the latency was being learned", res.err, res.Attempts)
		}
	}
}

// hedged puts in hedging of the 95th percentile and what it is paid from.
func hedged(t *testing.T, tokens float64, more ...func(*transport.Config)) func(*transport.Config) {
	t.Helper()
	return func(c *transport.Config) {
		var errs [2]error
		c.Hedge, errs[0] = transport.NewHedge(transport.HedgeConfig{Quantile: 0.95})
		c.Budget, errs[1] = transport.NewBudget(transport.BudgetConfig{Tokens: tokens, Credit: 1e-12, PerSecond: 1e-12})
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		for _, f := range more {
			f(c)
		}
	}
}

func (l *lab) hedge() transport.HedgeStats { return l.doer.Stats().Hedge }

func TestTheSecondRequestLeavesAtTheQuantileAndTheFirstAnswerIsTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second time.Duration
		took          time.Duration
		attempts      int
		won           uint64
		lost          []int
	}{
		"the first answers before":      {first: quantile - 1, took: quantile - 1, attempts: 1},
		"the second answers first":      {first: time.Hour, second: 30 * ms, took: quantile + 30*ms, attempts: 2, won: 1, lost: []int{20}},
		"the first still answers first": {first: 300 * ms, second: time.Hour, took: 300 * ms, attempts: 2, lost: []int{21}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := learned(func(n int) time.Duration { return []time.Duration{c.first, c.second}[min(n, 1)] })
			d := &diary{}
			inLab(t, up.play, hedged(t, 10, breakers(t, nil), func(cfg *transport.Config) {
				cfg.Hooks = []transport.Hooks{{Event: d.hooks().Event}}
				cfg.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 2})
			}), func(l *lab) {
				l.learn()
				start := l.since()
				res := l.get()
				if res.err != nil || res.took != c.took || res.Attempts != c.attempts || res.Outcome.Class != transport.ClassOK {
					t.Errorf("%v after %v and %d attempts; want success after %v and %d", res.err, res.took, res.Attempts, c.took, c.attempts)
				}
				if sent := l.attempts()[20:]; c.attempts == 2 && sent[1]-start != quantile {
					t.Errorf("the second request left %v after the first, want %v", sent[1]-start, quantile)
				}
				if !slices.Equal(up.givenUp, c.lost) {
					t.Errorf("given up: %v, want %v", up.givenUp, c.lost)
				}
				s := l.doer.Stats()
				if s.Hedge.Sent != uint64(c.attempts-1) || s.Hedge.Won != c.won || s.Hedge.Denied != 0 {
					t.Errorf("%+v", s.Hedge)
				}
				if want := float64(11 - c.attempts); s.Budget.Tokens < want-1e-6 || s.Budget.Tokens > want+1e-6 {
					t.Errorf("%v tokens left, want %v", s.Budget.Tokens, want)
				}
				if b := s.Breakers[0]; b.Failures != 0 || b.Calls != 21 || s.Bulkhead.InFlight != 0 {
					t.Errorf("the loser was counted or left something: %+v, %+v", b, s.Bulkhead)
				}
				var want []string
				if c.attempts == 2 {
					want = append(want, "hedge wait=190ms status=0 >")
				}
				if c.won == 1 {
					want = append(want, "hedge_won wait=220ms status=0 >")
				}
				if !slices.Equal(d.lines, want) {
					t.Errorf("heard %q, want %q", d.lines, want)
				}
			})
		})
	}
}

func TestHooksTellTheRequestsOfAPairApart(t *testing.T) {
	t.Parallel()
	up := learned(func(n int) time.Duration { return []time.Duration{time.Hour, 30 * ms}[n] })
	var mu sync.Mutex
	var lines []string
	var ids []string
	inLab(t, up.play, hedged(t, 10, func(c *transport.Config) {
		var log strings.Builder
		t.Cleanup(func() {
			if strings.Contains(log.String(), "api_error") {
				t.Errorf("the loser was logged as an error:\n%s", log.String())
			}
		})
		c.Hooks = []transport.Hooks{transport.LogHooks(slog.New(slog.NewTextHandler(&log, nil))), {
			AttemptStart: func(_ context.Context, _ *transport.Operation, a *transport.Attempt) context.Context {
				mu.Lock()
				defer mu.Unlock()
				lines, ids = append(lines, fmt.Sprintf("%d starts, hedge %v", a.Number, a.Hedge)), append(ids, a.RequestID)
				return nil
			},
			AttemptEnd: func(_ context.Context, op *transport.Operation, a *transport.Attempt) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, fmt.Sprintf("%s: %d %s/%s %v superseded %v %v", op.Op, a.Number, a.Class, a.ErrorType, a.Duration, a.Superseded, a.Err))
			},
			OperationEnd: func(_ context.Context, op *transport.Operation) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, fmt.Sprintf("end %d %s/%s attempts=%d %v", op.StatusCode, op.Class, op.ErrorType, op.Attempts, op.Duration))
			},
		}}
	}), func(l *lab) {
		l.learn()
		lines, ids = nil, nil
		l.get()
		want := `1 starts, hedge false
2 starts, hedge true
getUser: 2 ok/ 30ms superseded false <nil>
getUser: 1 canceled/ 220ms superseded true <nil>
end 200 ok/ attempts=2 220ms`
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("heard\n%s\nwant\n%s", got, want)
		}
		if ids[0] == "" || ids[0] != ids[1] {
			t.Errorf("request ids %q, want the same twice", ids)
		}
	})
}

func TestAPairIsWorthItsBetterAnswer(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection reset")
	for name, c := range map[string]struct {
		first, second time.Duration
		replies       []int // 0 is a lost connection
		status        int
		took          time.Duration
		counted       int
	}{
		"the first fails, the second is on its way": {250 * ms, 200 * ms, []int{503, 200}, 200, quantile + 200*ms, 1},
		"the second fails, the first is on its way": {500 * ms, 50 * ms, []int{200, 503}, 200, 500 * ms, 1},
		"the second is lost":                        {500 * ms, 50 * ms, []int{200, 0}, 200, 500 * ms, 1},
		"the second is rate-limited":                {500 * ms, 50 * ms, []int{200, 429}, 200, 500 * ms, 1},
		"404 is an answer":                          {time.Hour, 50 * ms, []int{200, 404}, 404, quantile + 50*ms, 1},
		"both fail, and the call is repeated":       {250 * ms, 300 * ms, []int{503, 503, 200}, 200, quantile + 300*ms + 25*ms + 100*ms, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := learned(func(n int) time.Duration { return []time.Duration{c.first, c.second, 100 * ms}[n] })
			up.replies = func(n int) (*http.Response, error) {
				if n < 20 {
					return reply(200), nil
				}
				if status := c.replies[n-20]; status != 0 {
					return reply(status), nil
				}
				return nil, refused
			}
			inLab(t, up.play, hedged(t, 10), func(l *lab) {
				l.learn()
				res := l.get()
				if res.status != c.status || res.took != c.took {
					t.Errorf("%d %v after %v, want %d after %v", res.status, res.err, res.took, c.status, c.took)
				}
			})
		})
	}
}

func TestWhatIsNeverMadeTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		configure func(*transport.Config)
		set       func(*transport.Call)
		denied    uint64 // second requests that were due
	}{
		"a deletion":        {set: func(c *transport.Call) { c.Kind = transport.KindDelete }},
		"a creation":        {set: func(c *transport.Call) { c.Kind = transport.KindCreate }},
		"a ping":            {set: func(c *transport.Call) { c.Kind = transport.KindPing }},
		"a call sent once":  {set: once},
		"a call of a batch": {set: func(c *transport.Call) { c.Lane = transport.Batch }},
		"a kind unknown":    {set: func(c *transport.Call) { c.Kind = transport.KindList }},
		"without a free slot": {denied: 1, configure: func(c *transport.Config) {
			c.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 1})
		}},
		"without a token at once": {denied: 1, configure: func(c *transport.Config) {
			c.Throttle, _ = transport.NewThrottle(transport.ThrottleConfig{Rate: 1, Burst: 1, Fixed: true})
		}},
		"without a reservation at once": {denied: 1, configure: func(c *transport.Config) {
			c.Shared, _ = transport.NewShared(&fleet{period: time.Second}, nil, 0)
		}},
		"without budget to spare": {denied: 1, configure: budget(t, transport.BudgetConfig{Tokens: 1.5, PerSecond: 1e-9, Credit: 1e-9})},
		"with a breaker that is forced closed": {denied: 1, configure: breakers(t, func(b *transport.BreakerConfig) {
			b.Mode = transport.ModeForcedClosed
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := learned(func(int) time.Duration { return time.Second })
			inLab(t, up.play, func(cfg *transport.Config) {
				hedged(t, 10)(cfg)
				if c.configure != nil {
					c.configure(cfg)
				}
			}, func(l *lab) {
				l.learn()
				before := l.doer.Stats()
				res := l.get(func(call *transport.Call) {
					if c.set != nil {
						c.set(call)
					}
				})
				s := l.doer.Stats()
				if res.status != 200 || len(l.attempts()) != 21 || res.Attempts != 1 || s.Hedge.Sent != 0 || s.Hedge.Denied != c.denied {
					t.Errorf("%d %v, %d requests, %+v; want one request and %d denied", res.status, res.err, len(l.attempts())-20, s.Hedge, c.denied)
				}
				if spent := before.Budget.Tokens - s.Budget.Tokens; spent > 1e-6 || s.Limiter.Reserved > 21 {
					t.Errorf("a second request that was not made cost %v tokens of the budget, %d reservations", spent, s.Limiter.Reserved)
				}
			})
		})
	}
}

func TestAProbeIsNeverMadeTwice(t *testing.T) {
	t.Parallel()
	up := learned(func(n int) time.Duration {
		if n < 10 {
			return ms
		}
		return time.Second
	})
	up.replies = func(n int) (*http.Response, error) {
		if n >= 20 && n < 30 {
			return reply(503), nil
		}
		return reply(200), nil
	}
	inLab(t, up.play, hedged(t, 10, breakers(t, nil)), func(l *lab) {
		l.learn()
		for range 10 {
			l.get(once)
		}
		l.wantState(open)
		time.Sleep(time.Minute)
		for range 2 {
			if res := l.get(); res.status != 200 || res.Attempts != 1 {
				t.Errorf("%d %v with %d attempts", res.status, res.err, res.Attempts)
			}
		}
		l.wantState(closed)
		if res := l.get(); res.Attempts != 2 || l.hedge().Sent != 1 {
			t.Errorf("%d attempts, %+v; want a second request now that it is closed", res.Attempts, l.hedge())
		}
	})
}

func TestTheTailFallsWhenOneAnswerInFiftyIsSlow(t *testing.T) {
	t.Parallel()
	p99 := map[bool]time.Duration{}
	for _, on := range []bool{false, true} {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		up := &pace{takes: func(int) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(50) == 0 {
				return 2 * time.Second
			}
			return 20*ms + time.Duration(random.IntN(int(10*ms)))
		}}
		const calls = 5000
		inLab(t, up.play, func(c *transport.Config) {
			hedged(t, 100, budget(t, transport.DefaultBudget()))(c)
			c.Budget, _ = transport.NewBudget(transport.DefaultBudget())
			if !on {
				c.Hedge = nil
			}
		}, func(l *lab) {
			took := make([]time.Duration, 0, calls)
			for range calls {
				took = append(took, l.get().took)
			}
			slices.Sort(took)
			p99[on] = took[calls*99/100]
			if extra := float64(len(l.attempts())-calls) / calls; on && extra > 0.07 {
				t.Errorf("%.1f %% more requests, want about 5", extra*100)
			}
		})
	}
	if p99[false] != 2*time.Second || p99[true] > 100*ms {
		t.Errorf("p99 %v without hedging, %v with it; want 2s and at most 100 ms", p99[false], p99[true])
	}
}

func TestAnUpstreamThatSlowsDownIsNotAskedTwiceForLong(t *testing.T) {
	t.Parallel()
	up := learned(func(int) time.Duration { return 5 * time.Second })
	inLab(t, up.play, hedged(t, 20), func(l *lab) {
		l.learn()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if res := l.get(); res.err != nil || res.Attempts > 2 {
					t.Errorf("%v with %d attempts", res.err, res.Attempts)
				}
			})
		}
		wg.Wait()
		if s := l.doer.Stats(); s.Hedge.Sent != 10 || s.Hedge.Denied != 90 || s.Budget.Tokens < 10-1e-6 {
			t.Errorf("%+v with %v tokens left; want 10 second requests, and half of 20 tokens left for retries", s.Hedge, s.Budget.Tokens)
		}
		for range 20 {
			l.get()
		}
		if d := l.hedge().Delays[0].Delay; d != 5*time.Second {
			t.Errorf("the delay is %v after 120 calls of 5 s, want 5 s", d)
		}
	})
}

func TestACallerWhoGivesUpEndsBothRequests(t *testing.T) {
	t.Parallel()
	up := learned(func(int) time.Duration { return time.Hour })
	inLab(t, up.play, hedged(t, 10, breakers(t, nil)), func(l *lab) {
		l.learn()
		ctx, cancel := context.WithTimeout(l.t.Context(), 500*ms)
		defer cancel()
		res := l.do(ctx)
		if !errors.Is(res.err, context.DeadlineExceeded) || res.took != 500*ms || res.Attempts != 2 {
			t.Errorf("%v after %v with %d attempts", res.err, res.took, res.Attempts)
		}
		if s := l.doer.Stats(); len(up.givenUp) != 2 || s.Breakers[0].Failures != 0 || s.Hedge.Won != 0 {
			t.Errorf("given up %v, %+v", up.givenUp, s)
		}
	})
}

func TestAPanicOfTheSecondRequestIsTheCalls(t *testing.T) {
	t.Parallel()
	up := learned(func(n int) time.Duration { return []time.Duration{time.Second, 50 * ms}[n] })
	up.replies = func(n int) (*http.Response, error) {
		if n == 21 {
			panic("a broken transport")
		}
		return reply(200), nil
	}
	inLab(t, up.play, hedged(t, 10, breakers(t, nil), func(c *transport.Config) {
		c.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 2})
	}), func(l *lab) {
		l.learn()
		defer func() {
			if p := recover(); p != "a broken transport" {
				t.Errorf("recovered %v", p)
			}
			if s := l.doer.Stats(); s.InFlight != 0 || s.Bulkhead.InFlight != 0 || s.Breakers[0].Failures != 1 {
				t.Errorf("%+v", s)
			}
		}()
		l.get()
	})
}

// TestPairsLeaveNothingBehind plays random upstreams to random callers.
func TestPairsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	var pairs uint64
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := newRandom(seed)
			var mu sync.Mutex
			sent := 0
			cfg := config(transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				sent++
				mu.Unlock()
				timer := time.NewTimer(time.Duration(random() * random() * float64(time.Second)))
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
				switch n := random(); {
				case n < 0.1:
					return reply(503), nil
				case n < 0.15:
					return nil, io.ErrUnexpectedEOF
				case n < 0.2:
					return reply(429), nil
				}
				return reply(200), nil
			}))
			cfg.Retry.Rand = newRandom(seed + 99)
			full(t, 100)(&cfg)
			cfg.Hedge, _ = transport.NewHedge(transport.HedgeConfig{Quantile: 0.5, MinSamples: 5})
			l := &lab{t: t, start: time.Now(), doer: transport.New(cfg)}
			attempts := 0
			var wg sync.WaitGroup
			for range 300 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random()*float64(3*time.Second)))
					defer cancel()
					res := l.do(ctx)
					mu.Lock()
					defer mu.Unlock()
					attempts += res.Attempts
				})
				time.Sleep(time.Duration(random() * float64(50*time.Millisecond)))
			}
			wg.Wait()
			synctest.Wait()
			s := l.doer.Stats()
			if s.InFlight != 0 || s.Bulkhead.InFlight != 0 || s.Throttle.Waiting != 0 || s.Budget.Tokens < 0 || s.Hedge.Won > s.Hedge.Sent {
				t.Errorf("seed %d: %+v", seed, s)
			}
			if attempts != sent {
				t.Errorf("seed %d: %d attempts told of, %d sent", seed, attempts, sent)
			}
			pairs += s.Hedge.Sent
		})
	}
	if pairs == 0 {
		t.Error("no call was ever made twice")
	}
}
