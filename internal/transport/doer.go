package transport

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
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
	// AttemptTimeout bounds an attempt, headers and body together. 0 means
	// DefaultAttemptTimeout, negative means no timeout.
	AttemptTimeout time.Duration
	// MaxBody bounds an answer's body after decompression. 0 means
	// DefaultMaxBody.
	MaxBody int64
	// Inner are the policies between retry and attempt, outermost first.
	Inner []Policy
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
	retry *retrier
	base  http.RoundTripper
}

// New assembles the pipeline.
func New(cfg Config) *Doer {
	if cfg.Base == nil {
		cfg.Base = NewPool(PoolConfig{})
	}
	stack := Chain(newAttempt(cfg), cfg.Inner...)
	return &Doer{retry: newRetrier(cfg.Retry, stack), base: cfg.Base}
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
	return d.retry.do(call, req)
}

// Format implements [fmt.Formatter]; see [Config.Format].
func (d Doer) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "transport.Doer{}") }

// CloseIdleConnections closes the idle connections of the wire, if it can.
// Nothing else in the pipeline does, however a call fails.
func (d *Doer) CloseIdleConnections() {
	if c, ok := d.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
