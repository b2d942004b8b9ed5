package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// reveals fails the test if any formatting of the values shows the key or the
// user's id.
func reveals(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, hidden := range []string{secret, fmt.Sprintf("%x", secret), secretID} {
				if strings.Contains(text, hidden) {
					t.Errorf("%T formatted with %s shows %q:\n%s", v, verb, hidden, text)
				}
			}
		}
	}
}

func TestNoFormattedPartOfThePipelineShowsTheKey(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(busy, drop, ok), nil, func(u *upstream) {
		cfg := config(u.pool)
		res := u.get()
		reveals(t, cfg, &cfg, u.doer, *u.doer, cfg.APIKey, &cfg.APIKey, res.Call, *res.Call, []any{cfg})
		idle := config(transport.NewPool(transport.PoolConfig{})) // fmt asks no methods of unexported fields
		reveals(t, struct{ c transport.Config }{idle}, struct{ d *transport.Doer }{transport.New(idle)}, struct{ d transport.Doer }{*transport.New(idle)})
		if got := fmt.Sprintf("%+v %s", cfg, u.doer); got != "transport.Config{http://api.test:80} transport.Doer{}" {
			t.Errorf("a dump walks into the running pool: %s", got)
		}
		encoded, _ := json.Marshal(map[string]any{"key": cfg.APIKey})
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", cfg.APIKey, "doer", u.doer)
		reveals(t, string(encoded), log.String())
	})
}

func TestNoErrorShowsTheKeyOrTheURL(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]http.HandlerFunc{
		"dropped": drop, "truncated": truncated(200), "hung": hang, "rejected header": hangBody,
		"garbage": func(w http.ResponseWriter, _ *http.Request) { raw(w, "not http at all\r\n\r\n") },
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			inBubble(t, steps(step), nil, func(u *upstream) {
				res := u.call(u.t.Context(), method)
				if res.err == nil {
					t.Fatalf("%s %s: no error", name, method)
				}
				for err := res.err; err != nil; err = errors.Unwrap(err) {
					reveals(t, err)
				}
				if _, ok := errors.AsType[*url.Error](res.err); ok {
					t.Errorf("%s: a *url.Error is in the chain", name)
				}
				if want := method + " /ai/v1/users/{user_id}: "; !strings.HasPrefix(res.err.Error(), want) {
					t.Errorf("%q does not begin with %q", res.err, want)
				}
			})
		}
	}
}

// echoError is what a careless custom transport might return.
type echoError struct{ header http.Header }

func (e echoError) Error() string { return fmt.Sprintf("failed with %v", e.header) }

func TestAnErrorThatEchoesTheRequestIsScrubbed(t *testing.T) {
	t.Parallel()
	cfg := config(transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		return nil, echoError{r.Header}
	}))
	cfg.Retry = transport.Retry{}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/", nil)
	_, err := transport.New(cfg).Do(req)
	for e := err; e != nil; e = errors.Unwrap(e) {
		reveals(t, e)
	}
	if _, ok := errors.AsType[echoError](err); !ok || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("%v: want the original type, its text scrubbed", err)
	}
}

func TestAPanicInThePipelineShowsNoKeyAndLeavesItUsable(t *testing.T) {
	t.Parallel()
	broken := true
	panics := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if broken {
				panic(fmt.Sprintf("%+v %+v %+v", r, resp, err))
			}
			return resp, err
		})
	}
	inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{panics} }, func(u *upstream) {
		func() {
			defer func() {
				dump := fmt.Sprint(recover(), string(debug.Stack()))
				if strings.Contains(dump, secret) || !strings.Contains(dump, "200 OK") {
					t.Errorf("panic shows the key, or nothing: %s", dump)
				}
			}()
			u.get()
		}()
		broken = false
		if res := u.get(); res.err != nil || u.net.Dials() != 1 {
			t.Errorf("after the panic: %v, %d connections", res.err, u.net.Dials())
		}
	})
}

func TestRedirectsAreReturnedNotFollowed(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, with key %q", r.Header.Get("X-Api-Key"))
	}))
	defer other.Close()
	for _, location := range []string{other.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), "/same/host", "://malformed", ""} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, method := range []string{"GET", "POST"} {
				server := httptest.NewServer(answer(status, "moved", "Location", location))
				base, _ := url.Parse(server.URL)
				pool := transport.NewPool(transport.PoolConfig{})
				cfg := config(pool)
				cfg.BaseURL = base
				call := &transport.Call{}
				req, _ := http.NewRequestWithContext(transport.WithCall(t.Context(), call), method, server.URL+"/x", strings.NewReader("{}"))
				resp, err := transport.New(cfg).Do(req)
				if err != nil || resp.StatusCode != status || resp.Header.Get("Location") != location {
					t.Errorf("%s %d to %q: %v, %v", method, status, location, resp, err)
				}
				if call.Attempts != 1 || call.Outcome.Class != transport.ClassRedirect {
					t.Errorf("%s %d to %q: %d attempts, %v", method, status, location, call.Attempts, call.Outcome.Class)
				}
				pool.CloseIdleConnections()
				server.Close()
			}
		}
	}
}
