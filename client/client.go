package client

import (
	"net/url"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// DefaultBaseURL is where the service answers.
const DefaultBaseURL = "https://api.asleep.ai"

// Client makes calls for one API key. It is safe for concurrent use and meant to
// be shared: it owns the pool of connections. Printing one shows no secret.
type Client struct {
	doer     *transport.Doer
	breakers *transport.Breakers
	server   string // base URL with a trailing slash, for the request builders
	base     *url.URL
	zone     string // default timezone, empty: none is sent
	overall  time.Duration
	redactor redactor
	zones    *zones

	cache  *cache.Cache // nil keeps nothing
	tenant cache.Tenant
	watch  *cacheWatch
	memory *memory // nil holds nothing
}

// New makes a client for an API key. It sends nothing. Without options it calls
// [DefaultBaseURL] with [DefaultRetry], [DefaultBudget], [DefaultBreaker],
// [DefaultThrottle], [DefaultBulkhead] and [DefaultTimeouts].
//
// All problems of the key and the options are reported at once: the error joins
// one [*OptionError] for each, and matches [ErrInvalid].
func New(apiKey string, opts ...Option) (*Client, error) {
	s := newSettings(apiKey)
	s.apply(opts)
	return s.client()
}

// Close closes the idle connections. The client stays usable; calls under way
// are not disturbed. Connections of a RoundTripper given with [WithHTTPClient]
// that is not a *http.Transport are closed too, if it has a method
// CloseIdleConnections. A cache given with [WithCache] is the caller's to close.
func (c *Client) Close() error {
	c.doer.CloseIdleConnections()
	return nil
}

// String names the client by its host.
func (c *Client) String() string { return "asleep client for " + c.base.Host }

// GoString is String: %#v of a client shows no secret either.
func (c *Client) GoString() string { return c.String() }
