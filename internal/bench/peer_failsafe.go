package bench

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
)

// newFailsafe is failsafe-go as its HTTP documentation composes it, outermost first:
// the HTTP retry policy (which follows Retry-After in seconds) with exponential
// backoff and jitter, a circuit breaker on a failure rate (half of at least 20
// within 10 s, closed by 3 successes), a rate limiter, a bulkhead. The retry
// policy gives up at the refusals of the other policies, and returns the last
// answer.
func newFailsafe(s Setup) (Caller, error) {
	s = s.withDefaults()
	rt, closeIdle := s.wire()
	retry := failsafehttp.NewRetryPolicyBuilder().
		WithMaxRetries(s.Attempts-1).WithBackoff(s.Base, max(s.ceiling(), 2*s.Base)).WithJitterFactor(.5).ReturnLastFailure().
		AbortOnErrors(circuitbreaker.ErrOpen, bulkhead.ErrFull, ratelimiter.ErrExceeded)
	breaker := circuitbreaker.NewBuilder[*http.Response]().
		HandleIf(func(r *http.Response, err error) bool {
			return err != nil && !errors.Is(err, context.Canceled) || r != nil && r.StatusCode >= http.StatusInternalServerError
		}).
		WithFailureRateThreshold(.5, 20, 10*time.Second).WithDelay(s.openFor()).WithSuccessThreshold(3)
	limiter := ratelimiter.NewBurstyBuilder[*http.Response](math.MaxInt32, time.Second)
	if s.Rate > 0 {
		limiter = ratelimiter.NewSmoothBuilder[*http.Response](uint(s.Rate), time.Second)
	}
	policies := []failsafe.Policy[*http.Response]{retry.Build()}
	if !s.NoBreaker {
		policies = append(policies, breaker.Build())
	}
	policies = append(policies,
		limiter.WithMaxWaitTime(10*time.Second).Build(),
		bulkhead.NewBuilder[*http.Response](512).WithMaxWaitTime(5*time.Second).Build())
	client := &http.Client{Transport: failsafehttp.NewRoundTripper(rt, policies...)}
	return s.caller(client.Do, closeIdle), nil
}
