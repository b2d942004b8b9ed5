//go:build unix

package rediscache_test

import (
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// TestANightThatCompletesMakesTheListsOfAllProcessesFresh: one client is the receiver's, the
// other that of an app elsewhere.
func TestANightThatCompletesMakesTheListsOfAllProcessesFresh(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	fake := asleeptest.NewServer(t, asleeptest.Config{Users: 2, SessionsPerUser: 3, Seed: 1})
	clients := make([]*client.Client, 2)
	for i := range clients {
		near, err := memory.New(memory.Options{})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := cache.New(near, cache.WithFar(open(t, calm(s.Addr), rediscache.Options{})), cache.WithGuard(patient()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		c, err := client.New("sk-live-42", client.WithBaseURL(fake.URL), client.WithCache(kept))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		clients[i] = c
	}
	receiver, app := clients[0], clients[1]
	list := func(c *client.Client, user string) (n int, from cache.Origin) {
		for _, err := range c.Sessions(t.Context(), user, client.Query{}, client.WithOrigin(&from)) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n, from
	}
	for _, user := range []string{"user-0001", "user-0002"} {
		eventually(t, func() bool {
			n, from := list(app, user)
			return n == 3 && from.Tier == cache.TierFar
		})
	}
	night := time.Now().Add(-12 * time.Hour)
	if _, err := fake.AddSession("user-0001", asleeptest.Session{Start: night, Length: 8 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if n, _ := list(app, "user-0001"); n != 3 {
		t.Errorf("%d sessions before the webhook: nothing was kept", n)
	}
	if err := receiver.InvalidateUser(t.Context(), "user-0001"); err != nil {
		t.Fatal(err)
	}
	if n, from := list(app, "user-0001"); n != 4 || from.Tier != cache.TierNone {
		t.Errorf("the next call after the webhook: %d sessions from %q", n, from.Tier)
	}
	if n, from := list(app, "user-0002"); n != 3 || from.Tier != cache.TierFar {
		t.Errorf("another user: %d sessions from %q", n, from.Tier)
	}
}
