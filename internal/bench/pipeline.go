package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// pipelineCaller is the client's pipeline without the client around it: what ours costs
// and does below argument checks and the building of requests.
type pipelineCaller struct {
	doer    *transport.Doer
	url     string
	patient bool
}

// newPipeline has every policy on in its defaults, but the throttle out of the way unless
// the row has a rate.
func newPipeline(s Setup) (Caller, error) {
	s = s.withDefaults()
	base, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	cfg := transport.Config{
		Base: s.Wire, BaseURL: base, APIKey: transport.NewKey(benchKey), UserAgent: "asleep-bench",
		Retry:          transport.DefaultRetry(),
		AttemptTimeout: attemptTimeout,
	}
	cfg.Retry.Attempts, cfg.Retry.Base = s.Attempts, s.Base
	if err := policies(&cfg, s); err != nil {
		return nil, err
	}
	return &pipelineCaller{doer: transport.New(cfg), url: s.URL, patient: s.Patient}, nil
}

// policies puts the guard around the attempts.
func policies(cfg *transport.Config, s Setup) error {
	var problems [4]error
	if !s.NoBreaker {
		breaker := transport.DefaultBreaker()
		breaker.ProbeAfter = s.Probe
		cfg.Breakers, problems[0] = transport.NewBreakers(breaker)
	}
	throttle := transport.ThrottleConfig{Rate: outOfTheWay}
	if s.Rate > 0 {
		throttle.Rate = s.Rate
	}
	cfg.Budget, problems[1] = transport.NewBudget(transport.DefaultBudget())
	cfg.Bulkhead, problems[2] = transport.NewBulkhead(transport.BulkheadConfig{Limit: 16})
	cfg.Throttle, problems[3] = transport.NewThrottle(throttle)
	return errors.Join(problems[:]...)
}

func (c *pipelineCaller) Get(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	call := &transport.Call{Op: "get", Route: path, Kind: transport.KindGet}
	call.Limits.Patient = c.patient
	req, err := http.NewRequestWithContext(transport.WithCall(ctx, call), http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.doer.Do(req)
	if err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	body, err := transport.BodyBytes(resp)
	if err != nil {
		return err
	}
	return judge(resp.StatusCode, len(body))
}

func (c *pipelineCaller) Close() { c.doer.CloseIdleConnections() }
