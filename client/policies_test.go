package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// subject is a client in a bubble.
type subject struct {
	*testing.T
	client *client.Client
}

// guarded runs test in a bubble with a client of the defaults (and jitter at one
// half), whose service answers with status() at no cost.
func guarded(t *testing.T, status func() int, test func(*subject), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return response(req, status(), `{"detail":"OK","result":{"user_id":"u"}}`), nil
		})
		retry := client.DefaultRetry()
		retry.Rand = func() float64 { return 0.5 }
		c, err := client.New(secret, append([]client.Option{
			client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(retry),
		}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		test(&subject{T: t, client: c})
	})
}

func always(status int) func() int { return func() int { return status } }

func TestAClientIsGuardedByDefault(t *testing.T) {
	t.Parallel()
	guarded(t, always(200), func(s *subject) {
		t, c := s.T, s.client
		start := time.Now()
		for range 21 {
			if _, err := c.User(t.Context(), user); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 1100*time.Millisecond {
			t.Errorf("21 calls took %v, want 10 at once and 10 per second", took)
		}
		stats := c.Stats()
		if len(stats.Breakers) != 1 || stats.Breakers[0].State != "closed" || stats.Breakers[0].Calls != 21 || stats.Bulkhead.Limit != 16 ||
			stats.Throttle.Ceiling != 10 || stats.Throttle.Accepted != 21 || stats.Budget.Tokens != 100 || stats.InFlight != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestAnOpenBreakerIsALocalRefusalThatSaysUntilWhen(t *testing.T) {
	t.Parallel()
	down := true
	status := func() int {
		if down {
			return 503
		}
		return 200
	}
	guarded(t, status, func(s *subject) {
		t, c := s.T, s.client
		for range 2 { // opens with the fifth attempt
			_, _ = c.User(t.Context(), user)
		}
		_, err := c.User(t.Context(), user)
		e, ok := errors.AsType[*client.Error](err)
		refusal, open := errors.AsType[*client.CircuitOpenError](err)
		if !ok || !open || !errors.Is(err, client.ErrCircuitOpen) || e.Layer != client.LayerLocal || e.Attempts != 0 ||
			e.RetryAfter != time.Until(refusal.Until) || !client.Retryable(err) {
			t.Fatalf("%+v", err)
		}
		down = false
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := c.User(ctx, user, client.Patient()); !errors.Is(err, client.ErrCircuitOpen) || time.Since(start) != 0 {
			t.Errorf("patience that cannot help: %v after %v", err, time.Since(start))
		}
		if _, err := c.User(t.Context(), user, client.Patient()); err != nil || time.Since(start) != e.RetryAfter {
			t.Errorf("a patient call: %v after %v, want success after %v", err, time.Since(start), e.RetryAfter)
		}
	})
}

func TestTheModeOfTheBreakerCanBeSwitched(t *testing.T) {
	t.Parallel()
	guarded(t, always(200), func(s *subject) {
		t, c := s.T, s.client
		if err := c.SetBreakerMode(client.BreakerForcedOpen); err != nil {
			t.Fatal(err)
		}
		if _, err := c.User(t.Context(), user); !errors.Is(err, client.ErrCircuitOpen) {
			t.Errorf("%v", err)
		}
		if s := c.Stats().Breakers[0]; s.State != "forced_open" || s.Mode != "forced_open" || s.Refused != 1 {
			t.Errorf("%+v", s)
		}
		if err := c.SetBreakerMode(client.BreakerAuto); err != nil {
			t.Fatal(err)
		}
		if _, err := c.User(t.Context(), user); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEmptyBudgetIsInTheErrorBesideTheRealAnswer(t *testing.T) {
	t.Parallel()
	guarded(t, always(503), func(s *subject) {
		t, c := s.T, s.client
		_, err := c.User(t.Context(), user)
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.StatusCode != 503 || e.Attempts != 2 || !errors.Is(err, client.ErrUnavailable) || !errors.Is(err, client.ErrBudgetExhausted) {
			t.Errorf("%+v", err)
		}
	}, client.WithBudget(client.Budget{Tokens: 1, PerSecond: 1e-9}))
}

func TestATokenPastTheDeadlineIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	guarded(t, always(200), func(s *subject) {
		t, c := s.T, s.client
		if _, err := c.User(t.Context(), user); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.User(t.Context(), user, client.Timeout(time.Second)); !errors.Is(err, client.ErrThrottled) || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	}, client.WithThrottle(client.Throttle{Rate: 0.5, Burst: 1}))
}

func TestMiddlewareRunsPerCallAndPerAttemptAndNeverSeesTheKey(t *testing.T) {
	t.Parallel()
	var ran []string
	named := func(name string) client.Middleware {
		return func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				ran = append(ran, name+req.Header.Get("X-Api-Key"))
				return next.RoundTrip(req)
			})
		}
	}
	statuses := []int{503, 200}
	status := func() int { s := statuses[0]; statuses = statuses[1:]; return s }
	guarded(t, status, func(s *subject) {
		t, c := s.T, s.client
		if _, err := c.User(t.Context(), user); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(ran, " "); got != "call1 call2 attempt attempt" {
			t.Errorf("ran %s", got)
		}
	}, client.WithMiddleware(client.Middlewares{PerCall: []client.Middleware{named("call1"), nil}, PerAttempt: []client.Middleware{named("attempt")}}),
		client.WithMiddleware(client.Middlewares{PerCall: []client.Middleware{named("call2")}}))
}

func TestHooksAndLogHearOfCallsAndTellNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var heard []string
	hash := ""
	hooks := client.Hooks{
		OperationStart: func(ctx context.Context, op *client.Operation) context.Context {
			heard, hash = append(heard, "start "+op.Op+" "+op.Kind), op.UserHash()
			return ctx
		},
		OperationEnd: func(_ context.Context, op *client.Operation) { heard = append(heard, "end "+op.Class) },
		AttemptStart: func(ctx context.Context, _ *client.Operation, a *client.Attempt) context.Context {
			a.Header.Set("Traceparent", a.RequestID)
			return ctx
		},
		AttemptEnd: func(_ context.Context, _ *client.Operation, a *client.Attempt) {
			heard = append(heard, "attempt "+a.Class)
		},
		Event: func(_ context.Context, _ *client.Operation, e client.Event) { heard = append(heard, e.Kind) },
	}
	statuses := []int{503, 200}
	status := func() int { s := statuses[0]; statuses = statuses[1:]; return s }
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	guarded(t, status, func(s *subject) {
		t, c := s.T, s.client
		if _, err := c.User(client.ContextWithRequestID(t.Context(), "req-1"), user); err != nil {
			t.Fatal(err)
		}
	}, client.WithLogger(logger), client.WithLogger(nil), client.WithHooks(hooks), client.WithHooks(client.Hooks{}))
	if got, want := strings.Join(heard, ", "), "start getUser get, attempt transient, retry, attempt ok, end ok"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	wantNoSecret(t, "the log", out.String())
	for _, want := range []string{`"msg":"api_error"`, `"msg":"api_response"`, `"request_id":"req-1"`, `"user_hash":"` + hash + `"`, `"route":"/ai/v1/users/{user_id}"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, out.String())
		}
	}
}

func TestThePingOfAHealthyServiceIsNoErrorInTheLog(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{404: `"level":"INFO","msg":"api_response"`, 401: `"level":"INFO","msg":"api_response"`, 503: `"level":"WARN","msg":"api_error"`} {
		var out bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&out, nil))
		guarded(t, func() int { return status }, func(s *subject) {
			if err := s.client.Ping(s.Context()); err != nil {
				s.Error(err)
			}
		}, client.WithLogger(logger))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%d: the log has no %s:\n%s", status, want, out.String())
		}
	}
}

func TestNewNamesEveryBadFigureOfThePolicies(t *testing.T) {
	t.Parallel()
	_, err := client.New(secret, client.WithBudget(client.Budget{Tokens: -1}), client.WithBreaker(client.Breaker{Failures: -2}),
		client.WithThrottle(client.Throttle{Rate: -3}), client.WithBulkhead(client.Bulkhead{Limit: -4}), client.WithTimeouts(client.Timeouts{Delete: -5}))
	for _, want := range []string{
		"WithBudget: Tokens is -1", "WithBreaker: Failures is -2", "WithThrottle: Rate is -3",
		"WithBulkhead: Limit is -4", "WithTimeouts: Delete is -5ns",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
}
