package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/client"
)

func TestNotFoundIsKeptAsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t)
		r.answer(http.StatusNotFound)
		c := r.client(t, newCache(t, nil))
		read := func() *client.Error {
			_, err := c.Session(t.Context(), user, session)
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrNotFound) || failure.StatusCode != 404 || failure.Detail != "it went wrong" {
				t.Fatalf("%v", err)
			}
			return failure
		}
		if first := read(); first.Layer != client.LayerService || first.Attempts != 1 {
			t.Errorf("%+v", first)
		}
		kept := read()
		if kept.Layer != client.LayerCache || kept.Attempts != 0 || kept.Error() != "asleep: getSession: 404 it went wrong (kept from an earlier call)" {
			t.Errorf("%+v: %v", kept, kept)
		}
		kept.Detail, kept.StatusCode = "changed", 0
		read()
		time.Sleep(5 * time.Second)
		r.answer(0)
		if _, err := c.Session(t.Context(), user, session); err != nil || r.count() != 2 {
			t.Errorf("%v, asked %d times", err, r.count())
		}
	})
}

func TestFailuresAreSharedByValueAndNotKept(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 429, 500, 302} {
		inBubble(t, steps(after(time.Second, answer(status, `{"detail":"no"}`))), func(u *upstream) {
			u.cached()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					_, err := u.client.Session(u.Context(), user, session)
					failure, ok := errors.AsType[*client.Error](err)
					if !ok || failure.StatusCode != status {
						u.Errorf("%v", err)
						return
					}
					*failure = client.Error{} // races with the others' if it is theirs
				})
			}
			wg.Wait()
			_, _ = u.client.Session(u.Context(), user, session)
			if n := len(u.requests()); n != 2 {
				u.Errorf("%d: asked %d times, want 2", status, n)
			}
		})
	}
}

func TestAShortTimeoutCostsNobodyElse(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(after(5*time.Second, answer(200, complete(t, session)))), func(u *upstream) {
		u.cached()
		var wg sync.WaitGroup
		wg.Go(func() {
			begun := time.Now()
			_, err := u.client.Session(u.Context(), user, session, client.Timeout(time.Second))
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrOverallTimeout) || failure.Layer != client.LayerOverall || time.Since(begun) != time.Second {
				u.Errorf("%+v after %v", err, time.Since(begun))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(u.Context())
		wg.Go(func() {
			_, err := u.client.Session(ctx, user, session)
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || failure.Layer != client.LayerCaller || !errors.Is(err, context.Canceled) {
				u.Errorf("%+v", err)
			}
		})
		wg.Go(func() {
			var from client.Origin
			if _, err := u.client.Session(u.Context(), user, session, client.WithOrigin(&from)); err != nil || !from.Shared {
				u.Errorf("%v, %+v", err, from)
			}
		})
		time.Sleep(2 * time.Second)
		cancel(errors.New("enough"))
		wg.Wait()
		if n := len(u.requests()); n != 1 {
			u.Errorf("asked %d times", n)
		}
	})
}

func TestCallsWithAttemptsOfTheirOwnDoNotShare(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(after(time.Second, busy)), func(u *upstream) {
		u.cached()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = u.client.Session(u.Context(), user, session) })
		synctest.Wait()
		_, err := u.client.Session(u.Context(), user, session, client.Attempts(1))
		if failure, ok := errors.AsType[*client.Error](err); !ok || failure.Attempts != 1 {
			u.Errorf("%v", err)
		}
		wg.Wait()
	})
}

func TestAnOutageIsAnsweredStaleOnlyIfWanted(t *testing.T) {
	t.Parallel()
	keep := cache.DefaultKeep()
	keep.StaleIfError = time.Hour
	for _, keep := range []cache.Keep{cache.DefaultKeep(), keep} {
		inBubble(t, steps(answer(200, fixture(t, "list_mixed_states.json")), busy), func(u *upstream) {
			u.cached(cache.WithKeep(keep))
			for range 2 {
				if _, err := u.client.ListSessions(u.Context(), user, client.PageQuery{}); err != nil {
					u.Error(err)
				}
			}
			time.Sleep(10 * time.Minute)
			var from client.Origin
			_, err := u.client.ListSessions(u.Context(), user, client.PageQuery{}, client.WithOrigin(&from))
			if keep.StaleIfError == 0 {
				if !errors.Is(err, client.ErrUnavailable) {
					u.Errorf("%v", err)
				}
			} else if err != nil || !from.Stale || !errors.Is(from.Cause, client.ErrUnavailable) || from.Age < 10*time.Minute {
				u.Errorf("%+v, %v", from, err)
			}
		})
	}
}
