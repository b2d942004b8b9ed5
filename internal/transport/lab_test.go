package transport_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// lab is a pipeline over an upstream that is a function, inside a bubble: for
// tests of policies, where connections do not matter.
type lab struct {
	t     *testing.T
	start time.Time
	doer  *transport.Doer

	mu   sync.Mutex
	sent []time.Duration // when each attempt reached the upstream
}

// play is an upstream: what it answers at a time since the bubble began.
type play func(r *http.Request, at time.Duration) (*http.Response, error)

// inLab runs test with the default pipeline, jitter fixed at one half, changed by
// configure.
func inLab(t *testing.T, upstream play, configure func(*transport.Config), test func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, start: time.Now()}
		cfg := config(transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			at := time.Since(l.start)
			l.mu.Lock()
			l.sent = append(l.sent, at)
			l.mu.Unlock()
			return upstream(r, at)
		}))
		if configure != nil {
			configure(&cfg)
		}
		// The logs of all labs are looked at.
		logger := slog.New(slog.NewTextHandler(canary.Log("the pipeline's log"), &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Hooks = append(cfg.Hooks, transport.LogHooks(logger))
		l.doer = transport.New(cfg)
		test(l)
	})
}

// do makes one call.
func (l *lab) do(ctx context.Context, set ...func(*transport.Call)) result {
	call := &transport.Call{Op: "getUser", Route: "/ai/v1/users/{user_id}", User: secretID, Kind: transport.KindGet}
	for _, f := range set {
		f(call)
	}
	method := http.MethodGet
	switch call.Kind {
	case transport.KindDelete:
		method = http.MethodDelete
	case transport.KindCreate:
		method = http.MethodPost
	case transport.KindOther, transport.KindGet, transport.KindList, transport.KindPing:
	}
	req, err := http.NewRequestWithContext(transport.WithCall(ctx, call), method, "http://api.test/ai/v1/users/"+secretID, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	start := time.Now()
	resp, err := l.doer.Do(req)
	res := result{Call: call, err: err, took: time.Since(start)}
	if err == nil {
		res.status, res.header = resp.StatusCode, resp.Header
	}
	res.record()
	return res
}

func (l *lab) get(set ...func(*transport.Call)) result { return l.do(l.t.Context(), set...) }

// attempts returns when attempts have reached the upstream so far.
func (l *lab) attempts() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Duration(nil), l.sent...)
}

// since is the time since the bubble began.
func (l *lab) since() time.Duration { return time.Since(l.start) }

// until sleeps until a time since the bubble began.
func (l *lab) until(at time.Duration) { time.Sleep(at - l.since()) }

// reply makes an answer.
func reply(status int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2}
}

// always answers with one status.
func always(status int) play {
	return func(*http.Request, time.Duration) (*http.Response, error) { return reply(status), nil }
}

// script answers with the statuses in turn, then with the last; 0 is a refused
// connection.
func script(statuses ...int) play {
	var mu sync.Mutex
	n := 0
	return func(*http.Request, time.Duration) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		status := statuses[min(n, len(statuses)-1)]
		n++
		if status == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return reply(status), nil
	}
}

// downUntil is an upstream that is down until a time.
func downUntil(heal time.Duration) play {
	return func(_ *http.Request, at time.Duration) (*http.Response, error) {
		if at < heal {
			return reply(503), nil
		}
		return reply(200), nil
	}
}

// once is the option of a call that is sent once.
func once(c *transport.Call) { c.Limits.Attempts = 1 }

// patient is the option of a call that waits for the breaker.
func patient(c *transport.Call) { c.Limits.Patient = true }

// breakers returns a change of configuration that puts in a breaker; jitter is
// fixed at one half, which is none.
func breakers(t *testing.T, change func(*transport.BreakerConfig)) func(*transport.Config) {
	t.Helper()
	return func(c *transport.Config) {
		cfg := transport.DefaultBreaker()
		cfg.Rand = func() float64 { return 0.5 }
		if change != nil {
			change(&cfg)
		}
		var err error
		if c.Breakers, err = transport.NewBreakers(cfg); err != nil {
			t.Fatal(err)
		}
	}
}

// breaker is a snapshot of the only breaker.
func (l *lab) breaker() transport.BreakerStats { return l.doer.Stats().Breakers[0] }

func (l *lab) wantState(want transport.BreakerState) {
	l.t.Helper()
	if got := l.breaker().State; got != want {
		l.t.Errorf("at %v the breaker is %v, want %v", l.since(), got, want)
	}
}

// newRandom returns a repeatable source of numbers in [0, 1), safe for concurrent
// use.
func newRandom(seed uint64) func() float64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Float64()
	}
}
