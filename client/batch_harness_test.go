package client_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// bed is a fake service with a client before it, inside a synctest bubble: time
// is exact, and a goroutine that a batch leaves behind fails the test.
type bed struct {
	*testing.T
	server *asleeptest.Server
	client *client.Client
	start  time.Time
}

// batchTest runs test against a fake of so many users and sessions each, whose answers
// take 100 ms.
func batchTest(t *testing.T, users, sessions int, test func(*bed), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{
			Users: users, SessionsPerUser: sessions, APIKeys: []string{secret}, LogSize: 1 << 16,
		})
		server.FailOnViolations(t)
		server.Inject(asleeptest.Slow(100 * time.Millisecond))
		retry := client.DefaultRetry()
		retry.Rand = func() float64 { return 0.5 }
		c := newClient(t, append([]client.Option{
			client.WithHTTPClient(&http.Client{Transport: server.Transport()}), client.WithRetry(retry),
		}, opts...)...)
		test(&bed{T: t, server: server, client: c, start: time.Now()})
	})
}

func (b *bed) elapsed() time.Duration { return time.Since(b.start) }

// users are the fake's, in order.
func (b *bed) users() []string { return slices.Collect(b.server.Users()) }

// outcome is what a run of a batch came to.
type batchOutcome struct {
	results []client.Batch
	err     error
}

// fetch runs a batch to its end. It checks what holds of every batch.
func (b *bed) fetch(ctx context.Context, ids iter.Seq2[string, error], o client.BatchOptions, opts ...client.CallOption) batchOutcome {
	b.Helper()
	var out batchOutcome
	for r, err := range b.client.FetchSessions(ctx, ids, client.Query{}, o, opts...) {
		switch {
		case out.err != nil:
			b.Fatal("the batch goes on after its error")
		case err != nil:
			if out.err = err; r.User != "" || r.Sessions != nil || !r.Token.IsZero() {
				b.Errorf("the error comes with a result: %+v", r)
			}
		case r.Err != nil && (r.Sessions != nil || r.Reports != nil):
			b.Errorf("%s failed and has sessions", r.User)
		case r.Err == nil && r.Sessions == nil:
			b.Errorf("%s did not fail and has no list", r.User)
		default:
			out.results = append(out.results, r)
		}
	}
	return out
}

// byUser checks that no user came twice.
func (o batchOutcome) byUser(t *testing.T) map[string]client.Batch {
	t.Helper()
	m := map[string]client.Batch{}
	for _, r := range o.results {
		if _, twice := m[r.User]; twice {
			t.Errorf("%s came twice", r.User)
		}
		m[r.User] = r
	}
	return m
}

// stopped returns the error of a batch that stopped for a reason.
func (o batchOutcome) stopped(t *testing.T, reason error) *client.BatchStopped {
	t.Helper()
	stopped, ok := errors.AsType[*client.BatchStopped](o.err)
	if !ok || !errors.Is(o.err, reason) {
		t.Fatalf("the batch ended with %v; want a *BatchStopped that is %v", o.err, reason)
	}
	return stopped
}

// wantAll checks that the results are the fake's truth for the users: all
// sessions of each, and with reports each report once.
func (b *bed) wantAll(results map[string]client.Batch, users []string, reports bool) {
	b.Helper()
	if len(results) != len(users) {
		b.Errorf("%d users came; want %d", len(results), len(users))
	}
	for _, u := range users {
		r, ok := results[u]
		if !ok || r.Err != nil {
			b.Errorf("user %s: came %t, error %v", u, ok, r.Err)
			continue
		}
		b.wantSessions(r, reports)
	}
}

func (b *bed) wantSessions(r client.Batch, reports bool) {
	b.Helper()
	var want, listed, read []string
	for _, s := range b.server.Sessions(r.User) {
		want = append(want, s.ID)
	}
	for _, s := range r.Sessions {
		listed = append(listed, s.SessionID)
	}
	for _, report := range r.Reports {
		read = append(read, report.Session.ID)
	}
	if !slices.Equal(listed, want) {
		b.Errorf("user %s: listed %v; want %v", r.User, listed, want)
	}
	if reports && !slices.Equal(read, want) {
		b.Errorf("user %s: read %v; want %v", r.User, read, want)
	}
}

// ids is an input without errors.
func ids(list []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range list {
			if !yield(id, nil) {
				return
			}
		}
	}
}
