package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// operation names what is called: its name in the contract, its route, which
// stands in errors in place of the URL, and what it shares its timeout with, and its
// breaker if there are several.
type operation struct {
	name, route string
	kind        transport.Kind
}

var (
	opCreateUser        = operation{"createUser", "/ai/v1/users", transport.KindCreate}
	opGetUser           = operation{"getUser", "/ai/v1/users/{user_id}", transport.KindGet}
	opDeleteUser        = operation{"deleteUser", "/ai/v1/users/{user_id}", transport.KindDelete}
	opGetSession        = operation{"getSession", "/data/v3/sessions/{session_id}", transport.KindGet}
	opListSessions      = operation{"listSessions", "/data/v1/sessions", transport.KindList}
	opDeleteSession     = operation{"deleteSession", "/ai/v1/sessions/{session_id}", transport.KindDelete}
	opDeleteAllSessions = operation{"deleteAllSessions", "/ai/v1/sessions", transport.KindDelete}
	opAverageStats      = operation{"getAverageStats", "/data/v1/users/{user_id}/average-stats", transport.KindGet}
	opPing              = operation{"ping", "/ai/v1/users/{user_id}", transport.KindPing}
	opDo                = operation{"do", "(custom)", transport.KindOther}
)

// cacheable reports whether answers of the operation may be kept.
func (o operation) cacheable() bool {
	switch o {
	case opGetSession, opListSessions, opAverageStats, opFetchSessions:
		return true
	}
	return false
}

// call is one call of a method: what it is about, its options, and what is wrong
// with its arguments. It may send several requests one after the other.
type call struct {
	client *Client
	operation
	userID   string // kept out of errors
	settings callSettings
	zone     *string   // the timezone header, nil for none
	held     *Response // what the caller holds of the same request
	problems []error
}

// newCall begins a call with the checks that all calls share.
func (c *Client) newCall(op operation, opts []CallOption) *call {
	k := &call{client: c, operation: op}
	k.settings.apply(opts)
	k.checkSettings()
	return k
}

func (k *call) problem(parameter, format string, args ...any) {
	k.problems = append(k.problems, &ParameterError{Parameter: parameter, Problem: fmt.Sprintf(format, args...)})
}

// checkUser notes what is wrong with a user id.
func (k *call) checkUser(id string) {
	k.userID = id
	if problem := checkID(id); problem != "" {
		k.problem("user id", "%s", problem)
	}
}

// checkSession notes what is wrong with a session id.
func (k *call) checkSession(id string) {
	if problem := checkID(id); problem != "" {
		k.problem("session id", "%s", problem)
	}
}

func (k *call) checkSettings() {
	s := &k.settings
	if s.zone == "" {
		s.zone = k.client.zone // judged by New
	} else if problem := k.client.zones.check(s.zone); problem != "" {
		k.problem("timezone", "%s", problem)
	}
	if s.zone != "" {
		k.zone = &s.zone
	}
	switch {
	case s.cacheOnly && s.skipCache:
		k.problem("CacheOnly", "beside SkipCache: leave one of them out")
	case s.cacheOnly && !k.cacheable():
		k.problem("CacheOnly", "answers of this call are never kept: leave the option out")
	}
	if s.overall != nil && *s.overall <= 0 {
		k.problem("timeout", "is %v: give a positive duration", *s.overall)
	}
	if s.attempt != nil && *s.attempt <= 0 {
		k.problem("attempt timeout", "is %v: give a positive duration", *s.attempt)
	}
	if s.attempts != nil && *s.attempts < 1 {
		k.problem("attempts", "is %d: give 1 or more", *s.attempts)
	}
	if s.requestID != nil {
		problem := visibleASCII(*s.requestID, false)
		if n := len(*s.requestID); problem == "" && (n == 0 || n > 128) {
			problem = fmt.Sprintf("has %d bytes", n)
		}
		if problem != "" {
			k.problem("request id", "%s: give 1 to 128 visible ASCII characters", problem)
		}
	}
}

// refusal is the error of a call that is wrong, nil if nothing is.
func (k *call) refusal() error {
	if len(k.problems) == 0 {
		return nil
	}
	k.capture(nil)
	return &Error{Op: k.name, Layer: LayerRequest, Err: errors.Join(k.problems...)}
}

// bounded returns the context of the call with its overall deadline.
func (k *call) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := k.overall()
	if limit <= 0 {
		return ctx, func() {}
	}
	cause := &k.client.overall
	if limit != cause.after {
		cause = &overallTimeout{after: limit}
	}
	return transport.WithTimeout(ctx, limit, cause)
}

// overall is how long the call may take, 0 if nothing bounds it.
func (k *call) overall() time.Duration {
	switch s := &k.settings; {
	case s.overall != nil:
		return *s.overall
	case s.batch:
		return 0
	}
	return k.client.overall.after
}

// builder makes the request of a call; it runs once all arguments are checked. The
// request gets ctx whether the builder has given it or not.
type builder func(ctx context.Context) (*http.Request, error)

// send makes a call of one request: checks, deadline, exchange.
func (k *call) send(ctx context.Context, build builder) (*answer, error) {
	if err := k.refusal(); err != nil {
		return nil, err
	}
	ctx, cancel := k.bounded(ctx)
	defer cancel()
	return k.exchange(ctx, build)
}

// answer is a success of the service.
type answer struct {
	call *call
	wire transport.Call
	*http.Response
	body []byte

	id          identity // of the request, if it can be asked about
	notModified bool     // it was held, and the service said 304
	own304      bool     // a 304 that the caller has asked for
}

// acceptJSON is shared: nobody writes into the values of a request's header.
var acceptJSON = []string{"application/json"}

// accept asks for JSON where nothing else is asked for.
func accept(h http.Header) {
	if field(h, "Accept") == "" {
		h["Accept"] = acceptJSON
	}
}

// exchange sends one request through the pipeline and returns the answer if it is
// a success.
func (k *call) exchange(ctx context.Context, build builder) (*answer, error) {
	k.capture(nil)
	a := &answer{call: k, wire: transport.Call{Op: k.name, Route: k.route, Kind: k.kind, User: k.userID}}
	wire := &a.wire
	k.limit(wire)
	ctx = transport.WithCall(ctx, wire)
	req, err := build(ctx)
	if err != nil { // the arguments were checked: this is a builder's own complaint
		k.problem("request", "%v", k.client.redactor.err(err, k.userID))
		return nil, k.refusal()
	}
	if req.Context() != ctx {
		req = req.WithContext(ctx)
	}
	accept(req.Header)
	if id := k.settings.requestID; id != nil {
		req.Header.Set("X-Request-Id", *id)
	}
	condition := k.condition(req)
	if err := k.refusal(); err != nil {
		return nil, err
	}
	resp, err := k.client.doer.Do(req) //nolint:bodyclose // it is in memory
	if err != nil {
		return nil, k.unanswered(wire, err)
	}
	a.Response = resp
	if a.body, err = transport.BodyBytes(resp); err != nil {
		return nil, k.unanswered(wire, err)
	}
	err = condition.settle(a)
	k.capture(a)
	switch {
	case err != nil:
		return nil, a.undecodable(err)
	case a.StatusCode/100 != 2 && !a.own304:
		return nil, a.refused()
	}
	return a, nil
}

// limit hands the options of the call to the pipeline.
func (k *call) limit(wire *transport.Call) {
	if n := k.settings.attempts; n != nil {
		wire.Limits.Attempts = *n
	}
	if d := k.settings.attempt; d != nil {
		wire.Limits.AttemptTimeout = *d
	}
	wire.Limits.Patient = k.settings.batch || k.settings.patient
	if k.settings.batch {
		wire.Lane = transport.Batch
	}
}

// capture hands the answer to the caller that asked for it; nil clears what an
// earlier one left.
func (k *call) capture(a *answer) {
	into := k.settings.raw
	if into == nil {
		return
	}
	*into = Response{}
	if a != nil {
		// A copy: the body itself is shared by what is decoded from it.
		*into = Response{StatusCode: a.StatusCode, Header: a.Header.Clone(), Body: bytes.Clone(a.body), NotModified: a.notModified}
	}
}

// overallTimeout is the cause of a context that ended by the call's own deadline.
type overallTimeout struct{ after time.Duration }

func (e *overallTimeout) Error() string { return fmt.Sprintf("call timed out after %v", e.after) }

// Is matches the sentinels of a timeout.
func (e *overallTimeout) Is(target error) bool {
	return target == ErrOverallTimeout || target == ErrTimeout || target == context.DeadlineExceeded
}

// Timeout implements [net.Error]'s question.
func (e *overallTimeout) Timeout() bool { return true }
