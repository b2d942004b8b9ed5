package transport_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// unhurried is a pool for a machine that may stand still for a while: that a handshake took
// too long is another failure than the one that is tested.
var unhurried = transport.PoolConfig{DialTimeout: time.Minute, TLSTimeout: time.Minute}

// newTLSServer starts a server that speaks HTTP/2 and 1.1 with a test certificate.
func newTLSServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestOneDialForAHundredRetriedCalls(t *testing.T) {
	t.Parallel()
	var script []http.HandlerFunc
	for range 100 {
		script = append(script, busy, ok)
	}
	inBubble(t, script, nil, func(u *upstream) {
		for range 100 {
			if res := u.get(); res.status != 200 || res.Attempts != 2 {
				t.Fatalf("status %d after %d attempts: %v", res.status, res.Attempts, res.err)
			}
		}
		if n := u.net.Dials(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestGivingUpDoesNotCloseThePool(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]http.HandlerFunc{"answers": busy, "past the cap": answer(429, "", "Retry-After", "999")} {
		inBubble(t, steps(step), nil, func(u *upstream) {
			for range 200 {
				u.get()
			}
			if n := u.net.Dials(); n != 1 {
				t.Errorf("%s: %d connections for 200 give-ups, want 1", name, n)
			}
		})
	}
	// Errors of ours (a refusal after each call) must not close it either.
	refuse := false
	gate := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if refuse {
				return nil, io.ErrNoProgress
			}
			return next.RoundTrip(r)
		})
	}
	inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{gate} }, func(u *upstream) {
		for i := range 20 {
			refuse = i%2 == 1
			u.get()
		}
		if n := u.net.Dials(); n != 1 {
			t.Errorf("refusals: %d connections, want 1", n)
		}
		u.doer.CloseIdleConnections()
		refuse = false
		u.get()
		if n := u.net.Dials(); n != 2 {
			t.Errorf("%d connections after CloseIdleConnections, want 2", n)
		}
	})
}

func TestPoolDefaults(t *testing.T) {
	t.Parallel()
	p := transport.NewPool(transport.PoolConfig{})
	if p.MaxIdleConnsPerHost != 20 || p.MaxIdleConns != 100 || !p.ForceAttemptHTTP2 || p.Proxy == nil ||
		p.TLSClientConfig.MinVersion != tls.VersionTLS12 || p.IdleConnTimeout != 90*time.Second {
		t.Errorf("%+v", p)
	}
	if p := transport.NewPool(transport.PoolConfig{Concurrency: 64}); p.MaxIdleConnsPerHost != 64 {
		t.Errorf("idle per host %d, want the concurrency", p.MaxIdleConnsPerHost)
	}
	old := &tls.Config{MinVersion: tls.VersionTLS10, ServerName: "x"}
	if p := transport.NewPool(transport.PoolConfig{TLS: old}); p.TLSClientConfig.MinVersion != tls.VersionTLS12 || p.TLSClientConfig.ServerName != "x" {
		t.Errorf("TLS %+v", p.TLSClientConfig)
	}
	if old.MinVersion != tls.VersionTLS10 {
		t.Error("the caller's TLS configuration was changed")
	}
}

func TestPoolSpeaksHTTP2AndReusesTheConnectionAfterFailures(t *testing.T) {
	t.Parallel()
	n := 0
	remotes := map[string]bool{}
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		if n++; n%2 == 1 {
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, r.Proto)
	})
	base, _ := url.Parse(server.URL)
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	pool := transport.NewPool(transport.PoolConfig{TLS: trust, DialTimeout: time.Minute, TLSTimeout: time.Minute})
	defer pool.CloseIdleConnections()
	cfg := config(pool)
	cfg.BaseURL, cfg.Retry.Base = base, time.Microsecond
	doer := transport.New(cfg)
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
		resp, err := doer.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := transport.BodyBytes(resp); string(b) != "HTTP/2.0" || resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, b)
		}
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections", len(remotes))
	}
}

func TestHTTP2StreamsThatBreakAreFailedAttempts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	hits := map[string]int{}
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hits[r.Method]++
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == "DELETE" { // no headers, only a reset
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	pool := transport.NewPool(transport.PoolConfig{TLS: server.Client().Transport.(*http.Transport).TLSClientConfig, DialTimeout: time.Minute, TLSTimeout: time.Minute})
	defer pool.CloseIdleConnections()
	cfg := config(pool)
	cfg.BaseURL, _ = url.Parse(server.URL)
	cfg.Retry.Base = time.Microsecond
	for method, want := range map[string]int{"GET": 4, "DELETE": 4, "POST": 1} {
		call := &transport.Call{}
		req, _ := http.NewRequestWithContext(transport.WithCall(t.Context(), call), method, server.URL, strings.NewReader("{}"))
		_, err := transport.New(cfg).Do(req)
		if errors.Is(err, transport.ErrTruncated) != (method != "DELETE") || call.Outcome.Class != transport.ClassTransport {
			t.Errorf("%s: %v, class %v", method, err, call.Outcome.Class)
		}
		if hits[method] != want || call.Attempts != want || errors.Is(err, transport.ErrMaybeCreated) != (method == "POST") {
			t.Errorf("%s: sent %d times, counted %d, %v", method, hits[method], call.Attempts, err)
		}
	}
}

func TestFromClientCopiesAndNeverChangesTheCallersClient(t *testing.T) {
	t.Parallel()
	own := &http.Transport{MaxIdleConnsPerHost: 7}
	base, timeout := transport.FromClient(&http.Client{Transport: own, Timeout: 3 * time.Second})
	clone, isTransport := base.(*http.Transport)
	if !isTransport || clone == own || clone.MaxIdleConnsPerHost != 7 || timeout != 3*time.Second {
		t.Errorf("%T, timeout %v", base, timeout)
	}
	custom := transport.RoundTripFunc(nil)
	if base, _ := transport.FromClient(&http.Client{Transport: custom}); base == nil {
		t.Error("a custom RoundTripper was dropped")
	}
	for _, c := range []*http.Client{nil, {}} {
		if base, _ := transport.FromClient(c); base == nil || base == http.DefaultTransport {
			t.Errorf("%v: %v; want a pool of its own", c, base)
		}
	}
}
