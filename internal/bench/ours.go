package bench

import (
	"context"
	"net/http"

	"github.com/asleep-sdk/asleep/client"
)

// ourCaller is package client, called through Do: the whole pipeline, without the
// decoding that no peer does.
type ourCaller struct {
	client *client.Client
	opts   []client.CallOption
}

// newOurs is the client with every policy on in its defaults, but the throttle out of
// the way unless the row has a rate.
func newOurs(s Setup) (Caller, error) {
	s = s.withDefaults()
	retry := client.DefaultRetry()
	retry.Attempts, retry.Base, retry.Max = s.Attempts, s.Base, max(s.Base, retry.Max)
	throttle := client.Throttle{Rate: outOfTheWay}
	if s.Rate > 0 {
		throttle.Rate = s.Rate
	}
	breaker := client.DefaultBreaker()
	breaker.ProbeAfter = s.Probe
	if s.NoBreaker {
		breaker = client.Breaker{}
	}
	opts := []client.Option{
		client.WithBaseURL(s.URL), client.WithRetry(retry), client.WithThrottle(throttle), client.WithBreaker(breaker),
	}
	if s.Wire != nil {
		opts = append(opts, client.WithHTTPClient(&http.Client{Transport: s.Wire}))
	}
	c, err := client.New(benchKey, opts...)
	if err != nil {
		return nil, err
	}
	ours := &ourCaller{client: c}
	if s.Patient {
		ours.opts = []client.CallOption{client.Patient()}
	}
	return ours, nil
}

func (c *ourCaller) Get(ctx context.Context, path string) error {
	resp, err := c.client.Do(ctx, client.Request{Method: http.MethodGet, Path: path}, c.opts...)
	if err != nil {
		return err
	}
	return judge(resp.StatusCode, len(resp.Body))
}

func (c *ourCaller) Close() { _ = c.client.Close() }
