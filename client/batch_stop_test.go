package client_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

func TestAnAnswerThatConcernsTheKeyStopsTheBatch(t *testing.T) {
	t.Parallel()
	refused := asleeptest.Fault{Status: 401, Body: `{"detail":"Unauthorized"}`}
	for name, test := range map[string]struct {
		fault asleeptest.Fault
		want  error
	}{
		"quota":     {asleeptest.QuotaExceeded(), client.ErrQuotaExceeded},
		"plan":      {asleeptest.PlanExpired(), client.ErrPlanExpired},
		"forbidden": {asleeptest.TokenInvalid(), client.ErrForbidden},
		"key":       {refused, client.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchTest(t, 100, 4, func(b *bed) {
				test.fault.After = 3 * time.Second
				lift := b.server.Inject(test.fault)
				o := client.BatchOptions{Details: true, Concurrency: 8, Total: 100}
				first := b.fetch(b.Context(), ids(b.users()), o)
				stopped := first.stopped(t, test.want)
				failure, ok := errors.AsType[*client.Error](stopped)
				if !ok || failure.StatusCode != test.fault.Status {
					t.Errorf("the answer is not in %v", stopped)
				}
				if p := stopped.Progress; p.Failed != 0 || p.Done == 0 || p.Done+stopped.Unfinished+stopped.NotStarted != 100 {
					t.Errorf("%+v, unfinished %d, not started %d", p, stopped.Unfinished, stopped.NotStarted)
				}
				// The first answer is read at 3.1 s, when the calls of 3.0 s are
				// answered; one that begins then would be answered later.
				for _, r := range b.server.Requests() {
					if r.Time.Sub(b.start) >= 3100*time.Millisecond {
						t.Errorf("a call began at %v", r.Time.Sub(b.start))
					}
				}
				lift()
				o.Resume = stopped.Token
				second := b.fetch(b.Context(), ids(b.users()), o)
				if second.err != nil {
					t.Fatal(second.err)
				}
				b.wantAll(batchOutcome{results: append(first.results, second.results...)}.byUser(t), b.users(), true)
			})
		})
	}
}

func TestStopFinishesTheUsersInHand(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*client.BatchOptions) error{
		"stop": func(o *client.BatchOptions) error {
			stop := make(chan struct{})
			o.Stop = stop
			time.AfterFunc(3050*time.Millisecond, func() { close(stop) })
			return client.ErrStopRequested
		},
		"duration": func(o *client.BatchOptions) error {
			o.MaxDuration = 3050 * time.Millisecond
			return client.ErrMaxDuration
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchTest(t, 100, 4, func(b *bed) {
				o := client.BatchOptions{Details: true, Concurrency: 4}
				reason := with(&o)
				out := b.fetch(b.Context(), ids(b.users()), o)
				stopped := out.stopped(t, reason)
				if b.elapsed() < 3050*time.Millisecond || b.elapsed() > 5*time.Second {
					t.Errorf("ended after %v", b.elapsed())
				}
				asked := map[string]bool{}
				for _, r := range b.server.Requests() {
					asked[r.User] = true
					if r.Op == asleeptest.ListSessions && r.Time.Sub(b.start) > 3050*time.Millisecond {
						t.Errorf("a user was started at %v", r.Time.Sub(b.start))
					}
				}
				if stopped.Unfinished > 9 || len(asked) != len(out.results) || stopped.NotStarted != -1 {
					t.Errorf("%d users were asked for, %d came, %d unfinished", len(asked), len(out.results), stopped.Unfinished)
				}
			})
		})
	}
}

func TestASoftStopIsBounded(t *testing.T) {
	t.Parallel()
	batchTest(t, 20, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0003", Latency: time.Hour})
		stop := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(stop) })
		o := client.BatchOptions{Concurrency: 1, Stop: stop, Drain: 7 * time.Second}
		stopped := b.fetch(b.Context(), ids(b.users()), o, client.AttemptTimeout(2*time.Hour)).stopped(t, client.ErrStopRequested)
		if b.elapsed() != 8*time.Second || stopped.Progress.Done != 2 || stopped.Unfinished < 1 {
			t.Errorf("after %v %+v; want 8 s and the slow user unfinished", b.elapsed(), stopped)
		}
	})
}

func TestAStopAfterTheLastUserIsNone(t *testing.T) {
	t.Parallel()
	batchTest(t, 4, 1, func(b *bed) {
		stop := make(chan struct{})
		time.AfterFunc(50*time.Millisecond, func() { close(stop) }) // all four are in hand
		if out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Stop: stop}); out.err != nil || len(out.results) != 4 {
			t.Errorf("%d results, %v; want 4 and no error", len(out.results), out.err)
		}
	})
}

func TestAHardReasonReplacesASoftOne(t *testing.T) {
	t.Parallel()
	batchTest(t, 20, 1, func(b *bed) {
		b.server.Inject(asleeptest.QuotaExceeded())
		stop := make(chan struct{})
		time.AfterFunc(50*time.Millisecond, func() { close(stop) })
		b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Stop: stop}).stopped(t, client.ErrQuotaExceeded)
	})
}

func TestTheEndOfTheContextEndsABatchAtOnce(t *testing.T) {
	t.Parallel()
	why := errors.New("shutting down")
	batchTest(t, 100, 4, func(b *bed) {
		ctx, cancel := context.WithCancelCause(b.Context())
		time.AfterFunc(3050*time.Millisecond, func() { cancel(why) })
		out := b.fetch(ctx, ids(b.users()), client.BatchOptions{Details: true})
		stopped := out.stopped(t, context.Canceled)
		if !errors.Is(stopped, why) || b.elapsed() != 3050*time.Millisecond || b.server.Stats().InFlight != 0 {
			t.Errorf("%v after %v", stopped, b.elapsed())
		}
		if stopped.Token.Done() != int64(len(out.results)) {
			t.Errorf("the token says %d done; %d came", stopped.Token.Done(), len(out.results))
		}
	})
}

func TestTheEndOfTheContextEndsABatchWhoseWindowIsFull(t *testing.T) {
	t.Parallel()
	batchTest(t, 50, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0001", Latency: time.Hour})
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
		defer cancel()
		b.fetch(ctx, ids(b.users()), client.BatchOptions{Window: 10}).stopped(t, context.DeadlineExceeded)
		if b.elapsed() != 5*time.Second {
			t.Errorf("ended after %v; want 5s", b.elapsed())
		}
	})
}

func TestAfterTheEndOfTheContextNoResultIsYielded(t *testing.T) {
	t.Parallel()
	batchTest(t, 100, 1, func(b *bed) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		n, last := 0, error(nil)
		for _, err := range b.client.FetchSessions(ctx, ids(b.users()), client.Query{}, client.BatchOptions{}) {
			if n++; n == 1 {
				time.Sleep(time.Minute) // all users in hand are done by then
				cancel()
			}
			last = err
		}
		if stopped, ok := errors.AsType[*client.BatchStopped](last); n != 2 || !ok || stopped.Progress.Done != 1 || stopped.Token.Done() != 1 {
			t.Errorf("%d results, %v; want one and the stop", n, last)
		}
	})
}

func TestAnInputThatFailsStopsAfterTheUsersInHand(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	batchTest(t, 10, 2, func(b *bed) {
		input := func(yield func(string, error) bool) {
			_ = yield("user-0001", nil) && yield("user-0002", nil) && yield("", broken)
		}
		out := b.fetch(b.Context(), input, client.BatchOptions{Details: true})
		stopped := out.stopped(t, client.ErrBatchInput)
		if !errors.Is(stopped, broken) || len(out.results) != 2 || stopped.Token.Done() != 2 {
			t.Errorf("%v with %d results; want the cause and 2", stopped, len(out.results))
		}
	})
}

// A sequence that watches the same context just ends: that is not the end of
// the input.
func TestAnInputThatEndsWithTheContextIsNotComplete(t *testing.T) {
	t.Parallel()
	batchTest(t, 10, 1, func(b *bed) {
		ctx, cancel := context.WithCancel(b.Context())
		input := iter.Seq2[string, error](func(yield func(string, error) bool) {
			slow := time.NewTicker(time.Second)
			defer slow.Stop()
			for _, id := range b.users() {
				select {
				case <-ctx.Done():
					return
				case <-slow.C:
				}
				if !yield(id, nil) {
					return
				}
			}
		})
		time.AfterFunc(5500*time.Millisecond, cancel)
		out := b.fetch(ctx, input, client.BatchOptions{})
		out.stopped(t, context.Canceled)
		if len(out.results) != 5 {
			t.Errorf("%d results; want 5", len(out.results))
		}
	})
}

func TestProgressIsToldNowAndThenAndAtTheEnd(t *testing.T) {
	t.Parallel()
	batchTest(t, 100, 3, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0007", Status: 404, Body: `{"detail":"user does not exist"}`})
		b.server.Inject(asleeptest.Fault{User: "user-0009", Status: 503, Times: 2})
		b.server.Inject(asleeptest.Fault{User: "user-0011", Status: 429, Times: 1})
		var running atomic.Int32
		var told []client.BatchProgress
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{
			Details: true, Concurrency: 4, Total: 100, ProgressEvery: 2 * time.Second,
			Progress: func(p client.BatchProgress) {
				if running.Add(1) != 1 {
					t.Error("Progress is called twice at once")
				}
				told = append(told, p)
				running.Add(-1)
			},
		})
		if out.err != nil {
			t.Fatal(out.err)
		}
		for i, p := range told[:len(told)-1] {
			if want := time.Duration(i+1) * 2 * time.Second; p.Elapsed != want || p.InHand == 0 {
				t.Errorf("%d: %+v; want it after %v", i, p, want)
			}
			// Four calls of 100 ms at a time.
			if p.Rate < 36 || p.Rate > 41 {
				t.Errorf("%d: rate %v; want nearly 40", i, p.Rate)
			}
		}
		last := told[len(told)-1]
		last.Rate = 0
		want := client.BatchProgress{
			Total: 100, Read: 100, Done: 100, Failed: 1, Sessions: 297, Reports: 297,
			Calls: 100 + 297, Attempts: 100 + 297 + 3, Retries: 3, RateLimited: 1, Elapsed: b.elapsed(),
		}
		if last != want {
			t.Errorf("at the end %+v\nwant %+v", last, want)
		}
	})
}
