package transport

import (
	"context"
	"errors"
	"net/http"
)

// guard is everything that decides, around each attempt, whether and when it may be
// sent. The order matters:
//
//	breaker's pre-check   an open breaker costs neither slot nor token
//	bulkhead              a slot; waiting for one costs no token
//	throttle              a token, last, as it has to be used at once; or a reservation
//	                      at a limiter that processes share
//	breaker               counts the attempt; may have opened meanwhile
//	attempt
//
// Whatever happens inside (a panic and runtime.Goexit included), what was taken
// is given back.
type guard struct {
	breakers *Breakers
	bulkhead *Bulkhead
	throttle *Throttle
	shared   *Shared
	hedge    *Hedge
	budget   *Budget // of which second requests are paid
	next     http.RoundTripper
}

// newGuard returns next itself if there is nothing to guard it with.
func newGuard(cfg Config, next http.RoundTripper) http.RoundTripper {
	if cfg.Breakers == nil && cfg.Bulkhead == nil && cfg.Throttle == nil && cfg.Shared == nil && cfg.Hedge == nil {
		return next
	}
	return &guard{
		breakers: cfg.Breakers, bulkhead: cfg.Bulkhead, throttle: cfg.Throttle, shared: cfg.Shared,
		hedge: cfg.Hedge, budget: cfg.Budget, next: next,
	}
}

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	if call == nil {
		call = &Call{}
	}
	b := g.breakers.Of(call.Kind)
	for {
		resp, err := g.attempt(b, call, req)
		if err == errAgain { //nolint:errorlint // our own, never wrapped
			continue
		}
		return resp, err
	}
}

// errAgain: a patient call got through the pre-check, but the breaker has opened
// since. Nothing was sent, and it has to wait once more.
var errAgain = errors.New("the breaker has opened meanwhile")

// attempt makes one attempt, or returns the refusal of what stands before it. Each
// thing taken is given back by a defer that stands before the next hook runs.
func (g *guard) attempt(b *Breaker, call *Call, req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	start := call.watch()
	leave, err := b.enter(ctx, call)
	if err != nil {
		return refuse(req, err)
	}
	defer leave.drop()
	start = call.waited(ctx, EventBreakerWait, start)
	slot, err := g.slot(ctx, call.Lane)
	if err != nil {
		return refuse(req, err)
	}
	defer slot.Release()
	start = call.waited(ctx, EventBulkheadWait, start)
	grant, err := g.token(ctx)
	if err != nil {
		return refuse(req, err)
	}
	call.waited(ctx, EventThrottleWait, start)
	permit, err := b.admit(leave)
	switch {
	case err != nil && call.Limits.Patient:
		return nil, errAgain
	case err != nil:
		return refuse(req, err)
	}
	if g.hedge != nil && g.hedge.applies(call, permit, req) {
		return g.sendHedged(b, permit, grant, call, req)
	}
	return g.send(permit, grant, call, req)
}

// slot waits for a slot of the bulkhead. One that is free is taken without asking
// whether the context has ended: whoever comes next, throttle or attempt, asks.
func (g *guard) slot(ctx context.Context, lane Lane) (Slot, error) {
	if slot, ok := g.bulkhead.TryAcquire(lane); ok {
		return slot, nil
	}
	return g.bulkhead.Acquire(ctx, lane)
}

func refuse(req *http.Request, err error) (*http.Response, error) {
	closeBody(req)
	return nil, err
}

// send makes the admitted attempt and reports what came of it.
func (g *guard) send(p permit, grant Grant, call *Call, req *http.Request) (*http.Response, error) {
	verdict := errFailed // of a panic
	defer func() { p.report(verdict) }()
	call.state.probe = p.probe != nil
	resp, err := g.next.RoundTrip(req)
	o := OutcomeOf(resp, err)
	verdict = verdictOf(o)
	switch o.Class {
	case ClassRateLimited:
		g.feedback(grant, Feedback{Limited: true, RetryAfter: o.RetryAfter})
	case ClassOK, ClassRedirect, ClassTerminal, ClassForbidden, ClassQuotaExceeded, ClassPlanExpired, ClassTooLarge:
		g.feedback(grant, Feedback{})
	case ClassNone, ClassTransient, ClassTransport, ClassTimeout, ClassCanceled, ClassRefused: // says nothing of the rate
	}
	return resp, err
}
