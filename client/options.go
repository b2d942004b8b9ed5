package client

import (
	"net/http"
	"time"
)

// Option configures a [Client]. Options may be given in any order; of the same
// one the last wins. Each takes a plain value or a small struct whose zero value
// turns the thing off.
type Option func(*settings)

// Retry says how often and how patiently a call is repeated. The zero value is
// off: one attempt. With Attempts set, other zero fields take the values of
// [DefaultRetry].
type Retry struct {
	// Attempts is the most attempts of a call, the first included. Answers that
	// are rate limits are not counted: they are waited out as long as the
	// deadline allows. 0 and 1 mean exactly one request, whatever the answer.
	Attempts int
	// Base is the ceiling of the first wait; it doubles up to Max. Waits are
	// drawn from the whole range below the ceiling (full jitter).
	Base, Max time.Duration
	// RetryAfterMax is the longest Retry-After that is waited out; a longer one
	// ends the call at once with the answer and [Error].RetryAfter set.
	RetryAfterMax time.Duration
	// Rand draws the jitter from [0, 1); nil means math/rand/v2. It is called
	// from many goroutines.
	Rand func() float64
}

// DefaultRetry is 4 attempts, waits of 50 ms to 10 s with full jitter,
// Retry-After honoured up to 60 s.
func DefaultRetry() Retry {
	return Retry{Attempts: 4, Base: 50 * time.Millisecond, Max: 10 * time.Second, RetryAfterMax: time.Minute}
}

// Timeouts bound a call. The zero value is off: only the caller's context
// bounds a call. With one field set, Attempt and Overall, if zero, take the values
// of [DefaultTimeouts].
type Timeouts struct {
	// Attempt bounds one request, from the dial to the last byte of the body.
	// A call that meets it may be repeated; at the end it is [ErrAttemptTimeout].
	Attempt time.Duration
	// Overall bounds a call with all its attempts and waits, unless the
	// context ends earlier. A call that meets it is [ErrOverallTimeout].
	Overall time.Duration
	// Get, List, Create and Delete are as Attempt, for those operations; 0 means
	// Attempt, but for a Delete without Attempt set: 5 s.
	Get, List, Create, Delete time.Duration
}

// DefaultTimeouts is 10 s for an attempt, but 5 s to delete, and 120 s for a call.
// A [Client.Ping] takes 2 s in all.
func DefaultTimeouts() Timeouts {
	return Timeouts{Attempt: 10 * time.Second, Overall: 2 * time.Minute, Delete: 5 * time.Second}
}

// Pool tunes the pool of connections. Zero fields take the defaults named.
type Pool struct {
	// MaxConnections is the most connections open at once; 0 means no limit.
	MaxConnections int
	// DialTimeout (5 s), TLSTimeout (5 s) and IdleTimeout (90 s).
	DialTimeout, TLSTimeout, IdleTimeout time.Duration
}

// WithBaseURL sends the calls elsewhere, such as to a fake or through a gateway;
// a path in it is put before every route. Only https is accepted, except for
// loopback hosts. Empty means [DefaultBaseURL].
func WithBaseURL(base string) Option { return func(s *settings) { s.baseURL = base } }

// WithHTTPClient sends the calls through the caller's client, which is copied,
// never changed. Of its fields Transport and Timeout (as the timeout of an
// attempt, unless [WithTimeouts] is given) are used; redirects are never
// followed and cookies not kept. It excludes [WithPool].
func WithHTTPClient(hc *http.Client) Option {
	return func(s *settings) { s.httpClient, s.httpClientGiven = hc, true }
}

// WithRetry replaces [DefaultRetry].
func WithRetry(r Retry) Option { return func(s *settings) { s.retry = r } }

// WithTimeouts replaces [DefaultTimeouts].
func WithTimeouts(t Timeouts) Option {
	return func(s *settings) { s.timeouts, s.timeoutsGiven = t, true }
}

// WithPool tunes the pool of connections. It excludes [WithHTTPClient].
func WithPool(p Pool) Option { return func(s *settings) { s.pool, s.poolGiven = p, true } }

// WithUserAgent puts product, such as "nightly-report/1.2", before the client's own user
// agent. Empty leaves the client's own.
func WithUserAgent(product string) Option { return func(s *settings) { s.userAgent = product } }

// WithTimezone names the timezone that answers are rendered in and dates are
// judged in, by its IANA name such as Asia/Seoul, for all calls that do not say
// otherwise with [InTimezone]. Empty sends none: the service then uses UTC.
func WithTimezone(name string) Option { return func(s *settings) { s.timezone = name } }

// WithMaxBody bounds an answer's body in bytes, after decompression; a larger
// one is [ErrBodyTooLarge]. 0 means 8 MiB.
func WithMaxBody(bytes int64) Option { return func(s *settings) { s.maxBody = bytes } }
