package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// slow answers every request after a second and notes how many were under way at
// once.
func slow(peak *atomic.Int64) *http.Client {
	var now atomic.Int64
	return &http.Client{Transport: transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		time.Sleep(time.Second)
		return response(req, http.StatusNoContent, ""), nil
	})}
}

func TestAClientAsksTenTimesASecondByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 1})
		c, err := client.New(secret, client.WithHTTPClient(&http.Client{Transport: server.Transport()}))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 35 {
			if _, err := c.User(t.Context(), "user-0001"); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 2500*time.Millisecond { // a burst of 10, then 10 a second
			t.Errorf("35 calls took %v, want 2.5s", got)
		}
	})
}

func TestRepetitionsPayTheThrottleToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 1})
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: server.Transport()}),
			client.WithThrottle(client.Throttle{Rate: 1, Burst: 1}), client.WithRetry(client.Retry{Attempts: 3, Base: time.Nanosecond}))
		server.Inject(asleeptest.Fault{Status: http.StatusBadGateway, Times: 2})
		start := time.Now()
		if _, err := c.User(t.Context(), "user-0001"); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("three requests at one a second took %v, want 2s", got)
		}
	})
}

func TestACallThatCannotHaveItsTurnInTimeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 1})
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: server.Transport()}), client.WithThrottle(client.Throttle{Rate: 0.1, Burst: 1}))
		if _, err := c.User(t.Context(), "user-0001"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err := c.User(t.Context(), "user-0001", client.Timeout(5*time.Second))
		e, ok := errors.AsType[*client.Error](err)
		if !errors.Is(err, client.ErrThrottled) || !ok || e.Layer != client.LayerLocal || e.Attempts != 0 || !client.Retryable(err) {
			t.Errorf("got %+v", err)
		}
		if time.Since(start) != 0 || server.Stats().Requests != 1 {
			t.Errorf("it took %v and the service saw %d requests", time.Since(start), server.Stats().Requests)
		}
	})
}

func TestARetryAfterQuietsTheWholeClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 2})
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: server.Transport()}), client.WithThrottle(client.Throttle{Rate: 100}))
		server.Inject(asleeptest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}, Times: 1})
		start := time.Now()
		var group sync.WaitGroup
		group.Go(func() { _, _ = c.User(t.Context(), "user-0001") })
		synctest.Wait() // the answer is in
		if _, err := c.User(t.Context(), "user-0002"); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got < 7*time.Second || got > 8*time.Second {
			t.Errorf("the other call was answered after %v, want 7s and a little", got)
		}
		group.Wait()
	})
}

func TestTheBulkheadBoundsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options []client.Option
		want    int64
	}{
		"by default":           {nil, 16},
		"a limit of one's own": {[]client.Option{client.WithBulkhead(client.Bulkhead{Limit: 5})}, 5},
		"off":                  {[]client.Option{client.WithBulkhead(client.Bulkhead{})}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var peak atomic.Int64
				options := append([]client.Option{client.WithHTTPClient(slow(&peak)), client.WithThrottle(client.Throttle{})}, c.options...)
				cl, err := client.New(secret, options...)
				if err != nil {
					t.Fatal(err)
				}
				var group sync.WaitGroup
				for range 40 {
					group.Go(func() { _ = cl.DeleteUser(t.Context(), user) })
				}
				group.Wait()
				if got := peak.Load(); got != c.want {
					t.Errorf("%d requests were under way at once, want %d", got, c.want)
				}
			})
		})
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var peak atomic.Int64
		c := newClient(t, client.WithHTTPClient(slow(&peak)), client.WithBulkhead(client.Bulkhead{Limit: 1, MaxQueue: 1}))
		var refused atomic.Int64
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				if err := c.DeleteUser(t.Context(), user); errors.Is(err, client.ErrBulkheadFull) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := refused.Load(); got != 3 {
			t.Errorf("%d of 5 calls were refused, want 3: one under way, one in the queue", got)
		}
	})
}

func TestABatchNeverStarvesOtherCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 400, SessionsPerUser: 1})
		server.Inject(asleeptest.Slow(time.Second))
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: server.Transport()}), client.WithBulkhead(client.DefaultBulkhead()))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			everyone := func(yield func(string, error) bool) {
				for id := range server.Users() {
					if !yield(id, nil) {
						return
					}
				}
			}
			for range c.FetchSessions(ctx, everyone, client.Query{}, client.BatchOptions{Concurrency: 64}) {
			}
		})
		time.Sleep(5500 * time.Millisecond) // the batch fills its slots
		for range 10 {
			start := time.Now()
			if _, err := c.User(t.Context(), "user-0001"); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != time.Second {
				t.Errorf("beside the batch a call took %v, want 1s: there is a slot for it at once", got)
			}
		}
		if server.Stats().Peak != 15 { // 14 of the batch, 1 beside it
			t.Errorf("peak of %d requests, want 15", server.Stats().Peak)
		}
		cancel()
		group.Wait()
	})
}

func TestBadLimitsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := client.New(secret, client.WithThrottle(client.Throttle{Rate: -1, Burst: -2}), client.WithBulkhead(client.Bulkhead{Limit: 4, Reserve: 4, MaxQueue: -1}))
	var text string
	if err != nil {
		text = err.Error()
	}
	for _, want := range []string{"WithThrottle: Rate is -1", "WithThrottle: Burst is -2", "WithBulkhead: Reserve 4 leaves no slot", "WithBulkhead: MaxQueue is -1"} {
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("nothing says %q in\n%s", want, text)
		}
	}
	if !errors.Is(err, client.ErrInvalid) {
		t.Errorf("%v is not ErrInvalid", err)
	}
}
