package bench

import (
	"context"

	"resty.dev/v3"
)

// restyCaller is resty as its documentation shows it: retries with its own
// backoff and jitter (Retry-After followed), the conditions for 5xx and 429, a ratio
// circuit breaker (half of at least 20; its window is its reset time), a token
// bucket where the row has a rate. Bytes reads the body into memory.
type restyCaller struct {
	client *resty.Client
	url    string
	whole  bool
	close  func()
}

func newResty(s Setup) (Caller, error) {
	s = s.withDefaults()
	rt, closeIdle := s.wire()
	client := resty.New().SetTransport(rt).
		SetRetryCount(s.Attempts-1).SetRetryWaitTime(s.Base).SetRetryMaxWaitTime(s.ceiling()).
		AddRetryConditions(resty.RetryConditionStatus5XX, resty.RetryConditionStatusTooManyRequests)
	if !s.NoBreaker {
		client.SetCircuitBreaker(resty.NewCircuitBreakerRatio(.5, 20, s.openFor()))
	}
	if s.Rate > 0 {
		client.SetRateLimiter(resty.NewRateLimitTokenBucket(s.Rate, 10))
	}
	return &restyCaller{client: client, url: s.URL, whole: s.Whole, close: closeIdle}, nil
}

func (c *restyCaller) Get(ctx context.Context, path string) error {
	if c.whole {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	resp, err := c.client.R().SetContext(ctx).SetHeader("X-Api-Key", benchKey).Get(c.url + path)
	if err != nil {
		return err
	}
	return judge(resp.StatusCode(), len(resp.Bytes()))
}

func (c *restyCaller) Close() {
	_ = c.client.Close()
	c.close()
}
