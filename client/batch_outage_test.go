package client_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

func TestAnOutageIsWaitedOut(t *testing.T) {
	t.Parallel()
	faults := map[string]asleeptest.Fault{
		"503":      asleeptest.Unavailable(),
		"500":      asleeptest.ServerError(),
		"reset":    {Reset: asleeptest.ResetBefore},
		"hang":     {Hang: true},
		"html 200": {Status: 200, Body: "<html>maintenance</html>"},
		"redirect": {Status: 302},
		"portal":   {Status: 511},
		"limited":  asleeptest.RateLimited(),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchTest(t, 200, 4, func(b *bed) {
				fault.After, fault.For = 5*time.Second, 30*time.Second
				b.server.Inject(fault)
				out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Concurrency: 16})
				if out.err != nil {
					t.Fatal(out.err)
				}
				b.wantAll(out.byUser(t), b.users(), true)
				// 1,000 calls of 100 ms on 16 slots, the outage, and at most the
				// longest wait of a probe or of the pipeline after it.
				if ideal := 1000*100*time.Millisecond/16 + 30*time.Second; b.elapsed() < ideal || b.elapsed() > ideal+22*time.Second {
					t.Errorf("took %v; want little more than %v", b.elapsed(), ideal)
				}
			})
		})
	}
}

func TestInAnOutageOneProbeAtATimeGoesOut(t *testing.T) {
	t.Parallel()
	batchTest(t, 200, 4, func(b *bed) {
		down := asleeptest.Unavailable()
		down.After, down.For = 5*time.Second, 60*time.Second
		b.server.Inject(down)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Concurrency: 16}, client.Attempts(1))
		if out.err != nil {
			t.Fatal(out.err)
		}
		// The 16 in flight, then probes after 0.5, 1, 2, 4, 8, 10, 10, … s at
		// most and half of that at least, for two kinds of calls.
		if got := b.server.Stats().Status[503]; got < 16+2*5 || got > 16+1+2*16 {
			t.Errorf("%d requests in the outage", got)
		}
		// The ramp: after the first success 2 at once, then one more for each.
		var after []asleeptest.Request
		for _, r := range b.server.Requests() {
			if r.Time.Sub(b.start) > 65*time.Second && r.Status == 200 {
				after = append(after, r)
			}
		}
		first := after[0].Time
		for _, r := range after {
			first = minTime(first, r.Time)
		}
		second := 0
		for _, r := range after {
			if d := r.Time.Sub(first); d >= 100*time.Millisecond && d < 200*time.Millisecond {
				second++
			}
		}
		if second > 4 {
			t.Errorf("%d requests began in the tenth of a second after the first success; want at most 2 of each kind", second)
		}
	})
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func TestALongerOutageStopsTheBatchResumable(t *testing.T) {
	t.Parallel()
	batchTest(t, 200, 4, func(b *bed) {
		down := asleeptest.Unavailable()
		down.After, down.For = 5*time.Second, 5*time.Minute
		b.server.Inject(down)
		o := client.BatchOptions{Details: true, Concurrency: 16, Total: 200}
		first := b.fetch(b.Context(), ids(b.users()), o)
		stopped := first.stopped(t, client.ErrOutage)
		// Requests take 100 ms: the first to fail began at 5.0 s, and was
		// answered at 5.1 s.
		if want := 5*time.Second + 100*time.Millisecond + client.DefaultMaxOutage; b.elapsed() < want || b.elapsed() >= want+100*time.Millisecond {
			t.Errorf("stopped after %v; want %v", b.elapsed(), want)
		}
		failure, ok := errors.AsType[*client.Error](stopped)
		if !ok || failure.StatusCode != 503 {
			t.Errorf("the last failure is not in %v", stopped)
		}
		p := stopped.Progress
		if p.Failed != 0 || p.Done != int64(len(first.results)) || p.Done+stopped.Unfinished+stopped.NotStarted != 200 {
			t.Errorf("%+v, unfinished %d, not started %d: want no failure and a sum of 200", p, stopped.Unfinished, stopped.NotStarted)
		}
		time.Sleep(5 * time.Minute)
		o.Resume = stopped.Token
		second := b.fetch(b.Context(), ids(b.users()), o)
		if second.err != nil {
			t.Fatal(second.err)
		}
		b.wantAll(batchOutcome{results: append(first.results, second.results...)}.byUser(t), b.users(), true)
	})
}

func TestMaxOutageCountsFromTheFirstFailureAndIsExact(t *testing.T) {
	t.Parallel()
	batchTest(t, 10, 1, func(b *bed) {
		b.server.StartOutage(asleeptest.Unavailable())
		b.fetch(b.Context(), ids(b.users()), client.BatchOptions{MaxOutage: 7 * time.Second}).stopped(t, client.ErrOutage)
		if b.elapsed() != 7*time.Second { // an outage goes before the delay: failures take no time
			t.Errorf("stopped after %v; want 7s", b.elapsed())
		}
	})
}

func TestAnOutageOfOneKindOfCallIsNoUsersFailure(t *testing.T) {
	t.Parallel()
	batchTest(t, 100, 4, func(b *bed) {
		down := asleeptest.BadGateway()
		down.Op, down.After, down.For = asleeptest.GetSession, 2*time.Second, time.Minute
		b.server.Inject(down)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true})
		if out.err != nil {
			t.Fatal(out.err)
		}
		b.wantAll(out.byUser(t), b.users(), true)
	})
}

func TestTheLastUserInTroubleIsToldFromAnOutage(t *testing.T) {
	t.Parallel()
	for _, op := range []string{asleeptest.ListSessions, asleeptest.GetSession} {
		batchTest(t, 10, 3, func(b *bed) {
			b.server.Inject(asleeptest.Fault{User: "user-0010", Op: op, Status: 500})
			out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true})
			if out.err != nil || b.elapsed() > time.Minute {
				t.Fatalf("%s: %v after %v; want an end in time", op, out.err, b.elapsed())
			}
			if r := out.byUser(t)["user-0010"]; !errors.Is(r.Err, client.ErrUnavailable) {
				t.Errorf("%s: the user ended with %v; want ErrUnavailable", op, r.Err)
			}
		})
	}
}

// Nobody has been listed yet, so that there is nothing to compare with: those
// who have not probed yet go first.
func TestAUserInTroubleDoesNotKeepAnOutageUp(t *testing.T) {
	t.Parallel()
	batchTest(t, 20, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0001", Status: 500})
		down := asleeptest.Unavailable()
		down.For = 10 * time.Second
		b.server.Inject(down)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Concurrency: 1})
		if r := out.byUser(t)["user-0001"]; out.err != nil || len(out.results) != 20 || r.Err == nil || b.elapsed() > time.Minute {
			t.Errorf("%d results, %v after %v; want 20, one of them a failure", len(out.results), out.err, b.elapsed())
		}
	})
}

func TestAResumedBatchOfOneUserInTroubleEnds(t *testing.T) {
	t.Parallel()
	for _, op := range []string{asleeptest.ListSessions, asleeptest.GetSession} {
		batchTest(t, 10, 3, func(b *bed) {
			slow := b.server.Inject(asleeptest.Fault{User: "user-0010", Op: op, Latency: time.Hour})
			o := client.BatchOptions{Details: true}
			for r, err := range b.client.FetchSessions(b.Context(), ids(b.users()), client.Query{}, o, client.AttemptTimeout(2*time.Hour)) {
				if err != nil {
					t.Fatal(err)
				}
				if o.Resume = r.Token; o.Resume.Done() == 9 {
					break
				}
			}
			slow()
			b.server.Inject(asleeptest.Fault{User: "user-0010", Op: op, Status: 500})
			out := b.fetch(b.Context(), ids(b.users()), o)
			if out.err != nil || len(out.results) != 1 || !errors.Is(out.results[0].Err, client.ErrUnavailable) {
				t.Errorf("%s: %+v, %v; want the failure of one user", op, out.results, out.err)
			}
		})
	}
}

func TestAUserInTroubleGetsItsRounds(t *testing.T) {
	t.Parallel()
	batchTest(t, 2000, 0, func(b *bed) { // the others keep the service asked while the rounds last
		b.server.Inject(asleeptest.Fault{User: "user-0003", Status: 500})
		b.server.Inject(asleeptest.Fault{User: "user-0005", Status: 500, Times: 4 * 4}) // four rounds of four attempts
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Rounds: 5, Concurrency: 8, Window: 2000})
		got := out.byUser(t)
		if r := got["user-0003"]; r.Err == nil || r.Calls != 5 || r.Attempts != 20 {
			t.Errorf("%d calls, %d attempts, %v; want 5, 20 and a failure", r.Calls, r.Attempts, r.Err)
		}
		if r := got["user-0005"]; r.Err != nil || r.Calls != 5 || r.Attempts != 17 {
			t.Errorf("%d calls, %d attempts, %v; want 5, 17 and no failure", r.Calls, r.Attempts, r.Err)
		}
	})
}

func TestAPauseThatIsAskedForIsWaitedOutByAll(t *testing.T) {
	t.Parallel()
	batchTest(t, 50, 1, func(b *bed) {
		limit := asleeptest.TooManyRequests()
		limit.RetryAfter, limit.Times, limit.Skip = "90", 1, 20 // longer than the pipeline waits
		b.server.Inject(limit)
		var meter client.BatchMeter
		time.AfterFunc(30*time.Second, func() {
			p := meter.Progress()
			if left := time.Until(p.Until); p.Waiting != client.WaitRetryAfter || left < 60*time.Second || left > 62*time.Second {
				t.Errorf("after 30 s: waiting for %q for %v", p.Waiting, left)
			}
		})
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Concurrency: 8, Meter: &meter})
		if out.err != nil || len(out.results) != 50 || b.elapsed() < 90*time.Second || b.elapsed() > 93*time.Second {
			t.Errorf("%d results after %v, %v; want 50 after 90 s", len(out.results), b.elapsed(), out.err)
		}
	})
}

func TestAPauseLongerThanThePatienceStopsAtOnce(t *testing.T) {
	t.Parallel()
	batchTest(t, 50, 1, func(b *bed) {
		limit := asleeptest.RateLimited()
		limit.RetryAfter, limit.Skip = "3600", 20
		b.server.Inject(limit)
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{})
		stopped := out.stopped(t, client.ErrOutage)
		if !errors.Is(stopped, client.ErrRateLimited) || !strings.Contains(stopped.Error(), "retry after 1h0m0s") || b.elapsed() > time.Second {
			t.Errorf("%v after %v; want the pause named, at once", stopped, b.elapsed())
		}
	})
}

func TestASecondPauseMustFitTheRestOfThePatience(t *testing.T) {
	t.Parallel()
	batchTest(t, 5, 1, func(b *bed) {
		limit := asleeptest.TooManyRequests()
		limit.RetryAfter = "70"
		b.server.Inject(limit)
		b.fetch(b.Context(), ids(b.users()), client.BatchOptions{MaxOutage: 100 * time.Second}).stopped(t, client.ErrOutage)
		if b.elapsed() < 70*time.Second || b.elapsed() > 72*time.Second {
			t.Errorf("stopped after %v; want it when the second pause is asked for", b.elapsed())
		}
	})
}

func TestRateLimitsThatNeverEndStopTheBatch(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"", "3"} {
		batchTest(t, 50, 1, func(b *bed) {
			limit := asleeptest.RateLimited()
			limit.RetryAfter = after
			b.server.Inject(limit)
			stopped := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{MaxOutage: time.Minute}).stopped(t, client.ErrOutage)
			if want := time.Minute + 100*time.Millisecond; !errors.Is(stopped, client.ErrRateLimited) || b.elapsed() != want {
				t.Errorf("%v after %v; want it after %v", stopped, b.elapsed(), want)
			}
		})
	}
}

// After a user's failure, which may be the last answer for long, nobody asks
// whether the service is out.
func TestTheTimeOfAnOutageStandsStillWhileNobodyAsks(t *testing.T) {
	t.Parallel()
	batchTest(t, 12, 2, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0010", Op: asleeptest.GetSession, Status: 500})
		input := func(yield func(string, error) bool) {
			for i, id := range b.users() {
				if i == 10 {
					time.Sleep(time.Hour)
				}
				if !yield(id, nil) {
					return
				}
			}
		}
		out := b.fetch(b.Context(), input, client.BatchOptions{Details: true, MaxOutage: 20 * time.Second})
		if r := out.byUser(t)["user-0010"]; out.err != nil || len(out.results) != 12 || r.Err == nil {
			t.Errorf("%d results, %v, the user ended with %v; want 12 and one failure", len(out.results), out.err, r.Err)
		}
	})
}

func TestTheMeterSaysWhatTheBatchWaitsFor(t *testing.T) {
	t.Parallel()
	batchTest(t, 40, 1, func(b *bed) {
		down := asleeptest.Unavailable()
		down.For = 30 * time.Second
		b.server.Inject(down)
		var meter client.BatchMeter
		var mu sync.Mutex
		var seen []client.Wait
		look := func(after time.Duration) {
			time.AfterFunc(after, func() {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, meter.Progress().Waiting)
			})
		}
		look(20 * time.Second)
		look(2 * time.Minute)
		look(4 * time.Minute)
		input := func(yield func(string, error) bool) {
			for i, id := range b.users() {
				if i == 30 {
					time.Sleep(3 * time.Minute) // from about 40 s on
				}
				if !yield(id, nil) {
					return
				}
			}
		}
		n := 0
		for range b.client.FetchSessions(b.Context(), input, client.Query{}, client.BatchOptions{Meter: &meter}) {
			if n++; n == 31 {
				time.Sleep(5 * time.Minute)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if want := []client.Wait{client.WaitOutage, client.WaitInput, client.WaitConsumer}; n != 40 || !slices.Equal(seen, want) {
			t.Errorf("%d results, waited for %q; want %q", n, seen, want)
		}
		if p := meter.Progress(); p.Waiting != client.WaitNothing || p.Done != 40 {
			t.Errorf("at the end %+v", p)
		}
	})
}
