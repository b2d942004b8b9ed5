package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

func TestBatchFetchesEverySessionOfEveryUser(t *testing.T) {
	t.Parallel()
	for _, details := range []bool{false, true} {
		batchTest(t, 60, 7, func(b *bed) {
			out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: details})
			if out.err != nil {
				t.Fatal(out.err)
			}
			b.wantAll(out.byUser(t), b.users(), details)
			want := 60
			if details {
				want += 60 * 7
			}
			if got := b.server.Stats(); got.Requests != want || got.Peak != client.DefaultBatchConcurrency {
				t.Errorf("%d requests, %d at once; want %d, %d", got.Requests, got.Peak, want, client.DefaultBatchConcurrency)
			}
			for _, r := range out.results {
				if r.Began.IsZero() || time.Since(r.Began) < 100*time.Millisecond || time.Since(r.Began) > b.elapsed() {
					t.Errorf("it began %v ago, after %v in all", time.Since(r.Began), b.elapsed())
				}
				if r.Calls != want/60 || r.Attempts != want/60 || r.User != b.users()[r.Index] {
					t.Errorf("result %+v: want %d calls and the index of its user", r, want/60)
				}
			}
		})
	}
}

func TestBatchKeepsEverySlotBusy(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 3, 8, 32} {
		batchTest(t, 64, 7, func(b *bed) {
			out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Concurrency: concurrency})
			ideal := time.Duration(64*8) * 100 * time.Millisecond / time.Duration(concurrency)
			if out.err != nil || b.elapsed() < ideal || b.elapsed() > ideal+ideal/20+400*time.Millisecond {
				t.Errorf("%d at once took %v, %v; want little more than %v", concurrency, b.elapsed(), out.err, ideal)
			}
		})
	}
}

func TestBatchListsMoreThanOnePageAndHonoursTheQuery(t *testing.T) {
	t.Parallel()
	batchTest(t, 3, 25, func(b *bed) {
		q := client.Query{PageSize: 10, Limit: 12}
		for r, err := range b.client.FetchSessions(b.Context(), ids(b.users()), q, client.BatchOptions{}) {
			if err != nil || len(r.Sessions) != 12 || r.Calls != 2 {
				t.Errorf("%d sessions in %d calls, %v; want 12 in 2", len(r.Sessions), r.Calls, err)
			}
		}
	})
}

func TestBatchWithoutUsersEndsQuietly(t *testing.T) {
	t.Parallel()
	batchTest(t, 1, 1, func(b *bed) {
		if out := b.fetch(b.Context(), ids(nil), client.BatchOptions{}); out.err != nil || out.results != nil {
			t.Errorf("got %+v; want nothing", out)
		}
	})
}

func TestAFailingUserNeitherEndsNorHidesTheOthers(t *testing.T) {
	t.Parallel()
	batchTest(t, 40, 3, func(b *bed) {
		list := b.users()
		b.server.Inject(asleeptest.Fault{User: list[4], Status: 500})
		b.server.Inject(asleeptest.Fault{User: list[5], Status: 401, Body: `{"detail":"x-user-id is invalid"}`})
		b.server.Inject(asleeptest.Fault{User: list[6], Op: asleeptest.GetSession, Cut: asleeptest.CutLength})
		b.server.Inject(asleeptest.Fault{User: list[7], Op: asleeptest.GetSession, Status: 200, Body: `{"detail":"OK","result":null}`})
		list[8] = ".."
		out := b.fetch(b.Context(), ids(list), client.BatchOptions{Details: true})
		if out.err != nil {
			t.Fatal(out.err)
		}
		got := out.byUser(t)
		for i, want := range map[int]error{
			4: client.ErrUnavailable, 5: client.ErrUserIDInvalid, 6: client.ErrTruncated, 7: client.ErrDecode, 8: client.ErrInvalid,
		} {
			if r := got[list[i]]; !errors.Is(r.Err, want) || r.Index != int64(i) {
				t.Errorf("user %d: %v, index %d; want %v", i, r.Err, r.Index, want)
			}
			delete(got, list[i])
		}
		b.wantAll(got, append(b.users()[:4:4], b.users()[9:]...), true)
		if last := out.results[len(out.results)-1].Token; last.Failed() != 5 || last.Done() != 40 {
			t.Errorf("the last token says %d failed of %d; want 5 of 40", last.Failed(), last.Done())
		}
	})
}

func TestAUserWhoFailsCostsNoFurtherCalls(t *testing.T) {
	t.Parallel()
	batchTest(t, 1, 50, func(b *bed) {
		b.server.Inject(asleeptest.Fault{Op: asleeptest.GetSession, Skip: 2, Times: 1, Status: 400, Body: `{"detail":"no"}`})
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Concurrency: 4})
		if r := out.byUser(t)["user-0001"]; out.err != nil || !errors.Is(r.Err, client.ErrInvalid) {
			t.Fatalf("%v, %v; want the failure of the user", r.Err, out.err)
		}
		if n := b.server.Count(asleeptest.GetSession); n > 8 { // four, and those that may leave at the same moment
			t.Errorf("%d reports were asked for; want no more than were in flight", n)
		}
	})
}

func TestAnInvalidIDFailsWithoutACall(t *testing.T) {
	t.Parallel()
	batchTest(t, 1, 1, func(b *bed) {
		list := []string{"", ".", "a\x00b", strings.Repeat("x", 2000), "\xff", " a"}
		out := b.fetch(b.Context(), ids(list), client.BatchOptions{})
		for _, r := range out.results {
			if !errors.Is(r.Err, client.ErrInvalid) || r.Calls != 0 {
				t.Errorf("%q: %v in %d calls; want ErrInvalid in none", r.User, r.Err, r.Calls)
			}
		}
		if n := b.server.Stats().Requests; out.err != nil || len(out.results) != len(list) || n != 0 {
			t.Errorf("%d results, %d requests, %v", len(out.results), n, out.err)
		}
	})
}

func TestSessionsDeletedMeanwhileAreCountedNotFailed(t *testing.T) {
	t.Parallel()
	batchTest(t, 2, 10, func(b *bed) {
		doomed := b.server.Sessions("user-0001")[9].ID
		time.AfterFunc(150*time.Millisecond, func() { b.server.DeleteSession("user-0001", doomed) })
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Concurrency: 2})
		r := out.byUser(t)["user-0001"]
		if out.err != nil || r.Err != nil || r.Deleted != 1 || len(r.Sessions) != 10 || len(r.Reports) != 9 {
			t.Errorf("deleted %d, listed %d, read %d, %v, %v; want 1, 10, 9", r.Deleted, len(r.Sessions), len(r.Reports), r.Err, out.err)
		}
	})
}

func TestDuplicatesAreFetchedOnceUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for keep, want := range map[bool]int{false: 3, true: 9} {
		batchTest(t, 3, 1, func(b *bed) {
			list := append(append(b.users(), b.users()...), b.users()...)
			var last client.BatchProgress
			out := b.fetch(b.Context(), ids(list), client.BatchOptions{
				KeepDuplicates: keep, Progress: func(p client.BatchProgress) { last = p },
			})
			if out.err != nil || len(out.results) != want || last.Duplicates != int64(9-want) || last.Read != 9 {
				t.Errorf("keep %t: %d results, %+v, %v; want %d", keep, len(out.results), last, out.err, want)
			}
		})
	}
}

func TestResultsComeInTheOrderOfCompletion(t *testing.T) {
	t.Parallel()
	batchTest(t, 50, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0001", Latency: 5 * time.Second})
		out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Concurrency: 4})
		if out.err != nil || len(out.results) != 50 || out.results[49].User != "user-0001" {
			t.Errorf("%d results, the slow user not last, %v", len(out.results), out.err)
		}
	})
}

func TestTheWindowBoundsHowFarABatchReadsAhead(t *testing.T) {
	t.Parallel()
	batchTest(t, 50, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0001", Latency: 5 * time.Second})
		var meter client.BatchMeter
		n := 0
		for r, err := range b.client.FetchSessions(b.Context(), ids(b.users()), client.Query{}, client.BatchOptions{
			Concurrency: 4, Window: 10, Meter: &meter,
		}) {
			if n++; n == 9 && (meter.Progress().Read != 10 || b.elapsed() > time.Second) {
				t.Errorf("read %d positions after %v; want 10 at once", meter.Progress().Read, b.elapsed())
			}
			if n == 10 && (r.User != "user-0001" || b.elapsed() < 5*time.Second) || err != nil {
				t.Errorf("%s after %v, %v; want the slow user, as the window is full", r.User, b.elapsed(), err)
			}
		}
		if n != 50 {
			t.Errorf("%d results; want 50", n)
		}
	})
}

func TestRangingTwiceRunsTheBatchTwice(t *testing.T) {
	t.Parallel()
	batchTest(t, 5, 1, func(b *bed) {
		seq := b.client.FetchSessions(b.Context(), ids(b.users()), client.Query{}, client.BatchOptions{})
		for range 2 {
			n := 0
			for _, err := range seq {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != 5 {
				t.Errorf("%d results; want 5", n)
			}
		}
		if n := b.server.Count(asleeptest.ListSessions); n != 10 {
			t.Errorf("%d requests; want 10", n)
		}
	})
}

func TestLeavingTheLoopCancelsAndWaits(t *testing.T) {
	t.Parallel()
	leave := map[string]func(next func(func(client.Batch, error) bool)){
		"break": func(seq func(func(client.Batch, error) bool)) {
			for range seq {
				break
			}
		},
		"panic": func(seq func(func(client.Batch, error) bool)) {
			defer func() {
				if got := recover(); got != "consumer" {
					t.Errorf("recovered %v", got)
				}
			}()
			for range seq {
				panic("consumer")
			}
		},
	}
	for name, leave := range leave {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			batchTest(t, 100, 5, func(b *bed) {
				var meter client.BatchMeter
				b.server.Inject(asleeptest.Fault{User: "user-0002", Hang: true})
				leave(b.client.FetchSessions(b.Context(), ids(b.users()), client.Query{}, client.BatchOptions{Details: true, Meter: &meter}))
				at, requests := b.elapsed(), b.server.Stats().Requests
				if got := b.server.Stats().InFlight; got != 0 || at > time.Second {
					t.Errorf("%d requests still in flight after %v; want none", got, at)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := b.server.Stats().Requests; got != requests {
					t.Errorf("%d requests after the loop was left", got-requests)
				}
				if p := meter.Progress(); p.Done != 1 || p.Elapsed != at {
					t.Errorf("the meter says %+v; want what it was at the end", p)
				}
			})
		})
	}
}

func TestAPanicOfTheInputReachesTheCaller(t *testing.T) {
	t.Parallel()
	batchTest(t, 3, 1, func(b *bed) {
		defer func() {
			if got := recover(); got != "input" {
				t.Errorf("recovered %v", got)
			}
		}()
		b.fetch(b.Context(), func(yield func(string, error) bool) {
			yield("user-0001", nil)
			panic("input")
		}, client.BatchOptions{})
		t.Error("no panic")
	})
}

func TestWhatIsWrongWithABatchIsSaidBeforeACall(t *testing.T) {
	t.Parallel()
	batchTest(t, 1, 1, func(b *bed) {
		var raw client.Response
		seq := b.client.FetchSessions(b.Context(), ids(b.users()), client.Query{PageSize: 101, Limit: -2}, client.BatchOptions{
			Concurrency: -1, Window: 1 << 30, Rounds: -1, MaxOutage: -time.Second, MaxDuration: -1, Drain: -1, Total: -3,
		}, client.InTimezone("Mars/Olympus"), client.RawResponse(&raw), client.WithRequestID("x"))
		n := 0
		for _, err := range seq {
			n++
			if !errors.Is(err, client.ErrInvalid) {
				t.Fatalf("got %v; want ErrInvalid", err)
			}
			for _, name := range []string{
				"page size", "limit", "Concurrency", "Window", "Rounds", "MaxOutage", "MaxDuration", "Drain", "Total",
				"timezone", "RawResponse", "WithRequestID",
			} {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%s is not named in %v", name, err)
				}
			}
		}
		if requests := b.server.Stats().Requests; n != 1 || requests != 0 {
			t.Errorf("%d results, %d requests; want 1, 0", n, requests)
		}
	})
}

func TestAnEndedContextStartsNothing(t *testing.T) {
	t.Parallel()
	batchTest(t, 3, 1, func(b *bed) {
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		stopped := b.fetch(ctx, ids(b.users()), client.BatchOptions{Total: 3}).stopped(t, context.Canceled)
		if n := b.server.Stats().Requests; n != 0 || stopped.NotStarted+stopped.Unfinished != 3 {
			t.Errorf("%d requests, %+v", n, stopped)
		}
	})
}
