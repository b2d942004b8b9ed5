package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Caller makes calls through one client.
type Caller interface {
	// Get makes a GET call and reads the whole body into memory. It is nil for
	// 200 with the payload complete, an error for anything else.
	Get(ctx context.Context, path string) error
	// Close lets go of the connections.
	Close()
}

// Contender is a way of calling the service.
type Contender struct {
	Name string
	// New makes a client. An error that matches ErrNotMeasured says why this
	// contender cannot be set up so.
	New func(Setup) (Caller, error)
}

// ErrNotMeasured marks a contender that a setup cannot be had of.
var ErrNotMeasured = errors.New("not measured")

func notMeasured(why string) error { return fmt.Errorf("%w: %s", ErrNotMeasured, why) }

// Setup is how a row wants a client. The zero value, with a URL, is the usual
// one: every policy on, in its default, the throttle out of the way.
type Setup struct {
	URL string
	// Wire replaces the contender's own pool of connections.
	Wire http.RoundTripper
	// Rate is the throttle's rate in attempts per second; 0 means out of the way.
	Rate float64
	// Attempts (4) and Base (50 ms), the ceiling of the first wait.
	Attempts int
	Base     time.Duration
	// NoBreaker turns the circuit breaker off.
	NoBreaker bool
	// Probe makes an open breaker try the upstream so often; 0 leaves the
	// default.
	Probe time.Duration
	// Patient makes calls wait for an open breaker, where a client can.
	Patient bool
	// Whole gives peers what ours does by itself: a timeout for each attempt and
	// for the call, and the body read within the attempt.
	Whole bool
	// Forbidden403 makes peers take a 403 that speaks of a rate limit for a 429.
	Forbidden403 bool
}

// Of all contenders: four attempts, waits that double from 50 ms up to 1 s, ten
// seconds an attempt, two minutes a call.
const (
	usualAttempts  = 4
	usualBase      = 50 * time.Millisecond
	usualCap       = time.Second
	attemptTimeout = 10 * time.Second
	callTimeout    = 2 * time.Minute
)

// outOfTheWay is a rate that no row comes near.
const outOfTheWay = 1e6

func (s Setup) withDefaults() Setup {
	if s.Attempts == 0 {
		s.Attempts = usualAttempts
	}
	if s.Base == 0 {
		s.Base = usualBase
	}
	return s
}

// ceiling is the longest wait between attempts.
func (s Setup) ceiling() time.Duration { return max(s.Base, min(usualCap, 20*s.Base)) }

// newPool is a transport tuned as one would for a single busy host.
func newPool() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:        512,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
}

// wire is the innermost layer of a peer, and what closes its connections.
func (s Setup) wire() (http.RoundTripper, func()) {
	rt, closeIdle := s.Wire, func() {}
	if rt == nil {
		pool := newPool()
		rt, closeIdle = pool, pool.CloseIdleConnections
	}
	if s.Forbidden403 {
		rt = understand403{rt}
	}
	if s.Whole {
		rt = wholeExchange{rt}
	}
	return rt, closeIdle
}

// httpCaller is a peer that looks like an http.Client.
type httpCaller struct {
	do      func(*http.Request) (*http.Response, error)
	url     string
	timeout time.Duration // of a call; 0 for none
	close   func()
}

// caller wraps a peer's Do.
func (s Setup) caller(do func(*http.Request) (*http.Response, error), closeIdle func()) *httpCaller {
	c := &httpCaller{do: do, url: s.URL, close: closeIdle}
	if s.Whole {
		c.timeout = callTimeout
	}
	return c
}

func (c *httpCaller) Close() { c.close() }

func (c *httpCaller) Get(ctx context.Context, path string) error {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("X-Api-Key", benchKey)
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := readBody(resp)
	if err != nil {
		return err
	}
	return judge(resp.StatusCode, len(body))
}

// benchKey is sent by everybody; nobody looks at it.
const benchKey = "benchmark-key"

// readBody reads a body into memory, at the least cost that its length allows.
func readBody(resp *http.Response) ([]byte, error) {
	if whole, ok := resp.Body.(*wholeBody); ok {
		return whole.data, nil
	}
	if resp.ContentLength < 0 {
		return io.ReadAll(resp.Body)
	}
	body := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(resp.Body, body)
	return body, err
}

func judge(status, size int) error {
	switch {
	case status != http.StatusOK:
		return fmt.Errorf("status %d", status)
	case size != PayloadSize:
		return fmt.Errorf("body of %d bytes, want %d", size, PayloadSize)
	}
	return nil
}
