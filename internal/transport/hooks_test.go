package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// diary notes what hooks are told.
type diary struct{ lines []string }

func (d *diary) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) hooks() transport.Hooks {
	return transport.Hooks{
		OperationStart: func(ctx context.Context, op *transport.Operation) context.Context {
			d.add("start %s %s %s", op.Op, op.Method, op.Kind)
			return ctx
		},
		OperationEnd: func(_ context.Context, op *transport.Operation) {
			d.add("end %d %s/%s attempts=%d limited=%d took=%v waited=%v", op.StatusCode, op.Class, op.ErrorType, op.Attempts, op.RateLimited, op.Duration, op.Waited)
		},
		AttemptStart: func(ctx context.Context, _ *transport.Operation, a *transport.Attempt) context.Context {
			d.add("attempt %d", a.Number)
			return ctx
		},
		AttemptEnd: func(_ context.Context, _ *transport.Operation, a *transport.Attempt) {
			d.add("attempt %d: %d %s/%s %v bytes=%d reused=%v", a.Number, a.StatusCode, a.Class, a.ErrorType, a.Duration, a.BodyBytes, a.Reused)
		},
		Event: func(_ context.Context, _ *transport.Operation, e transport.Event) {
			d.add("%s wait=%v status=%d %s>%s", e.Kind, e.Wait, e.StatusCode, e.From, e.To)
		},
	}
}

func TestHooksHearAllOfACall(t *testing.T) {
	t.Parallel()
	d := &diary{}
	slow := func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); ok(w, r) }
	inBubble(t, steps(busy, limited7, slow), func(c *transport.Config) { c.Hooks = []transport.Hooks{d.hooks()} }, func(u *upstream) {
		u.get()
		want := `start op GET other
attempt 1
attempt 1: 503 transient/transient 0s bytes=0 reused=false
retry wait=25ms status=503 >
attempt 2
attempt 2: 403 rate_limited/rate_limited 0s bytes=32 reused=true
rate_limited wait=7s status=403 >
retry wait=7.025s status=403 >
attempt 3
attempt 3: 200 ok/ 1s bytes=27 reused=true
end 200 ok/ attempts=3 limited=1 took=8.05s waited=7.05s`
		if got := strings.Join(d.lines, "\n"); got != want {
			t.Errorf("heard\n%s\nwant\n%s", got, want)
		}
	})
}

func TestHooksHearOfRefusalsAndTheBreaker(t *testing.T) {
	t.Parallel()
	d := &diary{}
	h := d.hooks()
	h.AttemptStart, h.AttemptEnd, h.OperationStart = nil, nil, nil
	inLab(t, downUntil(time.Minute), func(c *transport.Config) {
		breakers(t, nil)(c)
		budget(t, transport.BudgetConfig{Tokens: 1})(c)
		c.Hooks = []transport.Hooks{h}
	}, func(l *lab) {
		for range 3 {
			l.get(func(c *transport.Call) { c.Limits.Attempts = 2 })
		}
		l.get()
		l.get()
		l.until(time.Minute)
		l.get()
		want := []string{
			"retry wait=25ms status=503 >", "end 503 transient/transient attempts=2 limited=0 took=25ms waited=25ms",
			"budget_exhausted wait=0s status=503 >", "end 503 transient/transient attempts=1 limited=0 took=0s waited=0s",
			"budget_exhausted wait=0s status=503 >", "end 503 transient/transient attempts=1 limited=0 took=0s waited=0s",
			"breaker_change wait=0s status=0 closed>open", "budget_exhausted wait=0s status=503 >", "end 503 transient/transient attempts=1 limited=0 took=0s waited=0s",
			"end 0 refused/circuit_open attempts=0 limited=0 took=0s waited=0s",
		}
		if got := strings.Join(d.lines[:min(len(d.lines), len(want))], "\n"); got != strings.Join(want, "\n") {
			t.Errorf("heard\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestHooksHearOfWaits(t *testing.T) {
	t.Parallel()
	d := &diary{}
	inLab(t, always(200), func(c *transport.Config) {
		c.Throttle, _ = transport.NewThrottle(transport.ThrottleConfig{Rate: 1, Burst: 1, Fixed: true})
		c.Hooks = []transport.Hooks{{Event: d.hooks().Event}}
	}, func(l *lab) {
		l.get()
		l.get()
		if len(d.lines) != 1 || d.lines[0] != "throttle_wait wait=1s status=0 >" {
			t.Errorf("heard %q", d.lines)
		}
	})
}

func TestHooksThatPanicBreakNothing(t *testing.T) {
	t.Parallel()
	boom := transport.Hooks{
		OperationStart: func(context.Context, *transport.Operation) context.Context { panic("boom") },
		OperationEnd:   func(context.Context, *transport.Operation) { panic("boom") },
		AttemptStart: func(context.Context, *transport.Operation, *transport.Attempt) context.Context {
			panic("boom")
		},
		AttemptEnd: func(context.Context, *transport.Operation, *transport.Attempt) { panic("boom") },
		Event:      func(context.Context, *transport.Operation, transport.Event) { panic("boom") },
	}
	inLab(t, script(503, 200), func(c *transport.Config) {
		c.Hooks = []transport.Hooks{boom, {}}
		c.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 1})
	}, func(l *lab) {
		if res := l.get(); res.status != 200 || res.Attempts != 2 {
			t.Errorf("%d %v", res.status, res.err)
		}
		s := l.doer.Stats()
		if s.HookPanics != 7 || s.Bulkhead.InFlight != 0 || s.InFlight != 0 {
			t.Errorf("%+v; want 7 panics and nothing left behind", s)
		}
	})
}

func TestAnAttemptsHeaderCanBeWrittenAndNeverHoldsTheKey(t *testing.T) {
	t.Parallel()
	type traced struct{}
	write := transport.Hooks{
		OperationStart: func(ctx context.Context, _ *transport.Operation) context.Context {
			return context.WithValue(ctx, traced{}, "operation")
		},
		AttemptStart: func(ctx context.Context, _ *transport.Operation, a *transport.Attempt) context.Context {
			if len(a.Header["X-Api-Key"]) != 0 {
				t.Error("the key is in reach of a hook")
			}
			a.Header.Set("Traceparent", fmt.Sprint(ctx.Value(traced{}), a.Number))
			a.Header.Set("X-Api-Key", "another")
			a.Header["x-api-key"] = []string{"another"}
			a.Header.Set("X-Request-Id", "another")
			return t.Context() // severed: must not be used
		},
	}
	inBubble(t, steps(busy, ok), func(c *transport.Config) { c.Hooks = []transport.Hooks{write} }, func(u *upstream) {
		ctx, cancel := context.WithTimeout(transport.WithRequestID(u.t.Context(), "from-outside"), time.Hour)
		defer cancel()
		res := u.call(ctx, "GET")
		for i, r := range u.requests() {
			if got, want := r.header.Get("Traceparent"), fmt.Sprint("operation", i+1); got != want {
				t.Errorf("traceparent %q, want %q", got, want)
			}
			if got := r.header["X-Api-Key"]; len(got) != 1 || got[0] != secret {
				t.Errorf("key %q", got)
			}
			if got := r.header.Get("X-Request-Id"); got != "from-outside" || res.RequestID != got {
				t.Errorf("request id %q, reported %q", got, res.RequestID)
			}
		}
		if res.status != 200 || len(u.requests()) != 2 {
			t.Errorf("%d %v", res.status, res.err)
		}
	})
}

func TestRequestIDsFromOutsideAreTakenOnlyIfTheyAreSafe(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{"a-1": true, strings.Repeat("x", 128): true, "": false, strings.Repeat("x", 129): false, "a b": false, "a\r\nb": false, "é": false} {
		if got := transport.RequestIDFrom(transport.WithRequestID(t.Context(), id)); (got == id) != want && id != "" {
			t.Errorf("%q gave %q", id, got)
		}
	}
}

func TestOperationsEndEvenIfTheyBlowUp(t *testing.T) {
	t.Parallel()
	d := &diary{}
	inLab(t, func(*http.Request, time.Duration) (*http.Response, error) { panic("boom") }, func(c *transport.Config) {
		c.Hooks = []transport.Hooks{d.hooks()}
		budget(t, transport.BudgetConfig{Tokens: 5})(c)
		c.Bulkhead, _ = transport.NewBulkhead(transport.BulkheadConfig{Limit: 1})
	}, func(l *lab) {
		func() {
			defer func() { _ = recover() }()
			l.get()
		}()
		if n := len(d.lines); n != 4 || !strings.HasPrefix(d.lines[2], "attempt 1: 0 panic/panic") || !strings.HasPrefix(d.lines[3], "end 0 panic/panic") {
			t.Errorf("heard %q", d.lines)
		}
		if s := l.doer.Stats(); s.InFlight != 0 || s.Bulkhead.InFlight != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestTheLogTellsWhatHappenedAndNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "until" {
				return slog.Attr{}
			}
			return a
		},
	}))
	inLab(t, script(503, 503, 0, 503, 503, 200), func(c *transport.Config) {
		breakers(t, nil)(c)
		c.Hooks = []transport.Hooks{transport.LogHooks(logger)}
	}, func(l *lab) {
		ctx := transport.WithRequestID(l.t.Context(), "r1")
		l.do(ctx)
		l.do(ctx)
		l.until(time.Minute + time.Second)
		l.do(ctx)
	})
	user := "user_hash=" + strings.TrimSpace(hashIn(out.String()))
	base := "op=getUser method=GET route=/ai/v1/users/{user_id}"
	for _, want := range []string{
		`level=DEBUG msg=api_request ` + base + ` attempt=1 request_id=r1 ` + user,
		`level=WARN msg=api_error ` + base + ` attempt=1 request_id=r1 ` + user + ` status_code=503 duration_ms=0 error_type=transient`,
		`level=DEBUG msg=api_event event=retry op=getUser route=/ai/v1/users/{user_id} wait_ms=25 status_code=503`,
		`level=WARN msg=api_error ` + base + ` attempt=3 request_id=r1 ` + user + ` status_code=0 duration_ms=0 error_type=transport error="GET /ai/v1/users/{user_id}: unexpected EOF"`,
		`level=WARN msg=api_event event=breaker_change breaker=upstream from=closed to=open`,
		`error_type=circuit_open error="circuit open`,
		`level=INFO msg=api_response ` + base + ` attempt=1 request_id=r1 ` + user + ` status_code=200 duration_ms=0`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, bad := range []string{secret, secretID} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("%q was logged", bad)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func hashIn(log string) string {
	_, rest, _ := strings.Cut(log, "user_hash=")
	return strings.Fields(rest + " -")[0]
}

func TestOuterPoliciesRunOncePerCall(t *testing.T) {
	t.Parallel()
	calls := 0
	outer := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			calls++
			return next.RoundTrip(r)
		})
	}
	inLab(t, script(503, 503, 200), func(c *transport.Config) { c.Outer = []transport.Policy{outer} }, func(l *lab) {
		if res := l.get(); res.status != 200 || res.Attempts != 3 || calls != 1 {
			t.Errorf("%d %v, %d attempts, %d runs", res.status, res.err, res.Attempts, calls)
		}
	})
}

func TestTimeoutsByKindOfOperation(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request, _ time.Duration) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	limits := transport.Timeouts{Get: 10 * time.Second, List: 11 * time.Second, Delete: 5 * time.Second, Create: 12 * time.Second, Ping: 2 * time.Second}
	for kind, want := range map[transport.Kind]time.Duration{
		transport.KindGet: limits.Get, transport.KindList: limits.List, transport.KindDelete: limits.Delete,
		transport.KindCreate: limits.Create, transport.KindPing: limits.Ping, transport.KindOther: 7 * time.Second,
	} {
		inLab(t, hang, func(c *transport.Config) { c.Timeouts, c.AttemptTimeout = limits, 7*time.Second }, func(l *lab) {
			res := l.get(once, func(c *transport.Call) { c.Kind = kind })
			if res.took != want || res.Outcome.Class != transport.ClassTimeout || !strings.Contains(res.err.Error(), want.String()) {
				t.Errorf("%v: %v after %v, want %v", kind, res.err, res.took, want)
			}
		})
	}
}
