package client

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// Hooks are functions called as a call proceeds, for logs, metrics and traces; any may be
// nil. They run on the goroutine of the call (with [Hedging] also on that of a second
// request), never under a lock, and the call waits for them: be quick. A hook that panics
// is stopped and counted ([Stats].HookPanics), the call goes on.
//
// The [Operation] and the [Attempt] handed out belong to the call and are reused
// by it: copy what is to outlive the hook. Only Attempt.Header may be written to.
type Hooks struct {
	// OperationStart and OperationEnd frame one exchange with all its attempts
	// and waits; every start has its end, also if the call panics. The context
	// returned by the start replaces the call's if it derives from the one
	// given; nil leaves it.
	OperationStart func(ctx context.Context, op *Operation) context.Context
	OperationEnd   func(ctx context.Context, op *Operation)
	// AttemptStart and AttemptEnd frame one request on the wire.
	AttemptStart func(ctx context.Context, op *Operation, a *Attempt) context.Context
	AttemptEnd   func(ctx context.Context, op *Operation, a *Attempt)
	// Event is told what happens in between. op is nil for events that belong
	// to no call.
	Event func(ctx context.Context, op *Operation, e Event)
	// Cache is told, on a client with a cache, how each request that may be kept
	// was answered: by which tier, or by the service (TierNone). It comes after the
	// other hooks, which run only if the service was asked: then on the goroutine
	// of the load, which several calls may share.
	Cache func(ctx context.Context, a CacheAnswer)
}

// Operation is one exchange of a call: most calls are one, lists and long periods
// are several.
type Operation struct {
	Op      string // such as "getSession"
	Route   string // template, such as "/data/v3/sessions/{session_id}"
	Method  string
	Kind    string // get, list, delete, create, ping, other
	Lane    string // interactive, batch
	Patient bool
	Start   time.Time
	// UserHash returns 16 hex digits that stand for the user, the same for all
	// clients with the same API key; "" if the call is about none.
	UserHash func() string

	// Known at the end only.

	Duration        time.Duration
	Waited          time.Duration // between attempts
	Attempts        int           // requests sent
	RateLimited     int           // of which rate-limited
	StatusCode      int           // of the answer it ended with, 0 if none
	Class           string        // what that means: ok, transient, timeout, …
	ErrorType       string        // "" for success, else the class or what refused: circuit_open, throttled, …
	RequestID       string
	BudgetExhausted bool
	Err             error // nil for any answer
}

// Attempt is one request on the wire.
type Attempt struct {
	Number    int // from 1
	Start     time.Time
	RequestID string
	// Header is what will be sent, without the API key, which is added later.
	// AttemptStart may add to it, such as traceparent.
	Header http.Header
	// Hedge: it is the second request of a pair ([Hedging]). Its hooks run on a
	// goroutine of their own, at the same time as those of the first.
	Hedge bool

	// Known at the end only.

	Duration   time.Duration
	StatusCode int    // 0 if no headers arrived
	Class      string // as in [Operation]
	ErrorType  string // as in [Operation]
	RetryAfter time.Duration
	BodyBytes  int  // of the answer
	Connected  bool // a connection was had,
	Reused     bool // from the pool
	Err        error
	// Superseded: it was cancelled, since the other request of its pair was
	// answered first. That is no failure: ErrorType is "" and Err nil.
	Superseded bool
}

// The kinds of [Event].
const (
	EventRetry           = transport.EventRetry           // repeated after Wait; StatusCode is what it met
	EventRateLimited     = transport.EventRateLimited     // the service said so; Wait is what it asked for
	EventBudgetExhausted = transport.EventBudgetExhausted // the budget refused a retry
	EventThrottleWait    = transport.EventThrottleWait    // Wait passed before a token came
	EventBulkheadWait    = transport.EventBulkheadWait    // Wait passed before a slot came
	EventBreakerWait     = transport.EventBreakerWait     // a patient call waited for the breaker
	EventBreakerChange   = transport.EventBreakerChange   // From, To, Until, Breaker
	EventHedge           = transport.EventHedge           // a second request leaves, Wait after the first
	EventHedgeWon        = transport.EventHedgeWon        // and was answered first, Wait after the first left
)

// Event is something that happens between the attempts of a call.
type Event struct {
	Kind       string
	Wait       time.Duration
	StatusCode int
	Breaker    string    // its name
	From, To   string    // its states: closed, open, half_open, forced_open, forced_closed
	Until      time.Time // when it lets the next probe through
}

// WithHooks adds hooks; given again, it adds more, called after those there.
func WithHooks(h Hooks) Option {
	return func(s *settings) {
		s.hooks = append(s.hooks, h.fitted())
		if h.Cache != nil {
			s.cacheHooks = append(s.cacheHooks, h.Cache)
		}
	}
}

// WithLogger writes what happens to logger: api_request (debug), api_response
// (info), api_error (warn) for each attempt and each refusal, and api_event for
// retries and waits (debug), the breaker and an empty budget (warn). Attributes
// are op, method, route (the template), status_code, duration_ms, attempt,
// request_id, error_type and user_hash. Neither the API key nor a user id nor any part
// of a body is written. Nil writes nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) {
		if logger != nil {
			s.hooks = append(s.hooks, transport.LogHooks(logger))
		}
	}
}

// fitted are the hooks as the pipeline calls them: the structs are the same.
func (h Hooks) fitted() (t transport.Hooks) {
	if f := h.OperationStart; f != nil {
		t.OperationStart = func(ctx context.Context, op *transport.Operation) context.Context { return f(ctx, (*Operation)(op)) }
	}
	if f := h.OperationEnd; f != nil {
		t.OperationEnd = func(ctx context.Context, op *transport.Operation) { f(ctx, (*Operation)(op)) }
	}
	if f := h.AttemptStart; f != nil {
		t.AttemptStart = func(ctx context.Context, op *transport.Operation, a *transport.Attempt) context.Context {
			return f(ctx, (*Operation)(op), (*Attempt)(a))
		}
	}
	if f := h.AttemptEnd; f != nil {
		t.AttemptEnd = func(ctx context.Context, op *transport.Operation, a *transport.Attempt) {
			f(ctx, (*Operation)(op), (*Attempt)(a))
		}
	}
	if f := h.Event; f != nil {
		t.Event = func(ctx context.Context, op *transport.Operation, e transport.Event) {
			f(ctx, (*Operation)(op), Event(e))
		}
	}
	return t
}
