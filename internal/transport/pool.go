package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// PoolConfig tunes the connection pool. Zero fields take the defaults named.
type PoolConfig struct {
	// Concurrency is the most requests meant to be in flight at once (the
	// bulkhead's size); max(20, Concurrency) idle connections are kept per
	// host.
	Concurrency int
	// DialTimeout (5 s), TLSTimeout (5 s) and IdleTimeout (90 s).
	DialTimeout, TLSTimeout, IdleTimeout time.Duration
	// TLS is copied; versions below 1.2 are raised. Nil means Go's defaults.
	TLS *tls.Config
	// Proxy chooses a proxy; nil means the environment's (HTTPS_PROXY,
	// NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// DialContext opens connections; nil means TCP with keep-alive.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	minIdlePerHost = 20
	maxIdle        = 100
	// A silent HTTP/2 connection is pinged and given up, else a dead one would
	// be handed to every call until the kernel notices.
	pingAfter, pingTimeout = 15 * time.Second, 5 * time.Second
)

// NewPool returns a transport of its own: HTTP/2, keep-alive, TLS 1.2 or newer,
// no cookies, proxy from the environment.
func NewPool(cfg PoolConfig) *http.Transport {
	dialer := &net.Dialer{Timeout: orDefault(cfg.DialTimeout, 5*time.Second), KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    orDefault(cfg.TLSTimeout, 5*time.Second),
		IdleConnTimeout:        orDefault(cfg.IdleTimeout, 90*time.Second),
		MaxIdleConnsPerHost:    max(minIdlePerHost, cfg.Concurrency),
		MaxIdleConns:           max(maxIdle, cfg.Concurrency),
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if cfg.Proxy != nil {
		t.Proxy = cfg.Proxy
	}
	if cfg.DialContext != nil {
		t.DialContext = cfg.DialContext
	}
	if cfg.TLS != nil {
		t.TLSClientConfig = cfg.TLS.Clone()
		t.TLSClientConfig.MinVersion = max(cfg.TLS.MinVersion, tls.VersionTLS12)
	}
	return t
}

// FromClient takes the wire out of the caller's own http.Client, which is not
// changed: a *http.Transport is cloned (its connections are not shared),
// another RoundTripper is used as it is, none means NewPool's defaults. The
// client's cookie jar and redirect rule are not used; its Timeout, 0 if none, is
// returned to serve as the attempt timeout.
func FromClient(c *http.Client) (base http.RoundTripper, timeout time.Duration) {
	if c == nil {
		return NewPool(PoolConfig{}), 0
	}
	switch t := c.Transport.(type) {
	case nil:
		return NewPool(PoolConfig{}), c.Timeout
	case *http.Transport:
		return t.Clone(), c.Timeout
	default:
		return t, c.Timeout
	}
}

func orDefault(d, byDefault time.Duration) time.Duration {
	if d <= 0 {
		return byDefault
	}
	return d
}
