package transport

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// Policy wraps one layer around the next. Its RoundTripper is called once per
// attempt, from many goroutines; it asks [OutcomeOf] for the verdict on what next
// returned and [CallFrom] for the call. A policy that refuses returns its own
// error and closes the request's body if there is one; the refusal ends the
// call.
type Policy func(next http.RoundTripper) http.RoundTripper

// Chain wraps base into the policies; the first one is the outermost.
func Chain(base http.RoundTripper, policies ...Policy) http.RoundTripper {
	for _, policy := range slices.Backward(policies) {
		base = policy(base)
	}
	return base
}

// RoundTripFunc is a function used as a layer.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f RoundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Defaults of [Config]; durations as usual, MaxBody in bytes.
const (
	DefaultAttemptTimeout = 10 * time.Second
	DefaultMaxBody        = 8 << 20
)

// Config is what a [Doer] is made of.
type Config struct {
	// Base is the wire, normally [NewPool]; nil means NewPool's defaults. It is
	// never mutated.
	Base http.RoundTripper
	// APIKey is sent as x-api-key, to BaseURL's scheme and host only.
	APIKey Key
	// BaseURL is required: requests for another scheme, host or port are
	// refused with ErrForeignHost.
	BaseURL *url.URL
	// UserAgent replaces Go's own; empty leaves what the request says.
	UserAgent string
	// Retry is off when zero: one attempt.
	Retry Retry
	// Budget bounds the retries of all calls together; nil means no bound.
	Budget *Budget
	// Breakers, Bulkhead and Throttle stand, in this order, before each
	// attempt; nil is off. They may be shared between pipelines.
	Breakers *Breakers
	Bulkhead *Bulkhead
	Throttle *Throttle
	// Shared, if set, paces in the throttle's place; it falls back on a
	// throttle of its own.
	Shared *Shared
	// Hedge makes slow reads a second time; nil is off. It is paid from Budget.
	Hedge *Hedge
	// AttemptTimeout bounds an attempt, headers and body together. 0 means
	// DefaultAttemptTimeout, negative means no timeout. Timeouts says otherwise
	// for some kinds of operation.
	AttemptTimeout time.Duration
	Timeouts       Timeouts
	// MaxBody bounds an answer's body after decompression. 0 means
	// DefaultMaxBody.
	MaxBody int64
	// Outer are policies around each call, retries and all, outermost first:
	// the RoundTripper of such a [Policy] runs once per call.
	Outer []Policy
	// Inner are policies around each attempt that is sent, outermost first.
	// They see no attempt that was refused, nor the API key.
	Inner []Policy
	// Hooks are told of everything, in this order.
	Hooks []Hooks
}

// Format implements [fmt.Formatter]: the base URL's origin is all that a dump of
// the configuration shows, whatever the verb. (fmt follows pointers for verbs that
// do not fit, and would print the pool while it runs.)
func (c Config) Format(s fmt.State, _ rune) {
	o := originOf(c.BaseURL)
	_, _ = fmt.Fprintf(s, "transport.Config{%s://%s:%s}", o.scheme, o.host, o.port)
}

// Doer makes calls. It is safe for concurrent use and starts no goroutine of
// its own.
type Doer struct {
	top      http.RoundTripper
	cfg      Config
	hooks    *hookSet
	inFlight *atomic.Int64
}

// New assembles the pipeline.
func New(cfg Config) *Doer {
	if cfg.Base == nil {
		cfg.Base = NewPool(PoolConfig{})
	}
	d := &Doer{cfg: cfg, inFlight: new(atomic.Int64), hooks: &hookSet{list: slices.Clone(cfg.Hooks), key: cfg.APIKey}}
	stack := newGuard(cfg, Chain(newAttempt(cfg), cfg.Inner...))
	d.top = Chain(newRetrier(cfg.Retry, cfg.Budget, stack), cfg.Outer...)
	if cfg.Breakers != nil && !d.hooks.empty() {
		for _, b := range cfg.Breakers.all {
			b.listen(d.breakerChanged)
		}
	}
	return d
}

// breakerChanged passes a change on to the hooks. It belongs to no call.
func (d *Doer) breakerChanged(c BreakerChange) {
	d.hooks.event(context.Background(), nil, Event{
		Kind: EventBreakerChange, Breaker: c.Name, From: c.From.String(), To: c.To.String(), Until: c.Until,
	})
}

// Do makes one call. A response is always complete: its Body is a [*Body] in
// memory that needs no closing. Any status is a response, not an error; 3xx
// are not followed. Errors are an [*AttemptError], a policy's refusal, or the end
// of the request's context (errors.Is sees both context.Cause and ctx.Err); a
// create that may have been processed also matches [ErrMaybeCreated].
// The request's headers are not modified and its body, if any, is closed.
func (d *Doer) Do(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	if call == nil {
		call = &Call{}
		req = req.WithContext(WithCall(req.Context(), call))
	}
	d.inFlight.Add(1)
	defer d.inFlight.Add(-1)
	if d.hooks.empty() {
		return d.top.RoundTrip(req)
	}
	return d.observe(call, req)
}

// observe is Do with hooks.
func (d *Doer) observe(call *Call, req *http.Request) (resp *http.Response, err error) {
	ctx := req.Context()
	next := d.hooks.begin(ctx, call, methodOf(req))
	if next != ctx {
		req = req.WithContext(next)
	}
	done := false
	defer func() { d.hooks.end(next, call, resp, err, done) }()
	resp, err = d.top.RoundTrip(req)
	done = true
	return resp, err
}

// Format implements [fmt.Formatter]; see [Config.Format].
func (d Doer) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "transport.Doer{}") }

// CloseIdleConnections closes the idle connections of the wire, if it can.
// Nothing else in the pipeline does, however a call fails.
func (d *Doer) CloseIdleConnections() {
	if c, ok := d.cfg.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
