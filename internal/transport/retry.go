package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Retry says how often and how patiently a call is repeated. The zero value is
// off: one attempt. With Attempts set, other zero fields take the defaults
// of [DefaultRetry].
type Retry struct {
	// Attempts is the most counted attempts of a call; rate-limit answers are
	// not counted. 0 and 1 mean exactly one request, whatever the answer.
	Attempts int
	// Base is the ceiling of the first wait; it doubles up to Max. Waits are
	// drawn from the whole range below the ceiling (full jitter); after a
	// rate-limit answer from its upper half.
	Base, Max time.Duration
	// RetryAfterMax is the longest Retry-After that is waited out. A longer one
	// ends the call at once with the upstream's answer.
	RetryAfterMax time.Duration
	// Rand draws the jitter from [0, 1); nil means math/rand/v2. It is called
	// from many goroutines.
	Rand func() float64
}

// DefaultRetry is 4 attempts, full jitter from 50 ms to 10 s, Retry-After
// honoured up to 60 s.
func DefaultRetry() Retry {
	return Retry{Attempts: 4, Base: 50 * time.Millisecond, Max: 10 * time.Second, RetryAfterMax: time.Minute}
}

func (r Retry) withDefaults() Retry {
	d := DefaultRetry()
	if r.Base <= 0 {
		r.Base = d.Base
	}
	if r.Max <= 0 {
		r.Max = d.Max
	}
	if r.RetryAfterMax <= 0 {
		r.RetryAfterMax = d.RetryAfterMax
	}
	if r.Rand == nil {
		r.Rand = rand.Float64
	}
	return r
}

// retrier drives go-retryablehttp: the library owns the loop and the rewinding
// of bodies, the rules are all here. Most calls need neither loop nor rewinding:
// the library comes in when there is something to repeat.
type retrier struct {
	policy Retry
	budget *Budget
	top    *stackTop
	engine *retryablehttp.Client
}

func newRetrier(policy Retry, budget *Budget, stack http.RoundTripper) *retrier {
	r := &retrier{policy: policy.withDefaults(), budget: budget, top: &stackTop{next: stack}}
	r.engine = &retryablehttp.Client{
		HTTPClient: &http.Client{
			// stackTop has no CloseIdleConnections: the engine would empty the
			// shared pool at every give-up.
			Transport:     r.top,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:   1 << 30, // check decides
		CheckRetry: r.check,
		// The wait is slept in PrepareRetry, which sees the call's context.
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return 0 },
		PrepareRetry: r.sleep,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return r
}

// RoundTrip makes one call.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	call.begin(req.Method, r.policy.Attempts)
	defer r.unpaid(call)
	if plain(req) {
		resp, err := r.top.RoundTrip(req)
		again, _ := r.check(req.Context(), resp, err)
		if !again {
			return r.ended(call, req, resp, err)
		}
		call.state.resumed = true
	}
	if req.Body != nil {
		body := req.Body
		defer func() { _ = body.Close() }()
		copied := *req // the engine replaces Body in place
		req = &copied
	}
	again, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, attemptError(call, req, Outcome{Class: ClassRefused}, err)
	}
	resp, err := r.engine.Do(again)
	return r.ended(call, req, resp, err)
}

// plain reports whether a request can be sent as it is: http.Client would change
// nothing about it, and there is no body to rewind.
func plain(req *http.Request) bool {
	return (req.Body == nil || req.Body == http.NoBody) && req.Header != nil &&
		req.URL != nil && req.URL.User == nil && req.RequestURI == ""
}

// ended finishes a call.
func (r *retrier) ended(call *Call, req *http.Request, resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, r.failed(call, req, err)
	}
	return r.answered(call, resp), nil
}

// check is asked after every attempt whether to send another one.
func (r *retrier) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	call := CallFrom(ctx)
	s := &call.state
	if s.resumed { // decided already, when the engine was not yet in
		s.resumed = false
		return true, nil
	}
	outcome := OutcomeOf(resp, err)
	if _, own := errors.AsType[*AttemptError](err); err != nil && !own && s.ran {
		outcome.Sent = s.reached.ambiguous() // a policy replaced the attempt's result
	}
	call.Outcome = outcome
	if outcome.Status != 0 {
		call.Answer = outcome
	}
	r.account(call, outcome)
	if outcome.Class == ClassRateLimited {
		call.emit(ctx, Event{Kind: EventRateLimited, Wait: outcome.RetryAfter, StatusCode: outcome.Status})
	}
	if s.attempts <= 1 || !repeatable(s, outcome) || ctx.Err() != nil {
		return false, nil //nolint:nilerr // nil ends the loop with what the attempt itself returned
	}
	wait, ok := r.wait(ctx, s, outcome)
	if !ok {
		return false, nil
	}
	if !r.pay(call, outcome) {
		call.BudgetExhausted = true
		call.emit(ctx, Event{Kind: EventBudgetExhausted, StatusCode: outcome.Status})
		return false, nil
	}
	s.wait, s.waiting = wait, true
	s.ambiguous = s.ambiguous || outcome.ambiguous()
	call.emit(ctx, Event{Kind: EventRetry, Wait: wait, StatusCode: outcome.Status})
	return true, nil
}

// account counts the attempt and settles what it cost.
func (r *retrier) account(call *Call, o Outcome) {
	s := &call.state
	free := s.probe && call.Limits.Patient && o.Failure()
	switch {
	case o.Class == ClassRateLimited:
		call.RateLimited++
		s.limited++
	case free:
		s.limited = 0
	default:
		s.limited = 0
		s.tries++
	}
	if s.paid {
		s.paid = false
		if !o.Failure() && o.Class != ClassCanceled {
			r.budget.refund()
		}
	} else if o.Class == ClassOK && s.tries == 1 {
		r.budget.credit()
	}
}

// pay takes the token of the retry that follows o.
func (r *retrier) pay(call *Call, o Outcome) bool {
	if o.Class == ClassRateLimited || call.state.probe && call.Limits.Patient {
		return true
	}
	call.state.paid = r.budget.take()
	return call.state.paid
}

// unpaid returns the token of a retry that was not made, or not finished, after
// all: the context ended in the wait, or something panicked.
func (r *retrier) unpaid(call *Call) {
	if call.state.paid {
		call.state.paid = false
		r.budget.refund()
	}
}

// repeatable applies the retry rules, deadlines aside.
func repeatable(s *callState, o Outcome) bool {
	switch o.Class {
	case ClassRateLimited:
		return true // refused before work, for any method
	case ClassTransient, ClassTransport, ClassTimeout:
		if s.tries >= s.attempts || o.Permanent {
			return false
		}
		return s.safety != Create || !o.Sent
	default:
		return false
	}
}

// wait returns how long to wait before the next attempt; ok is false if the wait
// asked for is over the cap or would not end before the call's deadline.
func (r *retrier) wait(ctx context.Context, s *callState, o Outcome) (wait time.Duration, ok bool) {
	left := forever
	if deadline, has := ctx.Deadline(); has {
		left = time.Until(deadline)
	}
	if o.RetryAfter > r.policy.RetryAfterMax {
		return 0, false
	}
	if o.RetryAfter == 0 {
		wait = r.backoff(s)
		return wait, wait < left
	}
	if o.RetryAfter >= left {
		return 0, false
	}
	// Never earlier than asked; a little later, so that callers who were told
	// the same do not return in lockstep.
	spread := min(r.ceiling(max(s.limited, s.tries)), max(o.RetryAfter/10, r.policy.Base), left-o.RetryAfter-1)
	return o.RetryAfter + r.draw(0, spread), true
}

// backoff draws the next wait of our own.
func (r *retrier) backoff(s *callState) time.Duration {
	if s.limited > 0 {
		ceiling := r.ceiling(s.limited)
		return r.draw(ceiling/2, ceiling)
	}
	return r.draw(0, r.ceiling(s.tries))
}

func (r *retrier) draw(low, high time.Duration) time.Duration {
	return low + time.Duration(r.policy.Rand()*float64(high-low))
}

// ceiling is Base doubled n-1 times, at most Max.
func (r *retrier) ceiling(n int) time.Duration {
	c := r.policy.Base
	for ; n > 1; n-- {
		if c > r.policy.Max/2 { // also keeps the doubling from overflowing
			return r.policy.Max
		}
		c *= 2
	}
	return min(c, r.policy.Max)
}

// sleep waits between attempts, on the call's context.
func (r *retrier) sleep(req *http.Request) error {
	ctx := req.Context()
	call := CallFrom(ctx)
	start := time.Now()
	defer func() { call.Waited += time.Since(start) }()
	timer := time.NewTimer(call.state.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed finishes a call that has no answer.
func (r *retrier) failed(call *Call, req *http.Request, err error) error {
	err = withoutURL(err)
	if call.state.waiting { // the context ended between two attempts
		call.Outcome = Outcome{Class: ClassCanceled}
		err = attemptError(call, req, call.Outcome, contextError(req.Context()))
	}
	if call.BudgetExhausted {
		err = &budgetError{err: err}
	}
	if o := call.Outcome; call.state.safety == Create && (o.ambiguous() || o.Class == ClassRefused && o.Sent) {
		call.MaybeCreated = true
		return &maybeCreatedError{err: err}
	}
	return err
}

// answered finishes a call that has an answer.
func (r *retrier) answered(call *Call, resp *http.Response) *http.Response {
	if call.state.location != nil {
		resp.Header["Location"] = call.state.location
	}
	safety := call.state.safety
	if safety == Create {
		call.MaybeCreated = call.Outcome.ambiguous()
	}
	if safety == Delete && resp.StatusCode == http.StatusNotFound && call.state.ambiguous {
		call.AlreadyGone = true
		call.Outcome = Outcome{Class: ClassOK, Status: http.StatusNoContent, Sent: true}
		resp = noContent(resp, call.Outcome)
	}
	return resp
}

// noContent makes a 204 of another answer.
func noContent(resp *http.Response, o Outcome) *http.Response {
	gone := *resp
	gone.StatusCode, gone.Status = http.StatusNoContent, "204 No Content"
	gone.Header = resp.Header.Clone()
	gone.Header.Del("Content-Type")
	gone.Header.Del("Content-Length")
	gone.ContentLength = 0
	gone.Body = new(Body).fill(nil, o)
	return &gone
}

// stackTop is what makes an attempt, for the engine's http.Client too.
type stackTop struct{ next http.RoundTripper }

// errResumed is what the engine gets for the first attempt if it was made without it.
var errResumed = errors.New("to be repeated")

// RoundTrip hides Location from http.Client, which would otherwise judge (and on
// a malformed one, replace) an answer that is not to be followed.
func (t *stackTop) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	if call.state.resumed {
		return nil, errResumed
	}
	call.state.ran, call.state.waiting, call.state.probe, call.state.location = false, false, false, nil
	resp, err := t.next.RoundTrip(req)
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if err != nil {
		return nil, err
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	if location, ok := resp.Header["Location"]; ok && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		call.state.location = location
		delete(resp.Header, "Location")
	}
	return resp, nil
}
