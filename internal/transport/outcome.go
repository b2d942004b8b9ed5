package transport

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Class is what an attempt's result means to the pipeline.
type Class uint8

// The classes. "Answer" classes come with a status.
const (
	ClassNone          Class = iota // nothing happened yet
	ClassOK                         // answer 1xx, 2xx, 304
	ClassRedirect                   // answer 3xx; never followed
	ClassRateLimited                // answer 429, or 403 that says "rate limit": come back later
	ClassQuotaExceeded              // answer 403 that says "quota"
	ClassPlanExpired                // answer 403 that says "plan"
	ClassForbidden                  // any other 403
	ClassTerminal                   // any other 4xx, and 501, 505, 511
	ClassTransient                  // answer 408 or any other 5xx
	ClassTransport                  // no complete answer: dial, TLS, reset, truncated body
	ClassTimeout                    // no complete answer within the attempt's timeout
	ClassTooLarge                   // the answer's body is over the limit
	ClassCanceled                   // the caller's context ended: says nothing about the upstream
	ClassRefused                    // a policy refused before anything was sent
)

var classNames = [...]string{
	"none", "ok", "redirect", "rate_limited", "quota_exceeded", "plan_expired", "forbidden", "terminal",
	"transient", "transport", "timeout", "too_large", "canceled", "refused",
}

// String returns a short stable name, fit for a metric label.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// Outcome is the verdict on one attempt.
type Outcome struct {
	Class  Class
	Status int // HTTP status, 0 if no headers arrived

	// RetryAfter is the wait the upstream asked for, 0 if it asked for none
	// (or for none any more). Absurdly long values saturate instead of wrapping.
	RetryAfter time.Duration

	// Sent is false only with proof that no byte of the request can have
	// reached the upstream.
	Sent bool
	// Cut: the body of an error answer was over the limit and only its
	// beginning was kept.
	Cut bool
	// Permanent: repeating cannot help although the class is ClassTransport
	// (the upstream's certificate was refused, plain HTTP on an https port).
	Permanent bool
}

// Failure reports whether the outcome speaks against the upstream's health:
// what a circuit breaker counts. Rate limits, other 4xx and the caller's own
// cancellation do not.
func (o Outcome) Failure() bool {
	return o.Class == ClassTransient || o.Class == ClassTransport || o.Class == ClassTimeout
}

// ambiguous reports whether the request may have been processed although the
// call cannot know the result.
func (o Outcome) ambiguous() bool {
	if !o.Sent {
		return false
	}
	switch o.Class {
	case ClassTransient, ClassTransport, ClassTimeout, ClassTooLarge, ClassCanceled:
		return true
	default:
		return false
	}
}

// OutcomeOf returns the verdict on the attempt whose RoundTrip returned resp and
// err. It is how a [Policy] learns what its attempt came to; it is stateless and
// safe for concurrent use. An error that the attempt did not make is another
// policy's refusal: ClassRefused, or ClassCanceled for a context's end.
func OutcomeOf(resp *http.Response, err error) Outcome {
	if err != nil {
		if ae, ok := errors.AsType[*AttemptError](err); ok {
			return ae.Outcome
		}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return Outcome{Class: ClassCanceled}
		}
		return Outcome{Class: ClassRefused}
	}
	if resp == nil {
		return Outcome{}
	}
	if b, ok := resp.Body.(*Body); ok {
		return b.outcome
	}
	// A policy answered by itself or replaced the body.
	return Outcome{
		Class: Classify(resp.StatusCode, nil), Status: resp.StatusCode,
		RetryAfter: retryAfterOf(resp.StatusCode, resp.Header), Sent: true,
	}
}
