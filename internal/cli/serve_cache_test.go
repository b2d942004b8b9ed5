//go:build unix

package cli_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/server"
)

func TestRedisIsWatchedWhereItIsNamed(t *testing.T) {
	t.Parallel()
	redis := dbtest.Redis(t, "--requirepass", "hunter2")
	p := newSite(t, "REDIS_URL=redis://:hunter2@"+redis.Addr+"/0").serve(t)
	of := func() server.Status { return p.health(t).Checks["redis"].Status }
	eventually(t, "it is healthy", func() bool { return of() == server.Healthy })
	redis.Kill()
	eventually(t, "it is degraded", func() bool { return of() == server.Degraded })
	if h := p.health(t); h.Status == server.Unhealthy {
		t.Errorf("it is %+v", h)
	}
	if status, _ := newHook(t, hookSecret).post(p.url, completed("user-1", "without-redis")); status != http.StatusOK {
		t.Errorf("an event without Redis: %d", status)
	}
	p.drained(t)
	redis.Restart(t)
	eventually(t, "it is healthy again", func() bool { return of() == server.Healthy })
	if _, there := newSite(t).serve(t).health(t).Checks["redis"]; there {
		t.Error("it is a part of the health without being named")
	}
	if strings.Contains(p.stderr.String(), "hunter2") {
		t.Error("the log has the password")
	}
}

// TestANightThatIsReceivedIsListedByOtherProcesses: this test is the other process, with a
// client and a cache of its own on the same Redis.
func TestANightThatIsReceivedIsListedByOtherProcesses(t *testing.T) {
	t.Parallel()
	const user = "user-0001"
	fake := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 2})
	redis := dbtest.Redis(t)
	p := newSite(t, "ASLEEP_BASE_URL="+fake.URL, "REDIS_URL=redis://"+redis.Addr).serve(t)
	app := cachedBy(t, fake.URL, redis.Addr)
	first, _ := listed(t, app, user)
	eventually(t, "the list is kept", func() bool {
		again, from := listed(t, app, user)
		if again != first {
			t.Fatalf("%d sessions, want %d", again, first)
		}
		return from.Tier == cache.TierFar
	})
	night, err := fake.AddSession(user, asleeptest.Session{})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := listed(t, app, user); n != first {
		t.Fatalf("%d sessions before the event, want the %d that are kept", n, first)
	}
	begun := time.Now()
	if status, _ := newHook(t, hookSecret).post(p.url, completed(user, night)); status != http.StatusOK {
		t.Fatalf("the event: %d: %s", status, p.stderr)
	}
	eventually(t, "the night is listed", func() bool { n, _ := listed(t, app, user); return n == first+1 })
	t.Logf("listed after %v", time.Since(begun))
}

func cachedBy(t *testing.T, url, redis string) *client.Client {
	t.Helper()
	tier, err := rediscache.Open("redis://"+redis+unhurried, rediscache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tier.Close() })
	near, err := memory.New(memory.Options{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	guard := cache.DefaultGuard()
	guard.Budget = time.Minute
	kept, err := cache.New(near, cache.WithFar(tier), cache.WithGuard(guard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	c, err := client.New(apiKey, client.WithBaseURL(url), client.WithCache(kept))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// listed counts the sessions on the first page of a user's list.
func listed(t *testing.T, c *client.Client, user string) (n int, from client.Origin) {
	t.Helper()
	page, err := c.ListSessions(t.Context(), user, client.PageQuery{}, client.WithOrigin(&from))
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Sessions), from
}
