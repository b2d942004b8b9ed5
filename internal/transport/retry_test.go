package transport_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

const ms = time.Millisecond

// With jitter at one half the transient waits are 25, 50 and 100 ms, and the
// rate-limit waits three quarters of 50, 100, 200… ms.
func TestScriptsOfUpstreamAnswersGiveExactAttemptsWaitsAndOutcome(t *testing.T) {
	t.Parallel()
	date := func(w http.ResponseWriter, r *http.Request) {
		answer(503, "", "Retry-After", time.Now().Add(7*time.Second).UTC().Format(http.TimeFormat))(w, r)
	}
	for _, c := range []struct {
		name   string
		method string
		steps  []http.HandlerFunc
		at     []time.Duration // when each request arrived
		class  transport.Class
		asked  time.Duration
	}{
		{"first try", "GET", steps(ok), at(0), transport.ClassOK, 0},
		{"heals", "GET", steps(busy, busy, ok), at(0, 25*ms, 75*ms), transport.ClassOK, 0},
		{"stays down", "GET", steps(busy), at(0, 25*ms, 75*ms, 175*ms), transport.ClassTransient, 0},
		{"delete repeated", "DELETE", steps(busy, answer(204, "")), at(0, 25*ms), transport.ClassOK, 0},
		{"each transient status", "GET", steps(answer(408, ""), answer(500, ""), answer(502, "<html>"), answer(504, "")), at(0, 25*ms, 75*ms, 175*ms), transport.ClassTransient, 0},
		{"terminal", "GET", steps(gone), at(0), transport.ClassTerminal, 0},
		{"unauthorized", "GET", steps(answer(401, "")), at(0), transport.ClassTerminal, 0},
		{"quota", "GET", steps(answer(403, `{"detail":"Quota exceeded"}`)), at(0), transport.ClassQuotaExceeded, 0},
		{"plan", "GET", steps(answer(403, `{"detail":"Plan expired"}`)), at(0), transport.ClassPlanExpired, 0},
		{"forbidden page", "GET", steps(answer(403, "<html>rate limit</html>")), at(0), transport.ClassForbidden, 0},
		{"dropped connection", "GET", steps(drop, ok), at(0, 25*ms), transport.ClassOK, 0},
		{"truncated body", "GET", steps(truncated(200), ok), at(0, 25*ms), transport.ClassOK, 0},
		{"broken chunk", "GET", steps(brokenChunk, ok), at(0, 25*ms), transport.ClassOK, 0},
		{"truncated 403 says nothing", "GET", steps(truncated(403), ok), at(0, 25*ms), transport.ClassOK, 0},
		{"truncated 404 is a 404", "GET", steps(truncated(404), ok), at(0), transport.ClassTerminal, 0},
		{"attempt timeout", "GET", steps(hang, ok), at(0, 10*time.Second+25*ms), transport.ClassOK, 0},
		{"body timeout", "GET", steps(hangBody, ok), at(0, 10*time.Second+25*ms), transport.ClassOK, 0},

		{
			"rate limit is not counted", "GET", steps(limited, limited, limited, limited, limited, limited, ok),
			at(0, 37500*time.Microsecond, 112500*time.Microsecond, 262500*time.Microsecond, 562500*time.Microsecond, 1162500*time.Microsecond, 2362500*time.Microsecond), transport.ClassOK, 0,
		},
		{"rate limit between failures", "GET", steps(busy, limited, busy, limited, busy, busy), at(0, 25*ms, 62500*time.Microsecond, 112500*time.Microsecond, 150*ms, 250*ms), transport.ClassTransient, 0},
		{"429 for a create", "POST", steps(answer(429, ""), answer(201, "{}")), at(0, 37500*time.Microsecond), transport.ClassOK, 0},

		// Asked waits: exact, plus a spread of at most a tenth, here half of min(ceiling, tenth).
		{"Retry-After on 403", "GET", steps(limited7, ok), at(0, 7025*ms), transport.ClassOK, 0},
		{"Retry-After on 429", "POST", steps(answer(429, "", "Retry-After", "7"), ok), at(0, 7025*ms), transport.ClassOK, 0},
		{"Retry-After on 503", "GET", steps(answer(503, "", "Retry-After", "7"), ok), at(0, 7025*ms), transport.ClassOK, 0},
		{"Retry-After on 408", "GET", steps(answer(408, "", "Retry-After", "7"), ok), at(0, 7025*ms), transport.ClassOK, 0},
		{"Retry-After date", "GET", steps(date, ok), at(0, 7025*ms), transport.ClassOK, 0},
		{"Retry-After rounded up", "GET", steps(answer(503, "", "Retry-After", "1.5"), ok), at(0, 2025*ms), transport.ClassOK, 0},
		{"longest of several", "GET", steps(answer(503, "", "Retry-After", "1", "Retry-After", "3"), ok), at(0, 3025*ms), transport.ClassOK, 0},
		{"longest of several, first", "GET", steps(answer(503, "", "Retry-After", "3", "Retry-After", "1"), ok), at(0, 3025*ms), transport.ClassOK, 0},
		{"spread stays a tenth", "GET", steps(limited1, limited1, limited1, limited1, ok), at(0, 1025*ms, 2075*ms, 3125*ms, 4175*ms), transport.ClassOK, 0},
		{"Retry-After at the cap", "GET", steps(answer(429, "", "Retry-After", "60"), ok), at(0, 60025*ms), transport.ClassOK, 0},
		{"Retry-After over the cap", "GET", steps(answer(429, "", "Retry-After", "61"), ok), at(0), transport.ClassRateLimited, 61 * time.Second},
		{"Retry-After overflows", "GET", steps(answer(503, "", "Retry-After", "9223372037"), ok), at(0), transport.ClassTransient, 1<<63 - 1},
		{"Retry-After negative: own backoff", "GET", steps(answer(503, "", "Retry-After", "-5"), ok), at(0, 25*ms), transport.ClassOK, 0},
		{"Retry-After zero: own backoff", "GET", steps(answer(429, "", "Retry-After", "0"), ok), at(0, 37500*time.Microsecond), transport.ClassOK, 0},
		{"date in the past: own backoff", "GET", steps(answer(429, "", "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), ok), at(0, 37500*time.Microsecond), transport.ClassOK, 0},
		{"quota with Retry-After is final", "GET", steps(answer(403, `{"detail":"Quota exceeded"}`, "Retry-After", "1")), at(0), transport.ClassQuotaExceeded, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, c.steps, nil, func(u *upstream) {
				res := u.call(u.t.Context(), c.method)
				if got := arrivals(u); fmt.Sprint(got) != fmt.Sprint(c.at) {
					t.Errorf("requests arrived at %v, want %v", got, c.at)
				}
				if res.Outcome.Class != c.class || res.Outcome.RetryAfter != c.asked {
					t.Errorf("outcome %+v, want class %v and RetryAfter %v", res.Outcome, c.class, c.asked)
				}
				if res.err != nil || res.status != res.Outcome.Status {
					t.Errorf("status %d, err %v: want the real answer", res.status, res.err)
				}
				if res.Attempts != len(c.at) {
					t.Errorf("Attempts = %d, want %d", res.Attempts, len(c.at))
				}
				if last := c.at[len(c.at)-1]; c.name != "attempt timeout" && c.name != "body timeout" && res.Waited != last {
					t.Errorf("Waited = %v, want %v", res.Waited, last)
				}
			})
		})
	}
}

func at(d ...time.Duration) []time.Duration { return d }

func arrivals(u *upstream) []time.Duration {
	var at []time.Duration
	for _, r := range u.requests() {
		at = append(at, r.at)
	}
	return at
}

func TestRateLimitAnswersAreCountedApart(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited, busy, limited, ok), nil, func(u *upstream) {
		if res := u.get(); res.Attempts != 4 || res.RateLimited != 2 {
			t.Errorf("Attempts %d, RateLimited %d; want 4 and 2", res.Attempts, res.RateLimited)
		}
	})
}

func TestWaitThatWouldPassTheDeadlineReturnsTheRealAnswerAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step     http.HandlerFunc
		deadline time.Duration
		attempts int
		took     time.Duration
	}{
		"asked":           {limited7, 6 * time.Second, 1, 0},
		"asked exactly":   {limited7, 7 * time.Second, 1, 0},
		"own backoff":     {busy, 20 * ms, 1, 0},
		"a later backoff": {busy, 60 * ms, 2, 25 * ms},
		"rate limit":      {limited, time.Second, 5, 562500 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, steps(c.step), nil, func(u *upstream) {
				ctx, cancel := context.WithTimeout(u.t.Context(), c.deadline)
				defer cancel()
				res := u.call(ctx, "GET")
				if res.err != nil || res.status == 0 || res.Attempts != c.attempts || res.took != c.took {
					t.Errorf("status %d, err %v, %d attempts, %v; want the answer of attempt %d after %v",
						res.status, res.err, res.Attempts, res.took, c.attempts, c.took)
				}
			})
		})
	}
}

func TestSpreadNeverPushesAnAskedWaitPastTheDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited7, ok), nil, func(u *upstream) {
		ctx, cancel := context.WithTimeout(u.t.Context(), 7*time.Second+2*ms)
		defer cancel()
		if res := u.call(ctx, "GET"); res.err != nil || res.status != 200 {
			t.Errorf("status %d, err %v; want 200 just before the deadline", res.status, res.err)
		}
	})
}

func TestCancelMidWaitReturnsAtOnceWithTheCause(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited7), nil, func(u *upstream) {
		stop := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(u.t.Context())
		go func() {
			time.Sleep(3 * time.Second)
			cancel(stop)
		}()
		res := u.call(ctx, "GET")
		if !errors.Is(res.err, stop) || !errors.Is(res.err, context.Canceled) || res.took != 3*time.Second {
			t.Errorf("err %v after %v; want the cause after 3s", res.err, res.took)
		}
		if res.Outcome.Class != transport.ClassCanceled || res.Answer.Class != transport.ClassRateLimited {
			t.Errorf("outcome %v, last answer %v; want canceled and rate_limited", res.Outcome.Class, res.Answer.Class)
		}
	})
}

func TestAnAnswerInHandSurvivesTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	leave := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			defer cancel()
			return next.RoundTrip(r)
		})
	}
	for _, step := range []http.HandlerFunc{busy, ok} {
		inBubble(t, steps(step), func(c *transport.Config) { c.Inner = []transport.Policy{leave} }, func(u *upstream) {
			ctx, cancel = context.WithCancel(u.t.Context())
			if res := u.call(ctx, "GET"); res.err != nil || res.status == 0 || res.Attempts != 1 {
				t.Errorf("status %d, err %v; want the answer that had arrived", res.status, res.err)
			}
		})
	}
}

func TestCallersDeadlineDuringAnAttemptIsNotAnAttemptTimeout(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(hang), nil, func(u *upstream) {
		ctx, cancel := context.WithTimeout(u.t.Context(), 10*time.Second) // as long as the attempt's own
		defer cancel()
		res := u.call(ctx, "GET")
		if !errors.Is(res.err, context.DeadlineExceeded) || errors.Is(res.err, transport.ErrAttemptTimeout) || res.Outcome.Class != transport.ClassCanceled {
			t.Errorf("err %v, class %v; want the caller's deadline", res.err, res.Outcome.Class)
		}
	})
}

func TestAttemptTimeoutIsTypedAndWaitsRunOnTheCallsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited7, hang), nil, func(u *upstream) {
		res := u.get(func(c *transport.Call) { c.Limits.AttemptTimeout, c.Limits.Attempts = 2*time.Second, 2 })
		if !errors.Is(res.err, transport.ErrAttemptTimeout) || !errors.Is(res.err, context.DeadlineExceeded) {
			t.Errorf("err %v; want ErrAttemptTimeout", res.err)
		}
		// The 7 s wait outlives the 2 s attempt timeout; then two attempts of 2 s.
		if want := 7025*ms + 2*time.Second + 25*ms + 2*time.Second; res.took != want {
			t.Errorf("took %v, want %v", res.took, want)
		}
		if want := "GET /ai/v1/users/{user_id}: attempt timed out after 2s (no answer)"; res.err != nil && res.err.Error() != want {
			t.Errorf("error reads %q, want %q", res.err, want)
		}
	})
}

func TestRetryOffSendsExactlyOneRequest(t *testing.T) {
	t.Parallel()
	for _, step := range []http.HandlerFunc{busy, limited7, limited, drop} {
		inBubble(t, steps(step), func(c *transport.Config) { c.Retry = transport.Retry{} }, func(u *upstream) {
			if res := u.get(); res.Attempts != 1 || res.took != 0 {
				t.Errorf("%d attempts in %v, want 1 at once", res.Attempts, res.took)
			}
		})
		inBubble(t, steps(step), nil, func(u *upstream) {
			if res := u.get(func(c *transport.Call) { c.Limits.Attempts = 1 }); res.Attempts != 1 || res.took != 0 {
				t.Errorf("limited to one: %d attempts in %v, want 1 at once", res.Attempts, res.took)
			}
		})
	}
}

func TestAReusedCallStartsAfresh(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(busy, ok, ok), nil, func(u *upstream) {
		call := &transport.Call{}
		req, _ := http.NewRequestWithContext(transport.WithCall(u.t.Context(), call), "GET", "http://api.test/", nil)
		for want := 2; want >= 1; want-- {
			if _, err := u.doer.Do(req); err != nil || call.Attempts != want {
				t.Errorf("Attempts %d, err %v; want %d", call.Attempts, err, want)
			}
		}
	})
}

// Whatever the upstream says, a call obeys the limits: at most four counted
// attempts, no wait below what was asked, never past the deadline, and an
// answer in hand is never lost to waiting.
func TestPropertyNoScriptBreaksTheLimits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var script []http.HandlerFunc
		var asked []time.Duration
		for range 30 {
			status := []int{200, 204, 301, 401, 403, 408, 429, 500, 503, 0}[rng.IntN(10)]
			after := time.Duration(rng.IntN(4)) * 20 * time.Second * time.Duration(rng.IntN(2))
			if status == 0 {
				script, asked = append(script, drop), append(asked, 0)
				continue
			}
			body := []string{"", "<html>", `{"detail":"Rate limit exceeded"}`, `{"detail":["quota"]}`}[rng.IntN(4)]
			if status == 204 {
				body = ""
			}
			script = append(script, answer(status, body, "Retry-After", fmt.Sprint(int(after.Seconds()))))
			asked = append(asked, after)
		}
		method := []string{"GET", "DELETE", "POST"}[rng.IntN(3)]
		deadline := time.Duration(1+rng.IntN(150)) * time.Second
		inBubble(t, script, func(c *transport.Config) { c.Retry.Rand = rng.Float64 }, func(u *upstream) {
			ctx, cancel := context.WithTimeout(u.t.Context(), deadline)
			defer cancel()
			res := u.call(ctx, method)
			seen := u.requests()
			if n := res.Attempts - res.RateLimited; n > 4 || n < 0 {
				t.Errorf("seed %d: %d attempts, %d rate-limited", seed, res.Attempts, res.RateLimited)
			}
			// net/http repeats a GET by itself when a pooled connection drops.
			if extra := len(seen) - res.Attempts; extra < 0 || extra > 0 && method != "GET" || extra > res.Attempts {
				t.Errorf("seed %d: %s counted %d attempts, upstream saw %d", seed, method, res.Attempts, len(seen))
			}
			for i := 1; i < len(seen); i++ {
				gap := seen[i].at - seen[i-1].at
				if replayed := gap == 0; replayed && method == "GET" {
					continue
				}
				if gap < asked[i-1] || gap > max(asked[i-1]*11/10+50*ms, 10*time.Second) {
					t.Errorf("seed %d: waited %v where %v was asked", seed, gap, asked[i-1])
				}
			}
			if res.took >= deadline || errors.Is(res.err, context.DeadlineExceeded) {
				t.Errorf("seed %d: took %v of %v: %v", seed, res.took, deadline, res.err)
			}
			if method == "POST" && len(seen)-res.RateLimited > 1 {
				t.Errorf("seed %d: a create was processed up to %d times", seed, len(seen)-res.RateLimited)
			}
		})
	}
}

func TestConcurrentCallsShareNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(busy, limited, drop, ok), nil, func(u *upstream) {
		done := make(chan result)
		for range 50 {
			go func() { done <- u.get() }()
		}
		for range 50 {
			if res := <-done; res.err != nil || res.status != 200 {
				t.Errorf("status %d, err %v", res.status, res.err)
			}
		}
		synctest.Wait()
	})
}
