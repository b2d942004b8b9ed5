package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestCreateIsNeverSentTwiceOnceItMayHaveBeenProcessed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step   http.HandlerFunc
		status int // 0: an error
	}{
		"connection dropped after the request": {drop, 0},
		"answer truncated":                     {truncated(201), 0},
		"answer over the limit":                {answer(201, strings.Repeat("x", 2000)), 0},
		"no answer in time":                    {hang, 0},
		"500":                                  {answer(500, `{"detail":"internal"}`), 500},
		"503 with Retry-After":                 {answer(503, "", "Retry-After", "1"), 503},
		"408":                                  {answer(408, ""), 408},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, steps(c.step), nil, func(u *upstream) {
				res := u.call(u.t.Context(), "POST", func(c *transport.Call) { c.Limits.MaxBody = 1000 })
				if n := len(u.requests()); n != 1 {
					t.Errorf("sent %d times", n)
				}
				if !res.MaybeCreated || res.status != c.status || (c.status == 0) != errors.Is(res.err, transport.ErrMaybeCreated) {
					t.Errorf("MaybeCreated %v, status %d, err %v", res.MaybeCreated, res.status, res.err)
				}
			})
		})
	}
}

func TestCreateOnAPooledConnectionThatDropsIsNotReplayedByNetHTTP(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(ok, drop, ok), nil, func(u *upstream) {
		u.get()
		req, _ := http.NewRequestWithContext(u.t.Context(), "POST", "http://api.test/ai/v1/users", strings.NewReader("{}"))
		req.Header.Set("Idempotency-Key", "a middleware's idea") // would make net/http replay it
		_, err := u.doer.Do(req)
		seen := u.requests()
		if !errors.Is(err, transport.ErrMaybeCreated) || len(seen) != 2 || u.net.Dials() != 1 {
			t.Errorf("err %v, %d requests over %d connections; want one create, on the pooled connection", err, len(seen), u.net.Dials())
		}
		if got := seen[1].header.Get("Idempotency-Key"); got != "" {
			t.Errorf("Idempotency-Key %q was sent", got)
		}
		if req.Header.Get("Idempotency-Key") == "" {
			t.Error("the caller's headers were changed")
		}
	})
}

func TestCreateIsRepeatedWhenNothingCanHaveBeenSent(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(answer(201, "{}")), nil, func(u *upstream) {
		u.net.RefuseNext(3)
		res := u.call(u.t.Context(), "POST")
		if res.err != nil || res.status != 201 || res.MaybeCreated || res.Attempts != 4 || res.took != 175*ms {
			t.Errorf("status %d, err %v, %d attempts in %v, MaybeCreated %v", res.status, res.err, res.Attempts, res.took, res.MaybeCreated)
		}
		if seen := u.requests(); len(seen) != 1 || seen[0].body != `{"metadata":{}}` {
			t.Errorf("upstream saw %+v; want the body once, whole", seen)
		}
	})
	inBubble(t, steps(ok), nil, func(u *upstream) {
		u.net.RefuseNext(9)
		res := u.call(u.t.Context(), "POST")
		if res.err == nil || errors.Is(res.err, transport.ErrMaybeCreated) || res.MaybeCreated || res.Outcome.Sent {
			t.Errorf("err %v, MaybeCreated %v; nothing was ever sent", res.err, res.MaybeCreated)
		}
	})
}

// The pool's connection dies while idle, and the server is gone: net/http
// notices before it writes and dials anew, which is refused.
func TestCreateOnAStaleConnectionWithTheServerGoneIsKnownUnsent(t *testing.T) {
	t.Parallel()
	closing := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		_ = conn.Close()
	}
	for _, settled := range []bool{false, true} { // before and after net/http has seen the close
		inBubble(t, steps(closing), nil, func(u *upstream) {
			u.get()
			u.net.RefuseNext(99)
			if settled {
				synctest.Wait()
			}
			res := u.call(u.t.Context(), "POST")
			if res.MaybeCreated || res.Outcome.Sent || res.Attempts != 4 {
				t.Errorf("settled %v: MaybeCreated %v after %d attempts: %v", settled, res.MaybeCreated, res.Attempts, res.err)
			}
		})
	}
}

func TestCreateRefusedBeforeWorkIsRepeatedWithItsBody(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited, answer(429, ""), answer(201, "{}")), nil, func(u *upstream) {
		res := u.call(u.t.Context(), "POST")
		if res.status != 201 || res.MaybeCreated {
			t.Errorf("status %d, MaybeCreated %v, err %v", res.status, res.MaybeCreated, res.err)
		}
		for _, r := range u.requests() {
			if r.body != `{"metadata":{}}` {
				t.Errorf("body %q", r.body)
			}
		}
	})
}

func TestCreateRefusedForGoodIsNotMaybeCreated(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 409, 422} {
		inBubble(t, steps(answer(status, "{}")), nil, func(u *upstream) {
			if res := u.call(u.t.Context(), "POST"); res.MaybeCreated || res.Attempts != 1 {
				t.Errorf("%d: MaybeCreated %v, %d attempts", status, res.MaybeCreated, res.Attempts)
			}
		})
	}
}

func TestCreateCanceledInFlightIsMaybeCreatedButNotBeforeSending(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(hang), nil, func(u *upstream) {
		ctx, cancel := context.WithTimeout(u.t.Context(), time.Second)
		defer cancel()
		res := u.call(ctx, "POST")
		if !errors.Is(res.err, transport.ErrMaybeCreated) || !errors.Is(res.err, context.DeadlineExceeded) {
			t.Errorf("in flight: %v", res.err)
		}
		res = u.call(ctx, "POST")
		if errors.Is(res.err, transport.ErrMaybeCreated) || !errors.Is(res.err, context.DeadlineExceeded) || res.Attempts != 0 {
			t.Errorf("before sending: %v after %d attempts", res.err, res.Attempts)
		}
	})
	inBubble(t, steps(limited7), nil, func(u *upstream) {
		ctx, cancel := context.WithCancel(u.t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		if res := u.call(ctx, "POST"); errors.Is(res.err, transport.ErrMaybeCreated) || !errors.Is(res.err, context.Canceled) {
			t.Errorf("while waiting out a rate limit: %v", res.err)
		}
	})
}

// A transport that reports no connection events proves nothing.
func TestCreateOverASilentTransportIsAssumedSent(t *testing.T) {
	t.Parallel()
	sent := 0
	cfg := config(transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		sent++
		return nil, io.ErrUnexpectedEOF
	}))
	req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://api.test/ai/v1/users", nil)
	if _, err := transport.New(cfg).Do(req); !errors.Is(err, transport.ErrMaybeCreated) || sent != 1 {
		t.Errorf("sent %d times: %v", sent, err)
	}
}

// A policy that swallows the attempt's error cannot make a lost create look safe.
func TestCreateStaysMaybeCreatedWhenAPolicyReplacesTheError(t *testing.T) {
	t.Parallel()
	swallow := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, errors.New("something else")
			}
			return resp, nil
		})
	}
	inBubble(t, steps(drop), func(c *transport.Config) { c.Inner = []transport.Policy{swallow} }, func(u *upstream) {
		if res := u.call(u.t.Context(), "POST"); !errors.Is(res.err, transport.ErrMaybeCreated) || res.Attempts != 1 {
			t.Errorf("err %v after %d attempts", res.err, res.Attempts)
		}
	})
}

func TestDeleteThatMeets404AfterAnAmbiguousFailureHadWorked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps []http.HandlerFunc
		want  int
	}{
		"lost answer":         {steps(drop, gone), 204},
		"gateway error":       {steps(answer(502, ""), gone), 204},
		"timeout":             {steps(hang, gone), 204},
		"then busy, then 404": {steps(drop, limited, gone), 204},
		"first answer":        {steps(gone), 404},
		"after a rate limit":  {steps(limited, gone), 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, c.steps, nil, func(u *upstream) {
				res := u.call(u.t.Context(), "DELETE")
				if res.err != nil || res.status != c.want {
					t.Fatalf("status %d, err %v; want %d", res.status, res.err, c.want)
				}
				if already := c.want == 204; res.AlreadyGone != already {
					t.Errorf("AlreadyGone = %v", res.AlreadyGone)
				}
				if c.want == 204 && (res.body != "" || res.Outcome.Class != transport.ClassOK) {
					t.Errorf("204 with body %q and outcome %v", res.body, res.Outcome.Class)
				}
			})
		})
	}
	t.Run("dial refused", func(t *testing.T) {
		t.Parallel()
		inBubble(t, steps(gone), nil, func(u *upstream) {
			u.net.RefuseNext(1)
			if res := u.call(u.t.Context(), "DELETE"); res.status != 404 || res.AlreadyGone {
				t.Errorf("status %d, AlreadyGone %v: nothing had been sent before", res.status, res.AlreadyGone)
			}
		})
	})
	t.Run("get", func(t *testing.T) {
		t.Parallel()
		inBubble(t, steps(drop, gone), nil, func(u *upstream) {
			if res := u.get(); res.status != 404 {
				t.Errorf("status %d: only a delete can have worked", res.status)
			}
		})
	})
}
