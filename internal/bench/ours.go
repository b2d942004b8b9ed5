package bench

import (
	"context"
	"net/http"

	"github.com/asleep-sdk/asleep/client"
)

// ourCaller is package client, called through Do: the whole pipeline, without the
// decoding that no peer does.
type ourCaller struct{ client *client.Client }

// newOurs is the client with every policy on in its defaults, but the throttle out of
// the way unless the row has a rate.
func newOurs(s Setup) (Caller, error) {
	if why := unwired(s); why != "" {
		return nil, notMeasured(why)
	}
	s = s.withDefaults()
	retry := client.DefaultRetry()
	retry.Attempts, retry.Base, retry.Max = s.Attempts, s.Base, max(s.Base, retry.Max)
	throttle := client.Throttle{Rate: outOfTheWay}
	if s.Rate > 0 {
		throttle.Rate = s.Rate
	}
	opts := []client.Option{client.WithBaseURL(s.URL), client.WithRetry(retry), client.WithThrottle(throttle)}
	if s.Wire != nil {
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: s.Wire}))
	}
	c, err := client.New(benchKey, opts...)
	if err != nil {
		return nil, err
	}
	return &ourCaller{client: c}, nil
}

// unwired says which policy a setup asks for that the client has no option for.
func unwired(s Setup) string {
	switch {
	case s.Patient, s.Probe > 0:
		return "the client has no option for the breaker's probes and patience"
	case !s.NoBreaker:
		return "the client has no option for the breaker"
	}
	return ""
}

func (c *ourCaller) Get(ctx context.Context, path string) error {
	resp, err := c.client.Do(ctx, client.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	return judge(resp.StatusCode, len(resp.Body))
}

func (c *ourCaller) Close() { _ = c.client.Close() }
