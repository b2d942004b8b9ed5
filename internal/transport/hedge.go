package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// Hedge makes a slow read a second time, while the first request is still under way,
// and takes whichever answer comes first. It cuts the tail that single slow
// requests make; it does nothing for an upstream that is slow as a whole, and is
// built to add next to nothing to the load of one:
//
//   - a second request leaves at a quantile of the latencies seen, so that few do;
//   - it is paid from the upper half of the [Budget] and brings nothing back, so
//     that an upstream that slows down is not asked twice for long, and retries
//     keep the lower half;
//   - it takes a slot and a token of its own, and only if both are there at once;
//   - it is made for GET of interactive calls that may be repeated at all, while the
//     [Breaker] is closed, and never of a probe.
//
// The request that loses is cancelled and counts as neither success nor failure. The
// call waits until it has ended, so that nothing outlives the call: the base's
// RoundTripper has to heed its context.
//
// All methods are safe for concurrent use; a nil *Hedge is off.
type Hedge struct {
	cfg    HedgeConfig
	seen   [kinds]latencies
	sent   counter
	won    counter
	denied counter
}

// NewHedge returns a hedge, nil if cfg.Quantile is 0, or an error that names every bad
// field.
func NewHedge(cfg HedgeConfig) (*Hedge, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Quantile == 0 {
		return nil, nil //nolint:nilnil // a nil hedge is one that is off
	}
	return &Hedge{cfg: cfg.withDefaults()}, nil
}

// applies reports whether a request may be made twice as far as the call is
// concerned.
func (h *Hedge) applies(call *Call, p permit, req *http.Request) bool {
	return methodOf(req) == http.MethodGet && req.Body == nil && call.state.safety == Idempotent &&
		call.state.attempts > 1 && call.Lane == Interactive && call.Kind != KindPing && p.probe == nil
}

// delay is how long the first request of a kind is given; 0 if that is not known.
func (h *Hedge) delay(k Kind) time.Duration {
	if q := h.seen[min(k, kinds-1)].quantile(); q > 0 {
		return max(q, h.cfg.MinDelay)
	}
	return 0
}

// learn takes the latency of a first request: of an answer, of a timeout, and of one
// that lost, which took that long at least. (Without the last two the slow ones
// would be missing, and the quantile would creep down.)
func (h *Hedge) learn(k Kind, took time.Duration, o Outcome, lost bool) {
	if lost || o.Class == ClassTimeout || settled(o) {
		h.seen[min(k, kinds-1)].note(took, h.cfg.Quantile, h.cfg.MinSamples)
	}
}

// settled reports whether an outcome is an answer to go by: no second request
// would bring a better one.
func settled(o Outcome) bool {
	switch o.Class {
	case ClassNone, ClassRateLimited, ClassTransient, ClassTransport, ClassTimeout, ClassCanceled, ClassRefused:
		return false
	default:
		return true
	}
}

// Stats returns a snapshot; of a nil hedge it is zero.
func (h *Hedge) Stats() HedgeStats {
	if h == nil {
		return HedgeStats{}
	}
	s := HedgeStats{On: true, Sent: h.sent.Load(), Won: h.won.Load(), Denied: h.denied.Load()}
	for k := range h.seen {
		if n := h.seen[k].samples(); n > 0 {
			s.Delays = append(s.Delays, HedgeDelay{Kind: Kind(k).String(), Samples: n, Delay: h.delay(Kind(k))})
		}
	}
	return s
}

// errSuperseded is why the request that lost was cancelled.
var errSuperseded = errors.New("the other request of the pair was answered first")

// pair is a first request and the second that may follow it.
type pair struct {
	g     *guard
	b     *Breaker
	first *Call
	call  *Call // the second request's own
	req   *http.Request
	delay time.Duration

	before int // the number of the first request

	cancelFirst  context.CancelCauseFunc
	cancelSecond context.CancelCauseFunc
	timer        *time.Timer
	spared       bool          // the timer was stopped in time
	over         chan struct{} // closed when the second request has ended, or was not made
	winner       atomic.Int32  // 0 none yet, else the request's number

	// Known once over is closed.
	resp     *http.Response
	err      error
	sent     bool
	panicked any
}

// sendHedged is send for requests that may be made twice.
func (g *guard) sendHedged(b *Breaker, p permit, grant Grant, call *Call, req *http.Request) (*http.Response, error) {
	delay := g.hedge.delay(call.Kind)
	start := time.Now()
	if delay == 0 {
		resp, err := g.send(p, grant, call, req)
		g.hedge.learn(call.Kind, time.Since(start), OutcomeOf(resp, err), false)
		return resp, err
	}
	d, ctx := g.newPair(b, call, req, delay)
	defer d.end()
	resp, err := g.send(p, grant, call, req.WithContext(ctx))
	o := OutcomeOf(resp, err)
	g.hedge.learn(call.Kind, time.Since(start), o, superseded(ctx, o))
	if settled(o) && d.wins(1) || !d.under(ctx, o) {
		return resp, err
	}
	<-d.over
	if d.winner.Load() != 2 {
		return resp, err
	}
	g.hedge.won.Add(1)
	call.state.ran, call.state.reached = true, d.call.state.reached
	call.emit(req.Context(), Event{Kind: EventHedgeWon, Wait: time.Since(start)})
	return d.resp, nil
}

// newPair makes ready for the second request and returns the context of the first.
func (g *guard) newPair(b *Breaker, call *Call, req *http.Request, delay time.Duration) (*pair, context.Context) {
	ctx := req.Context()
	if call.RequestID == "" { // both carry the same
		call.RequestID = cmp.Or(req.Header.Get("X-Request-Id"), RequestIDFrom(ctx), newRequestID())
	}
	d := &pair{g: g, b: b, first: call, call: call.twin(), delay: delay, over: make(chan struct{})}
	d.before = d.call.Attempts
	var first, second context.Context
	first, d.cancelFirst = context.WithCancelCause(ctx)
	second, d.cancelSecond = context.WithCancelCause(ctx)
	d.req = req.WithContext(WithCall(second, d.call))
	d.timer = time.AfterFunc(delay, d.second)
	return d, first
}

// twin is the call of a second request: what the attempt writes to a call must not
// be written by two.
func (c *Call) twin() *Call {
	t := &Call{Op: c.Op, Route: c.Route, Kind: c.Kind, Lane: c.Lane, Safety: c.Safety, Limits: c.Limits, User: c.User}
	t.RequestID, t.Attempts = c.RequestID, c.Attempts+1 // the first takes the number before
	t.state = callState{safety: c.state.safety, attempts: c.state.attempts}
	if h := c.state.hooked; h != nil {
		t.state.hooked = &hooked{set: h.set, of: &h.op, hedge: true}
	}
	return t
}

// wins reports whether request n is the first to have an answer.
func (d *pair) wins(n int32) bool { return d.winner.CompareAndSwap(0, n) }

// under reports whether there is a second request to wait for, now that the first has
// ended with o: one that won, or is under way while the first has failed.
func (d *pair) under(ctx context.Context, o Outcome) bool {
	if o.Class == ClassCanceled && !superseded(ctx, o) {
		return false // the caller's doing
	}
	return !d.stop()
}

// stop reports whether the second request will not be made.
func (d *pair) stop() bool {
	d.spared = d.spared || d.timer.Stop()
	return d.spared
}

// end sees to it that the second request is over, whatever became of the first.
func (d *pair) end() {
	defer d.cancelFirst(nil)
	defer d.cancelSecond(nil)
	if d.stop() {
		return
	}
	d.cancelSecond(errSuperseded)
	<-d.over
	d.first.Attempts += d.call.Attempts - d.before
	if d.panicked != nil {
		panic(d.panicked) //nolint:forbidigo // of the transport: as if the call had made the request itself
	}
}

// second makes the second request, on a goroutine of its own, if all that stands
// before it has room at once.
func (d *pair) second() {
	defer close(d.over)
	defer func() { d.panicked = recover() }()
	if !d.make() && context.Cause(d.req.Context()) == nil {
		d.g.hedge.denied.Add(1)
	}
}

// make reports whether the request was made.
func (d *pair) make() bool {
	ctx := d.req.Context()
	slot, ok := d.g.bulkhead.TryAcquire(d.call.Lane)
	if !ok {
		return false
	}
	defer slot.Release()
	if !d.b.closed() || !d.g.budget.spare() {
		return false
	}
	defer func() {
		if !d.sent {
			d.g.budget.refund()
		}
	}()
	grant, err := d.g.token(atOnce{ctx})
	if err != nil {
		return false
	}
	permit, ok := d.b.admitClosed()
	if !ok {
		return false
	}
	reported := false // a hook may end the goroutine
	defer func() {
		if !reported {
			permit.report(errExcluded)
		}
	}()
	d.sent = true
	d.g.hedge.sent.Add(1)
	d.call.emit(ctx, Event{Kind: EventHedge, Wait: d.delay})
	reported = true
	d.resp, d.err = d.g.send(permit, grant, d.call, d.req) //nolint:bodyclose // it is in memory
	if settled(OutcomeOf(d.resp, d.err)) && d.wins(2) {
		d.cancelFirst(errSuperseded)
	}
	return true
}

// atOnce is a context whose holder waits for nothing, though it has not ended.
type atOnce struct{ context.Context }

// Deadline implements [context.Context].
func (atOnce) Deadline() (time.Time, bool) { return time.Now(), true }

// superseded reports whether an attempt was cancelled because the other of its pair
// was answered first.
func superseded(ctx context.Context, o Outcome) bool {
	return o.Class == ClassCanceled && context.Cause(ctx) == errSuperseded //nolint:errorlint // identity is meant
}
