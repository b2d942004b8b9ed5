package transport

import (
	"context"
	"net/http"
	"time"
)

// Hooks are functions called as a call proceeds; any may be nil. They run on the
// goroutine of the call (those of a [Hedge]'s second request on its own), never under a
// lock, and the call waits for them: be quick. A hook that panics is stopped and counted
// ([Stats].HookPanics), the call goes on. Without hooks nothing is measured and nothing
// allocated.
//
// The [Operation] and the [Attempt] handed out belong to the call and are
// reused by it: copy what is to outlive the hook. Only Attempt.Header may be
// written to.
type Hooks struct {
	// OperationStart and OperationEnd frame a call with all its attempts and
	// waits; every start has its end, also if the call panics. The context
	// returned by the start replaces the call's if it derives from the one
	// given; nil leaves it.
	OperationStart func(ctx context.Context, op *Operation) context.Context
	OperationEnd   func(ctx context.Context, op *Operation)
	// AttemptStart and AttemptEnd frame one request on the wire. The context
	// returned by the start is the request's, as above.
	AttemptStart func(ctx context.Context, op *Operation, a *Attempt) context.Context
	AttemptEnd   func(ctx context.Context, op *Operation, a *Attempt)
	// Event is told what happens in between. op is nil for events that belong
	// to no call: a breaker that somebody switched.
	Event func(ctx context.Context, op *Operation, e Event)
}

// Operation is one call.
type Operation struct {
	Op      string // such as "getSession"
	Route   string // template, such as "/data/v3/sessions/{session_id}"
	Method  string
	Kind    string // see [Kind]
	Lane    string // see [Lane]
	Patient bool
	Start   time.Time
	// UserHash returns 16 hex digits that stand for the user, the same for all
	// clients with the same API key; "" if the call is about none. It costs
	// about a microsecond.
	UserHash func() string

	// Known at the end only.

	Duration        time.Duration
	Waited          time.Duration // between attempts
	Attempts        int           // requests sent
	RateLimited     int           // of which rate-limited
	StatusCode      int           // of the answer the call ended with, 0 if none
	Class           string        // see [Class]; "panic" if the call panicked
	ErrorType       string        // "" for success, otherwise the class or what refused: see [ErrorType]
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
	// Hedge: it is the second request of a pair ([Hedge]). Its hooks run on a
	// goroutine of their own, at the same time as those of the first.
	Hedge bool

	// Known at the end only.

	Duration   time.Duration
	StatusCode int    // 0 if no headers arrived
	Class      string // see [Class]
	ErrorType  string // "" for success
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
	EventRetry           = "retry"            // the call is repeated after Wait; StatusCode is what it met
	EventRateLimited     = "rate_limited"     // the upstream said so; Wait is what it asked for
	EventBudgetExhausted = "budget_exhausted" // the budget refused a retry
	EventThrottleWait    = "throttle_wait"    // Wait passed before a token came
	EventBulkheadWait    = "bulkhead_wait"    // Wait passed before a slot came
	EventBreakerWait     = "breaker_wait"     // a patient call waited for the breaker
	EventBreakerChange   = "breaker_change"   // From, To, Until, Breaker
	EventHedge           = "hedge"            // a second request leaves, Wait after the first
	EventHedgeWon        = "hedge_won"        // and was answered first, Wait after the first left
)

// Event is something that happens between the attempts of a call.
type Event struct {
	Kind       string
	Wait       time.Duration
	StatusCode int
	Breaker    string    // its name
	From, To   string    // its states
	Until      time.Time // when it lets the next probe through
}

// shortWait is what is not worth an event.
const shortWait = time.Millisecond

// hookSet is all hooks of a pipeline.
type hookSet struct {
	list   []Hooks
	key    Key // for the users' hashes
	panics counter
}

func (s *hookSet) empty() bool { return len(s.list) == 0 }

// hooked is a call with hooks: the one allocation they share.
type hooked struct {
	set *hookSet
	op  Operation
	att Attempt

	of    *Operation // of a second request: the call's
	hedge bool
}

// operation is what the hooks are told of.
func (h *hooked) operation() *Operation {
	if h.of != nil {
		return h.of
	}
	return &h.op
}

// run runs a hook and keeps its panic from the call.
func (s *hookSet) run(hook func()) {
	defer func() {
		if recover() != nil {
			s.panics.Add(1)
		}
	}()
	hook()
}

// enter runs a hook that may replace the context.
func (s *hookSet) enter(ctx *context.Context, hook func(context.Context) context.Context) {
	s.run(func() {
		if next := hook(*ctx); next != nil && CallFrom(next) == CallFrom(*ctx) {
			*ctx = next //nolint:fatcontext // hooks wrap it one after the other
		}
	})
}

// event tells the hooks; op may be nil.
func (s *hookSet) event(ctx context.Context, op *Operation, e Event) {
	for i := range s.list {
		if hook := s.list[i].Event; hook != nil {
			s.run(func() { hook(ctx, op, e) })
		}
	}
}

// begin starts the observation of a call.
func (s *hookSet) begin(ctx context.Context, call *Call, method string) context.Context {
	h := &hooked{set: s, op: Operation{
		Op: call.Op, Route: call.Route, Method: method, Kind: call.Kind.String(), Lane: call.Lane.String(),
		Patient: call.Limits.Patient, Start: time.Now(),
	}}
	h.op.UserHash = func() string { return hashUser(s.key, call.User) }
	call.state.hooked = h
	for i := range s.list {
		if hook := s.list[i].OperationStart; hook != nil {
			s.enter(&ctx, func(ctx context.Context) context.Context { return hook(ctx, &h.op) })
		}
	}
	return ctx
}

// end finishes it; done is false if the call panicked.
func (s *hookSet) end(ctx context.Context, call *Call, resp *http.Response, err error, done bool) {
	h := call.state.hooked
	op := &h.op
	op.Duration = time.Since(op.Start)
	op.Waited, op.Attempts, op.RateLimited = call.Waited, call.Attempts, call.RateLimited
	op.RequestID, op.BudgetExhausted, op.Err = call.RequestID, call.BudgetExhausted, scrub(err, s.key, call.User)
	op.Class, op.ErrorType = call.Outcome.Class.String(), ErrorType(call.Outcome, err)
	if resp != nil {
		op.StatusCode = resp.StatusCode
	}
	if !done {
		op.Class, op.ErrorType = classPanic, classPanic
	}
	for i := range s.list {
		if hook := s.list[i].OperationEnd; hook != nil {
			s.run(func() { hook(ctx, op) })
		}
	}
	call.state.hooked = nil
}

const classPanic = "panic"

// attemptStart tells of a request that is about to be sent with header.
func (h *hooked) attemptStart(ctx context.Context, number int, id string, header http.Header) context.Context {
	h.att = Attempt{Number: number, Start: time.Now(), RequestID: id, Header: header, Hedge: h.hedge}
	for i := range h.set.list {
		if hook := h.set.list[i].AttemptStart; hook != nil {
			h.set.enter(&ctx, func(ctx context.Context) context.Context { return hook(ctx, h.operation(), &h.att) })
		}
	}
	return ctx
}

// attemptEnd tells what came of it.
func (h *hooked) attemptEnd(ctx context.Context, o Outcome, size int, w *wire, err error, done bool) {
	a := &h.att
	a.Duration = time.Since(a.Start)
	a.StatusCode, a.Class, a.ErrorType = o.Status, o.Class.String(), ErrorType(o, err)
	a.RetryAfter, a.BodyBytes, a.Err = o.RetryAfter, size, err
	a.Connected, a.Reused = w.got.Load(), w.reused.Load()
	if a.Superseded = superseded(ctx, o); a.Superseded {
		a.ErrorType, a.Err = "", nil
	}
	if !done {
		a.Class, a.ErrorType = classPanic, classPanic
	}
	for i := range h.set.list {
		if hook := h.set.list[i].AttemptEnd; hook != nil {
			h.set.run(func() { hook(ctx, h.operation(), a) })
		}
	}
}

// observed reports whether anybody listens to the call.
func (c *Call) observed() bool { return c.state.hooked != nil }

// emit tells the hooks of the call, if there are any.
func (c *Call) emit(ctx context.Context, e Event) {
	if h := c.state.hooked; h != nil {
		h.set.event(ctx, h.operation(), e)
	}
}

// waited tells of a wait that began at start, which is zero if nobody listens, and
// returns the start of the next.
func (c *Call) waited(ctx context.Context, kind string, start time.Time) time.Time {
	if start.IsZero() {
		return start
	}
	if waited := time.Since(start); waited >= shortWait {
		c.emit(ctx, Event{Kind: kind, Wait: waited})
	}
	return time.Now()
}

// watch is the start of a wait, zero if nobody listens.
func (c *Call) watch() time.Time {
	if !c.observed() {
		return time.Time{}
	}
	return time.Now()
}
