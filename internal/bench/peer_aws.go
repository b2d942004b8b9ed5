package bench

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// newAWS is the adaptive retry mode of the AWS SDK: its retry quota and its rate
// limiter, which is free until the first throttle and then follows what is
// accepted. The loop around it is that of the SDK's own Attempt middleware. Answers
// are given to it as its errors: 5xx by their status, 429 as ThrottlingException, which
// are its defaults. The waits are set to full jitter from the same base as
// everybody's, where its own would begin at up to 2 s.
func newAWS(s Setup) (Caller, error) {
	s = s.withDefaults()
	rt, closeIdle := s.wire()
	retryer := retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(o *retry.StandardOptions) {
			o.MaxAttempts = s.Attempts
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				return rand.N(min(s.ceiling(), s.Base<<(attempt-1))), nil
			})
		})
	})
	return s.caller((&http.Client{Transport: awsLoop{retryer: retryer, next: rt}}).Do, closeIdle), nil
}

// awsAnswer is an answer as an error of the SDK.
type awsAnswer struct{ status int }

func (e awsAnswer) Error() string       { return fmt.Sprintf("status %d", e.status) }
func (e awsAnswer) HTTPStatusCode() int { return e.status }

func (e awsAnswer) ErrorCode() string {
	if e.status == http.StatusTooManyRequests {
		return "ThrottlingException"
	}
	return ""
}

type awsLoop struct {
	retryer aws.RetryerV2
	next    http.RoundTripper
}

func (l awsLoop) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	releaseRetry := func(error) error { return nil }
	for attempt := 1; ; attempt++ {
		releaseAttempt, err := l.retryer.GetAttemptToken(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := l.next.RoundTrip(req)
		failure := err
		if err == nil && resp.StatusCode >= http.StatusBadRequest {
			failure = awsAnswer{resp.StatusCode}
		}
		_ = releaseRetry(failure)
		_ = releaseAttempt(failure)
		if failure == nil || !l.retryer.IsErrorRetryable(failure) || attempt >= l.retryer.MaxAttempts() {
			return resp, err
		}
		var refused error
		if releaseRetry, refused = l.retryer.GetRetryToken(ctx, failure); refused != nil {
			return resp, err // out of quota: the answer itself is the result
		}
		if resp != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
			_ = resp.Body.Close()
		}
		delay, err := l.retryer.RetryDelay(attempt, failure)
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, delay); err != nil {
			return nil, err
		}
	}
}
