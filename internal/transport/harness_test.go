package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/pipenet"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// The key and the user of every call, which nothing may tell.
const (
	secret   = canary.Key
	secretID = canary.User
)

// request is one request as the upstream saw it.
type request struct {
	at     time.Duration // since the bubble began
	method string
	path   string
	header http.Header
	body   string
}

// upstream is a real net/http server and the pipeline in front of it, joined by
// pipes inside a synctest bubble.
type upstream struct {
	t     *testing.T
	start time.Time
	net   *pipenet.Listener
	pool  *http.Transport
	doer  *transport.Doer

	mu    sync.Mutex
	seen  []request
	steps []http.HandlerFunc
}

// inBubble runs test against an upstream that plays the steps in turn and then
// repeats the last one.
func inBubble(t *testing.T, steps []http.HandlerFunc, configure func(*transport.Config), test func(*upstream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{t: t, start: time.Now(), net: pipenet.Listen(), steps: steps}
		server := &http.Server{Handler: u}
		go func() { _ = server.Serve(u.net) }()
		u.pool = transport.NewPool(transport.PoolConfig{DialContext: u.net.DialContext})
		cfg := config(u.pool)
		if configure != nil {
			configure(&cfg)
		}
		u.doer = transport.New(cfg)
		t.Cleanup(func() {
			u.pool.CloseIdleConnections()
			_ = server.Close()
		})
		test(u)
	})
}

// config is the default pipeline with jitter fixed at one half.
func config(base http.RoundTripper) transport.Config {
	retry := transport.DefaultRetry()
	retry.Rand = func() float64 { return 0.5 }
	return transport.Config{
		Base: base, APIKey: transport.NewKey(secret), BaseURL: &url.URL{Scheme: "http", Host: "api.test"},
		UserAgent: "asleep-go/test", Retry: retry,
	}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, request{time.Since(u.start), r.Method, r.URL.Path, r.Header.Clone(), string(body)})
	step := u.steps[min(len(u.seen), len(u.steps))-1]
	u.mu.Unlock()
	step(w, r)
}

// requests returns what the upstream has seen so far.
func (u *upstream) requests() []request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]request(nil), u.seen...)
}

// result is all that a call came to.
type result struct {
	*transport.Call
	status int
	header http.Header
	body   string
	err    error
	took   time.Duration
}

// call makes one call. The path holds a user id that must never be printed.
func (u *upstream) call(ctx context.Context, method string, set ...func(*transport.Call)) result {
	u.t.Helper()
	call := &transport.Call{Op: "op", Route: "/ai/v1/users/{user_id}"}
	for _, f := range set {
		f(call)
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(`{"metadata":{}}`)
	}
	req, err := http.NewRequestWithContext(transport.WithCall(ctx, call), method, "http://api.test/ai/v1/users/"+secretID, body)
	if err != nil {
		u.t.Fatal(err)
	}
	start := time.Now()
	resp, err := u.doer.Do(req)
	res := result{Call: call, err: err, took: time.Since(start)}
	if err == nil {
		res.status, res.header = resp.StatusCode, resp.Header
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			u.t.Fatalf("a body in memory failed to read: %v", err)
		}
		res.body = string(data)
	}
	res.record()
	return res
}

// record lets the canary look at what a call came to.
func (r result) record() {
	canary.RecordValue("a call of the pipeline", r.Call, r.err)
}

func (u *upstream) get(set ...func(*transport.Call)) result {
	u.t.Helper()
	return u.call(u.t.Context(), http.MethodGet, set...)
}

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
	ok       = answer(200, `{"detail":"OK","result":{}}`)
	busy     = answer(503, "")
	gone     = answer(404, `{"detail":"user does not exist"}`)
	limited  = answer(403, `{"detail":"Rate limit exceeded"}`)
	limited1 = answer(403, `{"detail":"Rate limit exceeded"}`, "Retry-After", "1")
	limited7 = answer(403, `{"detail":"Rate limit exceeded"}`, "Retry-After", "7")
)

// drop closes the connection without an answer, after the request was read.
func drop(w http.ResponseWriter, _ *http.Request) { raw(w, "") }

// truncated announces more than it sends.
func truncated(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		raw(w, fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 100\r\n\r\n{\"detail\":", status))
	}
}

// brokenChunk ends a chunked body in the middle of a chunk.
func brokenChunk(w http.ResponseWriter, _ *http.Request) {
	raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"detail\":")
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// hangBody sends headers and a beginning, then nothing more.
func hangBody(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"detail":`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
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

func steps(s ...http.HandlerFunc) []http.HandlerFunc { return s }
