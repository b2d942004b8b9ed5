package client_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/client"
)

// deletions are the calls that take everything of a user back.
var deletions = map[string]func(context.Context, *client.Client) error{
	"user":         func(ctx context.Context, c *client.Client) error { return c.DeleteUser(ctx, user) },
	"session":      func(ctx context.Context, c *client.Client) error { return c.DeleteSession(ctx, user, "another") },
	"all sessions": func(ctx context.Context, c *client.Client) error { return c.DeleteAllSessions(ctx, user) },
	"forget":       func(ctx context.Context, c *client.Client) error { return c.ForgetUser(ctx, user) },
}

func TestDeletionsForget(t *testing.T) {
	t.Parallel()
	for name, remove := range deletions {
		for _, status := range []int{0, 500} { // who knows what a 500 has done
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(t)
				c := r.client(t, newCache(t, cachetest.NewHub()))
				for _, read := range reads {
					if _, err := read(t.Context(), c); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				r.answer(status)
				if err := remove(t.Context(), c); (err != nil) != (status != 0 && name != "forget") {
					t.Errorf("%s: %v", name, err)
				}
				for what, read := range reads {
					if _, err := read(t.Context(), c, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
						t.Errorf("%s: the %s is still there: %v", name, what, err)
					}
				}
			})
		}
	}
}

func TestADeletionThatOthersMissedWorksAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := cachetest.NewHub().Link()
		kept, err := cache.New(nil, cache.WithFar(link))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		c := newRecorder(t).client(t, kept)
		for _, broken := range []error{nil, errors.New("down"), nil} {
			link.Break(cachetest.Faults{Err: broken})
			time.Sleep(time.Minute) // if it is back, that is found out
			for name, remove := range map[string]func(...client.CallOption) error{
				"user":         func(o ...client.CallOption) error { return c.DeleteUser(t.Context(), user, o...) },
				"session":      func(o ...client.CallOption) error { return c.DeleteSession(t.Context(), user, "another", o...) },
				"all sessions": func(o ...client.CallOption) error { return c.DeleteAllSessions(t.Context(), user, o...) },
			} {
				from := client.Origin{Tier: cache.TierFar}
				if err := remove(client.WithOrigin(&from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if deferred := errors.Is(from.Deferred, cache.ErrDeferred); deferred != (broken != nil) || from.Tier != cache.TierNone {
					t.Errorf("%s, %v: %+v", name, broken, from)
				}
			}
		}
	})
}

func TestWhatIsReadDuringADeletionIsNotKept(t *testing.T) {
	t.Parallel()
	report := answer(200, complete(t, session))
	inBubble(t, steps(report, after(2*time.Second, answer(204, "")), report), func(u *upstream) {
		u.cached()
		if _, err := u.client.Session(u.Context(), user, session); err != nil {
			u.Error(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := u.client.DeleteUser(u.Context(), user); err != nil {
				u.Error(err)
			}
		})
		time.Sleep(time.Second)
		if _, err := u.client.Session(u.Context(), user, session, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
			u.Errorf("while it is being deleted: %v", err)
		}
		if _, err := u.client.Session(u.Context(), user, session); err != nil {
			u.Error(err)
		}
		wg.Wait()
		if _, err := u.client.Session(u.Context(), user, session, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
			u.Errorf("%v", err)
		}
	})
}

func TestInvalidateUserMakesListsFreshInEveryProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, r := cachetest.NewHub(), newRecorder(t)
		a, b := r.client(t, newCache(t, hub)), r.client(t, newCache(t, hub))
		synctest.Wait()
		for _, c := range []*client.Client{a, b} {
			for _, read := range reads {
				if _, err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
		}
		if r.count() != 3 {
			t.Errorf("asked %d times", r.count())
		}
		if err := a.InvalidateUser(t.Context(), user); err != nil {
			t.Error(err)
		}
		for name, read := range reads {
			_, err := read(t.Context(), b, client.CacheOnly())
			if fresh := errors.Is(err, client.ErrNotCached); fresh != (name != "report") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.client(t, nil).InvalidateUser(t.Context(), user); err != nil {
			t.Errorf("without a cache: %v", err)
		}
		if err := a.InvalidateUser(t.Context(), ""); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("no user: %v", err)
		}
	})
}
