package bench

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// peerOpenFor is how long the breakers of the peers stay open where a row does not
// say: one second, which of 1 s, 10 s and 60 s gave the peers their best figures.
const peerOpenFor = time.Second

// openFor is the time that a peer's breaker stays open.
func (s Setup) openFor() time.Duration {
	if s.Probe > 0 {
		return s.Probe
	}
	return peerOpenFor
}

// newBare is an http.Client over a tuned pool and nothing else: what everything
// is compared with.
func newBare(s Setup) (Caller, error) {
	rt, closeIdle := s.wire()
	return s.caller((&http.Client{Transport: rt}).Do, closeIdle), nil
}

// newRetryable is go-retryablehttp as its README shows it: NewClient, the logger
// off, RetryMax and the waits set, Client.Do. PassthroughErrorHandler returns the
// last answer rather than an error, as its documentation advises for callers that
// look at the status.
func newRetryable(s Setup) (Caller, error) {
	s = s.withDefaults()
	rt, closeIdle := s.wire()
	return s.caller(retryable(s, rt, nil), closeIdle), nil
}

// retryable is the Do of go-retryablehttp over a wire; check nil is its default policy.
func retryable(s Setup, rt http.RoundTripper, check retryablehttp.CheckRetry) func(*http.Request) (*http.Response, error) {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: rt}
	c.Logger = nil
	c.RetryMax = s.Attempts - 1
	c.RetryWaitMin, c.RetryWaitMax = s.Base, s.ceiling()
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	if check != nil {
		c.CheckRetry = check
	}
	return func(req *http.Request) (*http.Response, error) {
		r, err := retryablehttp.FromRequest(req)
		if err != nil {
			return nil, err
		}
		return c.Do(r)
	}
}

// newStack is what one would put together of the usual parts: go-retryablehttp
// around sony/gobreaker around x/time/rate, each attempt through all of them. The
// breaker trips as its README's example does, on a ratio of failures (half of at
// least 20 within 10 s, in buckets of 1 s), closes after 3 successes, and does not
// count what the caller cancelled. An open breaker ends the call: the default
// policy of go-retryablehttp would repeat it.
func newStack(s Setup) (Caller, error) {
	return stack(s, gobreaker.Settings{
		MaxRequests: 3, Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: s.openFor(),
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.Requests >= 20 && float64(c.TotalFailures)/float64(c.Requests) >= 0.5
		},
	})
}

// newStackDefault is newStack with gobreaker's zero Settings: 6 failures in a row open it
// for 60 s, one success closes it. Good in an outage, at the price of tripping on
// chance and of a minute without calls.
func newStackDefault(s Setup) (Caller, error) {
	return stack(s, gobreaker.Settings{Timeout: s.Probe})
}

func stack(s Setup, settings gobreaker.Settings) (Caller, error) {
	s = s.withDefaults()
	rt, closeIdle := s.wire()
	limit, burst := rate.Limit(outOfTheWay), math.MaxInt32
	if s.Rate > 0 {
		limit, burst = rate.Limit(s.Rate), 10
	}
	rt = limited{limiter: rate.NewLimiter(limit, burst), next: rt}
	if s.NoBreaker {
		return s.caller(retryable(s, rt, nil), closeIdle), nil
	}
	settings.Name = "upstream"
	settings.IsExcluded = func(err error) bool { return errors.Is(err, context.Canceled) }
	rt = broken{breaker: gobreaker.NewCircuitBreaker[*http.Response](settings), next: rt}
	return s.caller(retryable(s, rt, openIsTerminal), closeIdle), nil
}

func openIsTerminal(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return false, err
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
}

// limited waits for a token of x/time/rate.
type limited struct {
	limiter *rate.Limiter
	next    http.RoundTripper
}

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := l.limiter.Wait(req.Context()); err != nil {
		return nil, err
	}
	return l.next.RoundTrip(req)
}

// broken passes attempts through gobreaker; a 5xx counts as a failure and is
// returned all the same.
type broken struct {
	breaker *gobreaker.CircuitBreaker[*http.Response]
	next    http.RoundTripper
}

var errServer = errors.New("server error")

func (b broken) RoundTrip(req *http.Request) (*http.Response, error) {
	var answer *http.Response
	_, err := b.breaker.Execute(func() (*http.Response, error) {
		resp, err := b.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if answer = resp; resp.StatusCode >= http.StatusInternalServerError {
			return nil, errServer
		}
		return resp, nil
	})
	if err != nil && !errors.Is(err, errServer) {
		return nil, err
	}
	return answer, nil
}
