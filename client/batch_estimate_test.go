package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

func TestAnEstimateMatchesTheRealRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		users, sessions, sample int
		query                   client.Query
		details                 bool
		exact                   bool
	}{
		"few users":          {users: 20, sessions: 10, details: true, exact: true},
		"no details":         {users: 20, sessions: 10, exact: true},
		"pages":              {users: 5, sessions: 40, query: client.Query{PageSize: 7}, details: true, exact: true},
		"full last page":     {users: 5, sessions: 40, query: client.Query{PageSize: 10}, exact: true},
		"limit":              {users: 5, sessions: 40, query: client.Query{PageSize: 10, Limit: 25}, details: true, exact: true},
		"limit at the edge":  {users: 5, sessions: 40, query: client.Query{PageSize: 10, Limit: 20}, exact: true},
		"limit out of sight": {users: 5, sessions: 40, query: client.Query{PageSize: 10, Limit: 45}, exact: true},
		"none":               {users: 5, exact: true},
		"many users alike":   {users: 500, sessions: 3, sample: 20, details: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchTest(t, test.users, test.sessions, func(b *bed) {
				o := client.BatchOptions{Details: test.details}
				estimate, err := b.client.EstimateSessions(b.Context(), ids(b.users()), test.query, o, test.sample)
				if err != nil || estimate.Users != int64(test.users) || estimate.Exact != test.exact {
					t.Fatalf("%+v, %v", estimate, err)
				}
				if made := b.server.Stats().Requests; estimate.Made != int64(made) || b.server.Count(asleeptest.GetSession) != 0 {
					t.Errorf("%d calls made, %d said", made, estimate.Made)
				}
				b.server.Reset()
				for r, err := range b.client.FetchSessions(b.Context(), ids(b.users()), test.query, o) {
					if err != nil || r.Err != nil {
						t.Fatal(err, r.Err)
					}
				}
				truth := int64(b.server.Stats().Requests)
				if estimate.Calls != truth || estimate.Low != truth || estimate.High != truth {
					t.Errorf("estimated %d to %d to %d calls; the run made %d", estimate.Low, estimate.Calls, estimate.High, truth)
				}
			})
		})
	}
}

func TestAnEstimateOfUnequalUsersHoldsTheTruth(t *testing.T) {
	t.Parallel()
	batchTest(t, 400, 0, func(b *bed) {
		truth := int64(400)
		for i, u := range b.users() {
			for s := range i % 9 {
				truth++
				if _, err := b.server.AddSession(u, asleeptest.Session{Start: b.start.AddDate(0, 0, -s-1)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		held := 0
		for range 20 {
			e, err := b.client.EstimateSessions(b.Context(), ids(b.users()), client.Query{}, client.BatchOptions{Details: true}, 100)
			if err != nil || e.Exact || e.Sampled != 100 {
				t.Fatalf("%+v, %v", e, err)
			}
			if e.Low <= truth && truth <= e.High {
				held++
			}
			if e.High-e.Low > truth/3 {
				t.Errorf("%d to %d of %d says little", e.Low, e.High, truth)
			}
		}
		if held < 15 { // 95 % each: fewer than 15 of 20 happens once in 3,000
			t.Errorf("the interval held the truth %d times of 20", held)
		}
	})
}

func TestAnEstimateLeavesOutWhatTheRunLeavesOut(t *testing.T) {
	t.Parallel()
	batchTest(t, 30, 2, func(b *bed) {
		list := append(b.users(), "user-0003", "..", "user-0030")
		o := client.BatchOptions{Details: true, Concurrency: 1}
		o.Resume = b.stoppedAfter(10, list, client.Query{}, o)
		e, err := b.client.EstimateSessions(b.Context(), ids(list), client.Query{}, o, 0)
		want := client.BatchEstimate{
			Users: 20, Duplicates: 2, Invalid: 1, Resumed: 10, Sampled: 20, Sessions: 40, Made: 20,
			Calls: 60, Low: 60, High: 60, Exact: true,
		}
		if err != nil || e != want {
			t.Errorf("got %+v, %v\nwant %+v", e, err, want)
		}
		if d := e.Duration(10); d != 6*time.Second {
			t.Errorf("takes %v; want 6s", d)
		}
	})
}

func TestAnEstimateSaysWhyItStopped(t *testing.T) {
	t.Parallel()
	batchTest(t, 30, 2, func(b *bed) {
		b.server.Inject(asleeptest.QuotaExceeded())
		if e, err := b.client.EstimateSessions(b.Context(), ids(b.users()), client.Query{}, client.BatchOptions{}, 5); !errors.Is(err, client.ErrQuotaExceeded) || e.Users != 30 {
			t.Errorf("%+v, %v; want ErrQuotaExceeded and 30 users", e, err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if _, err := b.client.EstimateSessions(ctx, ids(b.users()), client.Query{}, client.BatchOptions{}, 5); !errors.Is(err, context.Canceled) {
			t.Errorf("%v; want context.Canceled", err)
		}
	})
}
