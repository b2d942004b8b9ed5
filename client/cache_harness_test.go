package client_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// newCache makes a cache with a near tier and, on a hub, a far one.
func newCache(tb testing.TB, hub *cachetest.Hub, opts ...cache.Option) *cache.Cache {
	tb.Helper()
	if hub != nil {
		opts = append(opts, cache.WithFar(hub.Link()))
	}
	c, err := cache.New(new(cachetest.Map), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// cached gives the upstream a client with a cache, made inside the bubble.
func (u *upstream) cached(opts ...cache.Option) {
	u.client = newClient(u, client.WithBaseURL("http://localhost"), client.WithRetry(client.Retry{}),
		client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: u.net.DialContext}}), client.WithCache(newCache(u, nil, opts...)))
}

// complete is a report that never changes, of the session.
func complete(t *testing.T, id string) string {
	t.Helper()
	body := fixture(t, "session_complete_timezone_seoul.json")
	var env struct{ Result asleep.Report }
	mustDecode(t, body, &env)
	return strings.ReplaceAll(body, env.Result.Session.ID, id)
}

// recorder is an upstream that answers by path and notes what was asked.
type recorder struct {
	mu      sync.Mutex
	asked   []string
	answers map[string]string // by method and the beginning of the path
	status  int               // 0 is 200
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, req.Method+" "+req.URL.Path+" "+req.Header.Get("X-User-Id")+" "+req.Header.Get("Timezone")+" "+req.URL.RawQuery)
	if r.status != 0 {
		return response(req, r.status, `{"detail":"it went wrong"}`), nil
	}
	for prefix, body := range r.answers {
		if strings.HasPrefix(req.Method+" "+req.URL.Path, prefix) {
			return response(req, http.StatusOK, body), nil
		}
	}
	return response(req, http.StatusNoContent, ""), nil
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func (r *recorder) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	return &recorder{answers: map[string]string{
		"GET /data/v3/sessions/": complete(t, session),
		"GET /data/v1/sessions":  fixture(t, "list_mixed_states.json"),
		"GET /data/v1/users/":    fixture(t, "average_stats_full.json"),
		"GET /ai/v1/users/":      fixture(t, "user_get.json"),
	}}
}

// client returns a client before the recorder.
func (r *recorder) client(tb testing.TB, c *cache.Cache, opts ...client.Option) *client.Client {
	tb.Helper()
	return newClient(tb, append([]client.Option{
		client.WithHTTPClient(&http.Client{Transport: transport.RoundTripFunc(r.RoundTrip)}), client.WithRetry(client.Retry{}), client.WithCache(c),
	}, opts...)...)
}

// reads are the calls whose answers are kept.
var reads = map[string]func(context.Context, *client.Client, ...client.CallOption) (any, error){
	"report": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.Session(ctx, user, session, o...)
	},
	"page": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.ListSessions(ctx, user, client.PageQuery{PageSize: 5}, o...)
	},
	"averages": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.AverageStats(ctx, user, date("2026-03-01"), date("2026-03-31"), o...)
	},
}
