package client_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/pipenet"
	"github.com/asleep-sdk/asleep/internal/transport"
)

const (
	secret  = canary.Key
	user    = canary.User
	session = "20260314135107_k7q2m"
)

// mocked returns a client whose wire is a mock that fails the test on any
// request that was not registered.
func mocked(t *testing.T, opts ...client.Option) (*client.Client, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(func(req *http.Request) (*http.Response, error) {
		t.Errorf("unexpected request %s %s", req.Method, req.URL)
		return httpmock.NewStringResponse(http.StatusTeapot, ""), nil
	})
	opts = append([]client.Option{client.WithHTTPClient(&http.Client{Transport: mock})}, opts...)
	return newClient(t, opts...), mock
}

// newClient makes a client that does not hold requests back unless opts say so: its
// tests are about other things, and count in exact time.
func newClient(tb testing.TB, opts ...client.Option) *client.Client {
	tb.Helper()
	c, err := client.New(secret, append(append(bare(), client.WithLogger(recorded())), opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// recorded is a log that the canary looks at.
func recorded() *slog.Logger {
	return slog.New(slog.NewTextHandler(canary.Log("a client's log"), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// bare turns off the policies that would get in the way of tests of anything else.
func bare() []client.Option {
	return []client.Option{
		client.WithThrottle(client.Throttle{}), client.WithBulkhead(client.Bulkhead{}),
		client.WithBreaker(client.Breaker{}), client.WithBudget(client.Budget{}),
	}
}

// answering returns a client whose every request is answered so, and counts them.
func answering(tb testing.TB, status int, body string, opts ...client.Option) (*client.Client, *int) {
	tb.Helper()
	n := new(int)
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		*n++
		return response(req, status, body), nil
	})
	opts = append([]client.Option{client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(client.Retry{})}, opts...)
	return newClient(tb, opts...), n
}

// offline returns a client that fails the test if anything is sent.
func offline(t *testing.T) *client.Client {
	t.Helper()
	c, _ := mocked(t)
	return c
}

func response(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

func fixture(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "fixtures", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// seen is one request as the upstream saw it.
type seen struct {
	at     time.Duration // since the bubble began
	method string
	target string // path and query as they were on the wire
	header http.Header
	body   string
}

// upstream is a real net/http server, joined to the client by pipes inside a
// synctest bubble.
type upstream struct {
	*testing.T
	client *client.Client
	net    *pipenet.Listener
	start  time.Time

	mu    sync.Mutex
	log   []seen
	steps []http.HandlerFunc
}

// inBubble runs test against an upstream that plays the steps in turn and then
// repeats the last one. Jitter is fixed at one half.
func inBubble(t *testing.T, steps []http.HandlerFunc, test func(*upstream), opts ...client.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{T: t, net: pipenet.Listen(), start: time.Now(), steps: steps}
		server := &http.Server{Handler: u}
		go func() { _ = server.Serve(u.net) }()
		t.Cleanup(func() { _ = server.Close() })
		retry := client.DefaultRetry()
		retry.Rand = func() float64 { return 0.5 }
		u.client = newClient(t, append([]client.Option{
			client.WithBaseURL("http://localhost"), client.WithRetry(retry),
			client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: u.net.DialContext}}),
		}, opts...)...)
		test(u)
	})
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.log = append(u.log, seen{time.Since(u.start), r.Method, r.RequestURI, r.Header.Clone(), string(body)})
	step := u.steps[min(len(u.log), len(u.steps))-1]
	u.mu.Unlock()
	step(w, r)
}

func (u *upstream) requests() []seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]seen(nil), u.log...)
}

// times returns when the requests arrived.
func (u *upstream) times() (list []time.Duration) {
	for _, r := range u.requests() {
		list = append(list, r.at)
	}
	return list
}

func steps(s ...http.HandlerFunc) []http.HandlerFunc { return s }

// answer replies with a status, a body and header pairs.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var (
	busy    = answer(503, "")
	limited = answer(403, `{"detail":"Rate limit exceeded"}`)
	gone    = answer(404, `{"detail":"user does not exist"}`)
	aUser   = answer(200, `{"detail":"success","result":{"user_id":"u","to_be_deleted":false}}`)
)

// drop closes the connection without an answer, after the request was read.
func drop(w http.ResponseWriter, _ *http.Request) { raw(w, "") }

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// after answers late, and not at all if nobody waits any more.
func after(d time.Duration, step http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			step(w, r)
		case <-r.Context().Done():
		}
	}
}

// truncated announces more than it sends.
func truncated(w http.ResponseWriter, _ *http.Request) {
	raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"detail\":")
}

// raw writes bytes to the connection and closes it.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// operations makes every call of the client once, by its name in the contract.
var operations = []struct {
	name string
	call func(context.Context, *client.Client, ...client.CallOption) error
}{
	{"createUser", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.CreateUser(ctx, nil, o...)
		return err
	}},
	{"getUser", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.User(ctx, user, o...)
		return err
	}},
	{"deleteUser", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		return c.DeleteUser(ctx, user, o...)
	}},
	{"getSession", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.Session(ctx, user, session, o...)
		return err
	}},
	{"listSessions", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.ListSessions(ctx, user, client.PageQuery{}, o...)
		return err
	}},
	{"deleteSession", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		return c.DeleteSession(ctx, user, session, o...)
	}},
	{"deleteAllSessions", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		return c.DeleteAllSessions(ctx, user, o...)
	}},
	{"getAverageStats", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.AverageStats(ctx, user, date("2026-03-01"), date("2026-03-31"), o...)
		return err
	}},
	{"do", func(ctx context.Context, c *client.Client, o ...client.CallOption) error {
		_, err := c.Do(ctx, client.Request{Method: "GET", Path: "/ai/v2/thing", UserID: user}, o...)
		return err
	}},
}

func mustDecode(tb testing.TB, body string, into any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(body), into); err != nil {
		tb.Fatal(err)
	}
}
