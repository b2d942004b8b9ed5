package transport

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Safety says what a second sending of the same call could do.
type Safety uint8

// The kinds of call.
const (
	// ByMethod derives the safety: GET, HEAD, OPTIONS and PUT are Idempotent,
	// DELETE is Delete, everything else is Create.
	ByMethod Safety = iota
	// Idempotent calls can be repeated freely.
	Idempotent
	// Delete calls can be repeated; a 404 after an ambiguous failure means
	// that an earlier attempt had worked.
	Delete
	// Create calls are never repeated once they may have been processed: the
	// upstream documents no idempotency key, so a repeat makes a second user.
	Create
)

// Limits override the [Config] for one call. Zero fields leave it as it is.
type Limits struct {
	// Attempts is the number of counted attempts; 1 sends exactly one request,
	// whatever the answer.
	Attempts int
	// AttemptTimeout bounds each attempt, headers and body together.
	AttemptTimeout time.Duration
	// MaxBody bounds the answer's body, in bytes after decompression.
	MaxBody int64
	// Patient makes the call wait within its deadline for a [Breaker] that is
	// open, where it would be refused at once. Its failed half-open probes are
	// neither counted nor paid from the budget: the breaker paces them.
	Patient bool
}

// Kind groups operations that share a timeout and, if wanted, a breaker.
type Kind uint8

// The kinds of operation.
const (
	KindOther Kind = iota
	KindGet
	KindList
	KindDelete
	KindCreate
	KindPing
	kinds
)

var kindNames = [kinds]string{"other", "get", "list", "delete", "create", "ping"}

// String returns a short stable name, fit for a metric label.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "unknown"
}

// Call describes one call and collects what happened to it. The client fills
// the first fields, puts it into the request's context with [WithCall] and
// reads the embedded Result after [Doer.Do] has returned. A Call serves one Do;
// it must not be read or shared while that runs. A request without a Call gets
// a private one.
type Call struct {
	Op     string // operation name, such as "getSession"
	Route  string // route template, such as "/data/v3/sessions/{session_id}"; used in errors instead of the URL
	Kind   Kind
	Lane   Lane // of the bulkhead
	Safety Safety
	Limits Limits
	// User is the id of the user that the call is about, empty if none. It
	// leaves the pipeline as a hash only ([Operation].UserHash).
	User string

	Result

	state callState
}

// Result is what happened to a call.
type Result struct {
	// Attempts is the number of requests handed to the wire. (net/http repeats
	// a GET once by itself if a pooled connection turns out to be dead; that is
	// not seen here. It does not do so for other methods unless nothing was
	// written.)
	Attempts int
	// RateLimited is how many of them were answered by a rate limit. The rest
	// counted against the limit.
	RateLimited int

	// Outcome is the verdict the call ended with.
	Outcome Outcome
	// Answer is the last verdict that came with a status: what the upstream
	// last said, also when the call then ended without an answer. Zero if
	// it never answered.
	Answer Outcome

	RequestID string        // the X-Request-ID sent, the same on all attempts of the call
	Waited    time.Duration // total time spent waiting between attempts

	// MaybeCreated: a Create ended without proof that the upstream did
	// nothing (lost answer, 408, 5xx). An error returned then also matches
	// ErrMaybeCreated; an answer is returned as it came.
	MaybeCreated bool
	// BudgetExhausted: the retry budget stopped the call, which ended with what
	// the upstream had said. An error returned then also matches
	// ErrBudgetExhausted.
	BudgetExhausted bool
	// AlreadyGone: a Delete met 404 after an earlier attempt had failed
	// ambiguously; the response returned is a 204 made from it.
	AlreadyGone bool
}

// callState is what the retry loop remembers between attempts.
type callState struct {
	safety    Safety // resolved
	attempts  int    // resolved limit of counted attempts
	tries     int    // counted attempts so far
	limited   int    // rate-limit answers in a row
	wait      time.Duration
	waiting   bool    // between two attempts
	resumed   bool    // the engine takes over after the first attempt
	ambiguous bool    // an earlier attempt may have been processed
	reached   Outcome // the attempt layer's own verdict on the current attempt
	ran       bool    // the attempt layer was reached in the current attempt
	location  []string

	paid   bool   // the attempt under way, or to come, holds a token of the budget
	probe  bool   // the attempt was a half-open probe of the breaker
	place  uint64 // the call's place among those waiting for the breaker, 0 = none yet
	hooked *hooked
}

// Format implements [fmt.Formatter]: no verb shows the user's id.
func (c *Call) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "transport.Call{%s %s %+v}", c.Op, c.Route, c.Result)
}

type callKey struct{}

// callContext is a context that carries a call.
type callContext struct {
	context.Context

	call *Call
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// WithCall returns a context that carries call.
func WithCall(ctx context.Context, call *Call) context.Context {
	return &callContext{Context: ctx, call: call}
}

// CallFrom returns the Call of a context, nil if it has none. Policies use it
// for the route, the limits and the number of the attempt (Attempts is 0 before
// the first one is sent).
func CallFrom(ctx context.Context) *Call {
	if c, ok := ctx.(*callContext); ok {
		return c.call
	}
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

// begin resets what an earlier use left and resolves defaults.
func (c *Call) begin(method string, attempts int) {
	c.Result = Result{}
	c.state = callState{safety: c.Safety, attempts: attempts, hooked: c.state.hooked}
	if c.Limits.Attempts > 0 {
		c.state.attempts = c.Limits.Attempts
	}
	if c.state.safety == ByMethod {
		c.state.safety = safetyOf(method)
	}
}

func safetyOf(method string) Safety {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut:
		return Idempotent
	case http.MethodDelete:
		return Delete
	}
	return Create
}
