package client_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// defaultBed is a batchTest whose client has every default: throttle, bulkhead,
// budget and breaker.
func defaultBed(t *testing.T, users int, test func(*bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: users, SessionsPerUser: 2, LogSize: 1 << 16})
		server.FailOnViolations(t)
		server.Inject(asleeptest.Slow(50 * time.Millisecond))
		c, err := client.New(secret, client.WithHTTPClient(&http.Client{Transport: server.Transport()}))
		if err != nil {
			t.Fatal(err)
		}
		test(&bed{T: t, server: server, client: c, start: time.Now()})
	})
}

func TestABatchSitsOutAnOutageBehindAnOpenBreaker(t *testing.T) {
	t.Parallel()
	defaultBed(t, 100, func(b *bed) {
		time.AfterFunc(10*time.Second, func() { b.server.StartOutage(asleeptest.Unavailable()) })
		time.AfterFunc(40*time.Second, b.server.EndOutage)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true})
		if out.err != nil {
			b.Fatal(out.err)
		}
		for _, r := range out.results {
			if r.Err != nil || len(r.Reports) != 2 {
				b.Errorf("%s: %d reports, %v", r.User, len(r.Reports), r.Err)
			}
		}
		if len(out.results) != 100 {
			b.Errorf("%d users, want 100", len(out.results))
		}
		// 300 calls at 10 a second, the outage, and at most a minute of the open breaker.
		if got := b.elapsed(); got > 2*time.Minute+10*time.Second {
			b.Errorf("it took %v", got)
		}
	})
}

func TestABatchBehindAnOpenBreakerStopsAfterMaxOutage(t *testing.T) {
	t.Parallel()
	defaultBed(t, 100, func(b *bed) {
		time.AfterFunc(5*time.Second, func() { b.server.StartOutage(asleeptest.Unavailable()) })
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{MaxOutage: 90 * time.Second})
		if !errors.Is(out.err, client.ErrOutage) {
			b.Fatalf("got %v after %v, want ErrOutage", out.err, b.elapsed())
		}
		if got := b.elapsed(); got > 3*time.Minute {
			b.Errorf("it stopped after %v", got)
		}
		for _, r := range out.results {
			if r.Err != nil {
				b.Errorf("the outage was blamed on %s: %v", r.User, r.Err)
			}
		}
	})
}

func TestABatchOverAFlakyServiceWithEveryPolicy(t *testing.T) {
	t.Parallel()
	defaultBed(t, 200, func(b *bed) {
		b.server.Flaky(0.05)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true})
		if out.err != nil {
			b.Fatal(out.err)
		}
		for _, r := range out.results {
			if r.Err != nil || len(r.Reports) != 2 {
				b.Errorf("%s: %d reports, %v", r.User, len(r.Reports), r.Err)
			}
		}
		if len(out.results) != 200 {
			b.Errorf("%d users, want 200", len(out.results))
		}
	})
}
