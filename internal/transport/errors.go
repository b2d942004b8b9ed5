package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/redact"
)

var (
	// ErrMaybeCreated marks a create whose answer was lost: the upstream may or
	// may not have done it. It was not sent again.
	ErrMaybeCreated = errors.New("the request may have been processed; it was not sent again")
	// ErrBodyTooLarge marks an answer whose body is over the limit.
	ErrBodyTooLarge = errors.New("response body over the limit")
	// ErrTruncated marks an answer whose body ended early or was garbled.
	ErrTruncated = errors.New("response body truncated")
	// ErrAttemptTimeout marks an attempt that took longer than its own timeout.
	// Such an error also matches context.DeadlineExceeded; the caller's own
	// deadline does not match ErrAttemptTimeout.
	ErrAttemptTimeout = errors.New("attempt timed out")
	// ErrForeignHost marks a request for another scheme or host than the
	// configured one. It was not sent: the key and the user's id stay home.
	ErrForeignHost = errors.New("request for another host than the configured one")
)

// AttemptError is an attempt that brought no usable answer. Its text names
// method and route template, never the URL (which holds user ids) and
// never the key.
type AttemptError struct {
	Method string
	Route  string // the call's route template, or the host if the call names none
	Outcome
	Err error
}

func (e *AttemptError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s %s: status %d: %v", e.Method, e.Route, e.Status, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Method, e.Route, e.Err)
}

// Unwrap returns the cause.
func (e *AttemptError) Unwrap() error { return e.Err }

func attemptError(call *Call, req *http.Request, o Outcome, err error) *AttemptError {
	return &AttemptError{Method: methodOf(req), Route: routeOf(call, req), Outcome: o, Err: err}
}

func methodOf(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// timeoutError is an attempt's own timeout.
type timeoutError struct {
	after time.Duration
	phase string
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("attempt timed out after %v (%s)", e.after, e.phase)
}

func (e *timeoutError) Is(target error) bool {
	return target == ErrAttemptTimeout || target == context.DeadlineExceeded
}

// Timeout implements [net.Error]'s question.
func (e *timeoutError) Timeout() bool { return true }

// tooLargeError names the limit that was passed.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("response body over the limit of %d bytes", e.limit)
}

func (e *tooLargeError) Is(target error) bool { return target == ErrBodyTooLarge }

// maybeCreatedError adds ErrMaybeCreated to the error of a create.
type maybeCreatedError struct{ err error }

func (e *maybeCreatedError) Error() string   { return e.err.Error() + "; " + ErrMaybeCreated.Error() }
func (e *maybeCreatedError) Unwrap() []error { return []error{e.err, ErrMaybeCreated} }

// canceledError is the end of the caller's context with the cause the caller
// gave, if any.
type canceledError struct{ err, cause error }

func (e *canceledError) Error() string   { return e.cause.Error() }
func (e *canceledError) Unwrap() []error { return []error{e.cause, e.err} }

// contextError returns why ctx ended; ctx must have ended.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err { //nolint:errorlint // identity is meant: no cause was given
		return err
	}
	return &canceledError{err: err, cause: cause}
}

// ContextError returns why ctx ended, as the errors of this package do; ctx must
// have ended.
func ContextError(ctx context.Context) error { return contextError(ctx) }

// withoutURL strips the *url.Error that net/http puts around errors: its
// text is the full URL.
func withoutURL(err error) error {
	for {
		ue, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = ue.Err
	}
}

// scrubbedError hides a message that holds the key or a user's id. errors.Is and errors.As still
// see what is inside; neither Unwrap nor a formatter does, hence the closure.
type scrubbedError struct {
	text string
	err  func() error
}

func (e *scrubbedError) Error() string        { return e.text }
func (e *scrubbedError) Is(target error) bool { return errors.Is(e.err(), target) }
func (e *scrubbedError) As(target any) bool   { return errors.As(e.err(), target) }

// scrub replaces the key and the user's id in an error's text, should a custom
// transport have put the request's headers or URL into it, or somebody's policy what
// it knows.
func scrub(err error, key Key, user string) error {
	if err == nil || key.IsZero() && user == "" {
		return err
	}
	text := err.Error()
	clean := redact.Text(text, user)
	if !key.IsZero() {
		clean = strings.ReplaceAll(clean, key.value(), redacted)
	}
	if clean == text {
		return err
	}
	return &scrubbedError{text: clean, err: func() error { return err }}
}
