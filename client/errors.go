package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// What a failed call comes to, for errors.Is. Contract sections 1 and 4 say
// which answers these are made of.
var (
	// ErrInvalid: the call or the configuration is wrong. Either it was refused
	// before anything was sent ([LayerRequest]) or by the service (400, 422 and
	// the other 4xx that have no sentinel of their own). Repeating does not help.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthorized: 401, the API key is refused.
	ErrUnauthorized = errors.New("the API key is refused")
	// ErrUserIDInvalid: 401 that speaks of the user id. The key is good; the
	// service knows no such user. It does not match ErrUnauthorized.
	ErrUserIDInvalid = errors.New("the user id is invalid")
	// ErrForbidden: a 403 that is neither quota nor plan nor rate limit.
	ErrForbidden = errors.New("forbidden")
	// ErrPlanExpired: 403, the subscription is over. Nothing will work before it is renewed.
	ErrPlanExpired = errors.New("the plan is over")
	// ErrQuotaExceeded: 403, the total is used up. Nothing will work before it is raised.
	ErrQuotaExceeded = errors.New("the quota is used up")
	// ErrRateLimited: 429, or 403 that says rate limit, and the wait it asked
	// for was too long for the call. See [Error].RetryAfter.
	ErrRateLimited = errors.New("rate limited")
	// ErrNotFound: 404 or 410.
	ErrNotFound = errors.New("not found")
	// ErrConflict: 409.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: 408, 5xx, or no complete answer at all: the service, or
	// the way to it, is down.
	ErrUnavailable = errors.New("service unavailable")
	// ErrRedirected: 3xx. Redirects are not followed, for the key must not
	// travel to another host: the base URL is probably wrong.
	ErrRedirected = errors.New("redirected, which is not followed: check the base URL")
	// ErrDecode: a success whose body is not what was asked for: no JSON, no
	// result, null, or members of the wrong type.
	ErrDecode = errors.New("undecodable answer")
	// ErrTimeout: one of our own timeouts, of an attempt or of the whole call. The end
	// of the caller's context is not one.
	ErrTimeout = errors.New("timed out")
	// ErrOverallTimeout: the call's own overall deadline ([Timeouts].Overall). It
	// also matches ErrTimeout and context.DeadlineExceeded.
	ErrOverallTimeout = errors.New("call timed out")
)

// What the pipeline reports, for errors.Is.
var (
	// ErrAttemptTimeout: the last attempt took longer than [Timeouts].Attempt. It
	// also matches ErrTimeout, ErrUnavailable and context.DeadlineExceeded.
	ErrAttemptTimeout = transport.ErrAttemptTimeout
	// ErrBodyTooLarge: an answer's body is over the limit ([WithMaxBody]).
	ErrBodyTooLarge = transport.ErrBodyTooLarge
	// ErrTruncated: an answer's body ended early, on every attempt. It also
	// matches ErrUnavailable.
	ErrTruncated = transport.ErrTruncated
	// ErrMaybeCreated: a create ended without proof that the service did
	// nothing. It was not sent again.
	ErrMaybeCreated = transport.ErrMaybeCreated
	// ErrCircuitOpen: the breaker refused, as the service is considered down. Nothing
	// was sent. [Error].RetryAfter is the time until the next probe; see also
	// [CircuitOpenError].
	ErrCircuitOpen = transport.ErrCircuitOpen
	// ErrThrottled: the throttle's next token lies past the deadline. Nothing was sent.
	ErrThrottled = transport.ErrThrottled
	// ErrBulkheadFull: too many calls wait already, or this one waited too long
	// ([Bulkhead]). Nothing was sent.
	ErrBulkheadFull = transport.ErrBulkheadFull
	// ErrBudgetExhausted: the retry budget stopped the call, which failed for the
	// reason that is also in the error.
	ErrBudgetExhausted = transport.ErrBudgetExhausted
)

// CircuitOpenError is in the chain of an error that matches [ErrCircuitOpen]. Its
// field Until is when the breaker lets the next probe through: zero if it was
// forced open, not after the present while a probe is under way.
type CircuitOpenError = transport.CircuitOpenError

// Layer names the part of the pipeline that a call failed in.
type Layer string

// The layers, from the caller to the service.
const (
	LayerRequest Layer = "request" // refused before anything was sent
	LayerCaller  Layer = "caller"  // the caller's context ended
	LayerOverall Layer = "overall" // the call's own overall deadline
	LayerLocal   Layer = "local"   // a policy on this side refused: nothing was sent
	LayerAttempt Layer = "attempt" // an attempt's timeout
	LayerNetwork Layer = "network" // no complete answer: dial, TLS, reset, truncated
	LayerService Layer = "service" // the service answered, and not with success
	LayerDecode  Layer = "decode"  // the answer to a success could not be read
)

// Error is a call that failed. Its text and its members hold neither the API
// key nor the user id.
type Error struct {
	// Op is the operation, such as "getSession".
	Op string
	// StatusCode is what the service last answered, 0 if it never did.
	StatusCode int
	// Detail is what the service said, as text of at most 500 bytes.
	Detail string
	// RequestID is the X-Request-ID that was sent; empty if nothing was.
	RequestID string
	// Attempts is the number of requests sent, rate-limited ones included.
	Attempts int
	// RetryAfter is the wait that the service asked for, 0 if none.
	RetryAfter time.Duration
	// Layer is where it failed.
	Layer Layer
	// Body is the beginning of a failure's body, at most 2 KiB, where it had no
	// Detail: the page of a gateway. The body of a success is never quoted.
	Body string
	// Err is the cause; never nil. Of an answer it is the sentinel.
	Err error

	kinds     []error // the sentinels besides those in Err
	retryable bool
}

// Error reads like "asleep: getSession: 404 session does not exist (1 attempt,
// request 4f…)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("asleep: ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	if e.Layer == LayerService || e.Layer == LayerDecode || e.Layer == LayerCache && e.StatusCode != 0 {
		fmt.Fprintf(&b, "%d ", e.StatusCode)
	}
	b.WriteString(e.reason())
	if e.Attempts == 0 {
		return b.String()
	}
	attempts := "attempts"
	if e.Attempts == 1 {
		attempts = "attempt"
	}
	fmt.Fprintf(&b, " (%d %s", e.Attempts, attempts)
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", retry after %v", e.RetryAfter)
	}
	fmt.Fprintf(&b, ", request %s)", e.RequestID)
	return b.String()
}

// reason is what went wrong, on one line.
func (e *Error) reason() string {
	if e.Layer == LayerService {
		switch {
		case e.Detail == "":
			return e.Err.Error()
		case errors.Is(e.Err, ErrUnauthorized): // may be taken for another 401
			return e.Detail + ": " + e.Err.Error()
		}
		return e.Detail
	}
	text := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	if e.Layer == LayerCache && e.Detail != "" {
		text = e.Detail + " (kept from an earlier call)"
	}
	if e.Layer == LayerDecode && e.Detail != "" {
		text += fmt.Sprintf(" (detail %q)", e.Detail)
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinels that the failure comes to.
func (e *Error) Is(target error) bool { return slices.Contains(e.kinds, target) }

// Retryable reports whether the same call, made again later, may succeed and is
// safe to make: rate limits, 408 and most of 5xx, lost answers, answers that are
// no JSON, our own timeouts, refusals on this side. It is false for a create that
// may have been processed, for what only a change of the call, the key or the
// plan can help, and for the end of the caller's context.
func Retryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.retryable
}

// OptionError is one thing wrong with the configuration of a client. It matches
// [ErrInvalid].
type OptionError struct {
	// Option is the option or the environment variable.
	Option string
	// Problem says what is wrong, with the value unless it is secret, and what
	// to do.
	Problem string
}

func (e *OptionError) Error() string { return "asleep: " + e.Option + ": " + e.Problem }

// Unwrap returns [ErrInvalid].
func (e *OptionError) Unwrap() error { return ErrInvalid }

// ParameterError is one thing wrong with a call, found before anything was sent. It
// matches [ErrInvalid].
type ParameterError struct {
	// Parameter is the argument or the option of the call, such as "user id".
	Parameter string
	// Problem says what is wrong and what to do.
	Problem string
}

func (e *ParameterError) Error() string { return e.Parameter + ": " + e.Problem }

// Unwrap returns [ErrInvalid].
func (e *ParameterError) Unwrap() error { return ErrInvalid }

// WindowError is a part of a long period that failed.
type WindowError struct {
	From, To asleep.Date
	Err      error
}

func (e *WindowError) Error() string {
	text := strings.TrimPrefix(e.Err.Error(), "asleep: ")
	return fmt.Sprintf("asleep: window %s to %s: %s", e.From, e.To, text)
}

// Unwrap returns the cause, normally an [*Error].
func (e *WindowError) Unwrap() error { return e.Err }
