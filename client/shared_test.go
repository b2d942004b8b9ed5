package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// slots is a [client.Limiter] that lets one attempt through in each period.
type slots struct {
	period time.Duration

	mu      sync.Mutex
	next    time.Time
	away    bool
	limited int
}

func (s *slots) Reserve(_ context.Context, cost int, maxWait time.Duration) (time.Duration, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return 0, false, errors.New("no connection")
	}
	now := time.Now()
	if s.next.Before(now) {
		s.next = now
	}
	wait := s.next.Sub(now)
	if wait > maxWait {
		return wait, false, nil
	}
	s.next = s.next.Add(time.Duration(cost) * s.period)
	return wait, true, nil
}

func (s *slots) Feedback(limited bool, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limited {
		s.limited++
	}
}

func TestClientsThatShareALimiterShareItsPaceAndFallBackOnTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 1})
		limiter := &slots{period: time.Second}
		var clients [2]*client.Client
		for i := range clients {
			clients[i] = newClient(t, client.WithHTTPClient(&http.Client{Transport: server.Transport()}),
				client.WithLimiter(limiter), client.WithThrottle(client.Throttle{Rate: 2, Burst: 1}))
		}
		each := func(n int) time.Duration {
			start := time.Now()
			var wg sync.WaitGroup
			for _, c := range clients {
				wg.Go(func() {
					for range n {
						if _, err := c.User(t.Context(), "user-0001"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			return time.Since(start)
		}
		if got := each(3); got != 5*time.Second {
			t.Errorf("6 calls at one a second took %v, want 5s", got)
		}
		time.Sleep(time.Minute)
		if _, err := clients[0].User(t.Context(), "user-0001"); err != nil {
			t.Error(err)
		}
		_, err := clients[1].User(t.Context(), "user-0001", client.Timeout(500*time.Millisecond))
		if !errors.Is(err, client.ErrThrottled) || !client.Retryable(err) {
			t.Errorf("a turn past the deadline: %v", err)
		}
		if s := clients[1].Stats().Limiter; !s.On || s.Away || s.Refused != 1 || s.Reserved != 3 {
			t.Errorf("%+v", s)
		}
		limiter.mu.Lock()
		limiter.away = true
		limiter.mu.Unlock()
		if got := each(3); got != time.Second {
			t.Errorf("with the limiter away, 3 calls of each at two a second took %v, want 1s", got)
		}
		if s := clients[0].Stats().Limiter; !s.Away || s.Local != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestHedgingIsTheCallersChoice(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := asleeptest.New(asleeptest.Config{Users: 1})
			var mu sync.Mutex
			n := 0
			wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				mu.Lock()
				n++
				wait := 100*time.Millisecond - time.Duration(n)*time.Millisecond // 80 to 99 ms when learned
				if n == 31 {
					wait = 5 * time.Second
				}
				mu.Unlock()
				timer := time.NewTimer(wait)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-req.Context().Done():
					return nil, req.Context().Err()
				}
				return server.Transport().RoundTrip(req)
			})
			opts := []client.Option{client.WithHTTPClient(&http.Client{Transport: wire}), client.WithBudget(client.DefaultBudget())}
			if on {
				opts = append(opts, client.WithHedging(client.Hedging{Quantile: 0.95}))
			}
			c := newClient(t, opts...)
			for range 30 {
				if _, err := c.User(t.Context(), "user-0001"); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			if _, err := c.User(t.Context(), "user-0001"); err != nil {
				t.Fatal(err)
			}
			want := 5 * time.Second
			if on {
				want = (98 + 68) * time.Millisecond // the quantile, and what the second request takes
			}
			if got := time.Since(start); got != want {
				t.Errorf("hedging %v: the slow call took %v, want %v", on, got, want)
			}
			s := c.Stats().Hedging
			if s.On != on || on && (s.Sent != 1 || s.Won != 1 || len(s.Delays) != 1 || s.Delays[0].Delay != 98*time.Millisecond || s.Delays[0].Kind != "get") {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestHedgingNeedsWhatItIsPaidFrom(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]client.Option{
		"WithHedging: there is no retry budget to pay it from": {client.WithHedging(client.Hedging{Quantile: 0.9}), client.WithBudget(client.Budget{})},
		"WithHedging: has no effect beside WithRetry":          {client.WithHedging(client.Hedging{Quantile: 0.9}), client.WithRetry(client.Retry{})},
		"WithHedging: Quantile is 95":                          {client.WithHedging(client.Hedging{Quantile: 95})},
		"WithHedging: MinSamples is 1000":                      {client.WithHedging(client.Hedging{MinSamples: 1000})},
		"WithRevalidation: MaxBytes is -1":                     {client.WithRevalidation(client.Revalidation{MaxBytes: -1})},
	} {
		if _, err := client.New(secret, opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := client.New(secret, client.WithLimiter(nil)); err != nil {
		t.Errorf("no limiter: %v", err)
	}
}
