package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/server/limits"
	"github.com/asleep-sdk/asleep/store/memory"
)

// limitedService has the default limits and nobody behind it.
func limitedService(t *testing.T, change func(*server.Config), opts ...server.Option) bench {
	t.Helper()
	cfg := configured()
	cfg.Reading.Keys = []server.Secret{server.NewSecret(readKey)}
	cfg.Caching = false // whose goroutines outlive a bubble
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(cfg, memory.New(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return bench{s, &lines{}}
}

// from asks from an address.
func (b bench) from(addr, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.RemoteAddr = addr
	r.Header.Set("X-Api-Key", readKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w
}

func TestLimitsAreExactByClientAndRoute(t *testing.T) {
	t.Parallel()
	for path, limit := range map[string]int{
		"/api/statistics?user_id=u&source=store": 5, "/api/sessions/x": 10, "/api/users/u/sessions?source=store": 10, "/api/users/u/sessions/x?source=store": 10,
		"/api/users/u/summary?source=store": 100, "/api/openapi.yaml": 100, "/api/nothing": 100,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := limitedService(t, nil)
			interval := time.Minute / time.Duration(limit)
			for i := range limit {
				w := b.from("192.0.2.1:1000", path)
				if w.Code == 429 || w.Header().Get("X-Ratelimit-Limit") != strconv.Itoa(limit) || w.Header().Get("X-Ratelimit-Remaining") != strconv.Itoa(limit-1-i) {
					t.Fatalf("%s, request %d: %d %v", path, i, w.Code, w.Header())
				}
			}
			w := b.from("192.0.2.1:2000", path)
			if w.Code != 429 || w.Header().Get("Retry-After") != strconv.Itoa(int((interval+time.Second-1)/time.Second)) || w.Header().Get("X-Ratelimit-Reset") != "60" {
				t.Fatalf("%s: %d %v", path, w.Code, w.Header())
			}
			if w := b.from("192.0.2.2:1000", path); w.Code == 429 {
				t.Errorf("%s: another client is refused", path)
			}
			time.Sleep(interval - time.Nanosecond)
			if w := b.from("192.0.2.1:1000", path); w.Code != 429 {
				t.Errorf("%s: let in too early", path)
			}
			time.Sleep(time.Nanosecond)
			if w := b.from("192.0.2.1:1000", path); w.Code == 429 {
				t.Errorf("%s: not let in, in time", path)
			}
			for range 300 {
				if w := b.from("192.0.2.1:1000", "/live"); w.Code != 200 {
					t.Fatalf("a probe is limited: %d", w.Code)
				}
			}
		})
	}
}

func TestWhoWaitsAsLongAsTheHeadersSayIsLetIn(t *testing.T) {
	t.Parallel()
	const path = "/api/statistics?user_id=u&source=store"
	for _, algorithm := range []limits.Algorithm{limits.TokenBucket, limits.SlidingWindow} {
		synctest.Test(t, func(t *testing.T) {
			b := limitedService(t, func(c *server.Config) {
				c.Limits.Statistics, c.Limits.Window, c.Limits.Algorithm = 7, 100*time.Second, algorithm
			})
			seconds := func(w *httptest.ResponseRecorder, name string) time.Duration {
				n, err := strconv.Atoi(w.Header().Get(name))
				if err != nil || n < 1 {
					t.Fatalf("%s: %s is %q", algorithm, name, w.Header().Get(name))
				}
				return time.Duration(n) * time.Second
			}
			for range 20 {
				w := b.from("192.0.2.1:1", path)
				for w.Code == 200 {
					time.Sleep(1234 * time.Millisecond)
					w = b.from("192.0.2.1:1", path)
				}
				wait := seconds(w, "Retry-After")
				time.Sleep(wait - 1100*time.Millisecond) // whole seconds are rounded up
				if early := b.from("192.0.2.1:1", path); early.Code != 429 {
					t.Fatalf("%s: let in early: %v", algorithm, w.Header())
				}
				time.Sleep(1100 * time.Millisecond)
				if w = b.from("192.0.2.1:1", path); w.Code != 200 {
					t.Fatalf("%s: refused after %v", algorithm, wait)
				}
			}
			w := b.from("192.0.2.1:1", path)
			time.Sleep(seconds(w, "X-RateLimit-Reset"))
			if w = b.from("192.0.2.1:1", path); w.Header().Get("X-RateLimit-Remaining") != "6" {
				t.Errorf("%s: after Reset %v", algorithm, w.Header())
			}
		})
	}
}

func TestWrongCredentialsAreLimitedAndAuthenticDeliveriesAndReadsNever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := limitedService(t, func(c *server.Config) { c.Limits.Failures, c.Limits.Sessions = 3, 1000 })
		forged := func() *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(`{}`))
			r.Header.Set("Content-Type", "application/json")
			r.RemoteAddr = "192.0.2.1:1000"
			w := httptest.NewRecorder()
			b.Handler().ServeHTTP(w, r)
			return w
		}
		for i := range 3 {
			if w := forged(); w.Code != 401 {
				t.Fatalf("forgery %d: %d", i, w.Code)
			}
		}
		w := forged()
		if w.Code != 429 || w.Header().Get("Retry-After") != "20" || !strings.Contains(w.Body.String(), `"rate_limited"`) || strings.Count(w.Body.String(), `"code"`) != 1 {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		if w := b.from("192.0.2.1:1000", "/api/sessions/x", "X-Api-Key", "two"); w.Code != 429 {
			t.Errorf("a wrong key of a reader counts for itself: %d", w.Code)
		}
		for range 200 {
			if got := b.deliver(t, secret, `{"event":"X","user_id":"user-0001"}`); got != 200 {
				t.Fatalf("an authentic delivery: %d", got)
			}
			if w := b.from("192.0.2.1:1000", "/api/sessions/x"); w.Code != 404 {
				t.Fatalf("a reader with the key: %d", w.Code)
			}
		}
		time.Sleep(20 * time.Second)
		if w := forged(); w.Code != 401 {
			t.Errorf("later: %d", w.Code)
		}
	})
}

func TestForwardedForIsBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	trusted := func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		c.Limits.Statistics = 1
	}
	const path = "/api/statistics?user_id=u&source=store"
	for name, c := range map[string]struct {
		peer   string
		first  []string // X-Forwarded-For of a request
		second []string // and of the next
		other  string   // the peer of the next, if another
		same   bool     // they are one client
	}{
		"a stranger may write what he likes":    {"192.0.2.1:1", []string{"203.0.113.1"}, []string{"203.0.113.2"}, "", true},
		"a proxy tells clients apart":           {"10.0.0.1:1", []string{"203.0.113.1"}, []string{"203.0.113.2"}, "", false},
		"what a client put on the left":         {"10.0.0.1:1", []string{"8.8.8.8, 203.0.113.1"}, []string{"9.9.9.9, 203.0.113.1"}, "", true},
		"in lines of its own":                   {"10.0.0.1:1", []string{"8.8.8.8", "203.0.113.1"}, []string{"203.0.113.1"}, "", true},
		"a proxy behind a proxy":                {"10.0.0.1:1", []string{"203.0.113.1, 10.9.9.9"}, []string{"203.0.113.2, 10.9.9.9"}, "", false},
		"a client that poses as a proxy":        {"10.0.0.1:1", []string{"1.1.1.1, 10.1.1.1, 203.0.113.1"}, []string{"2.2.2.2, 10.1.1.1, 203.0.113.1"}, "", true},
		"nonsense ends the walk at the proxy":   {"10.0.0.1:1", []string{"8.8.8.8, junk"}, []string{"9.9.9.9, <script>"}, "", true},
		"with ports and brackets":               {"10.0.0.1:1", []string{"203.0.113.1:4711"}, []string{"203.0.113.1"}, "", true},
		"IPv4 in IPv6":                          {"[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.1"}, []string{"203.0.113.1"}, "10.0.0.2:5", true},
		"one network of IPv6 is one client":     {"[2001:db8::1]:1", nil, nil, "[2001:db8::ffff:2]:9", true},
		"another network of IPv6 is another":    {"[2001:db8::1]:1", nil, nil, "[2001:db8:0:1::1]:1", false},
		"a platform that writes no port":        {"192.0.2.1", nil, nil, "192.0.2.2", false},
		"and is a proxy":                        {"10.0.0.1", []string{"203.0.113.1"}, []string{"203.0.113.2"}, "", false},
		"a proxy that writes nothing is a peer": {"10.0.0.1:1", nil, nil, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := limitedService(t, trusted)
			header := func(hops []string) (h []string) {
				for _, hop := range hops {
					h = append(h, "X-Forwarded-For", hop)
				}
				return h
			}
			if w := b.from(c.peer, path, header(c.first)...); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			peer := c.peer
			if c.other != "" {
				peer = c.other
			}
			if w := b.from(peer, path, header(c.second)...); (w.Code == 429) != c.same {
				t.Errorf("answered %d", w.Code)
			}
		})
	}
}

type lost struct{}

func (lost) Allow(context.Context, string) (limits.Decision, error) {
	return limits.Decision{}, errors.New("away")
}

func TestLimitsThatFailLetEverybodyIn(t *testing.T) {
	t.Parallel()
	b := limitedService(t, nil, server.WithLimits(func(string, limits.Rate) (limits.Limits, error) { return lost{}, nil }))
	for range 50 {
		if w := b.from("192.0.2.1:1", "/api/statistics?user_id=u&source=store"); w.Code != 200 || w.Header().Get("X-Ratelimit-Limit") != "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
	}
	if w := b.from("192.0.2.1:1", "/api/sessions/x", "X-Api-Key", "two"); w.Code != 401 {
		t.Errorf("a wrong key: %d", w.Code)
	}
	cfg := configured()
	_, err := server.New(cfg, memory.New(), server.WithLimits(func(name string, _ limits.Rate) (limits.Limits, error) { return nil, errors.New("no " + name) }))
	for _, name := range []string{"requests", "sessions", "statistics", "failures"} {
		if err == nil || !strings.Contains(err.Error(), "no "+name) {
			t.Errorf("%v has nothing of %s", err, name)
		}
	}
}

func TestExemptClientsAndNoLimits(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*server.Config){
		func(c *server.Config) { c.Limits.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		func(c *server.Config) { c.Limits.Enabled = false },
	} {
		b := limitedService(t, change)
		for range 20 {
			if w := b.from("192.0.2.1:1", "/api/statistics?user_id=u&source=store"); w.Code != 200 {
				t.Fatalf("%d", w.Code)
			}
		}
	}
}

func TestPagesOfAllowedOriginsMayRead(t *testing.T) {
	t.Parallel()
	b := limitedService(t, func(c *server.Config) { c.CORSOrigins, c.Limits.Statistics = []string{"https://app.example.com"}, 1 })
	preflight := func(origin, path, method string) http.Header {
		w := ask(b.Handler(), http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "x-api-key")
		return w.Header()
	}
	if h := preflight("https://app.example.com", "/api/statistics", "GET"); h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || !strings.EqualFold(h.Get("Access-Control-Allow-Headers"), "x-api-key") || h.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("an allowed origin: %v", h)
	}
	for _, origin := range []string{"https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null", "https://xapp.example.com"} {
		if h := preflight(origin, "/api/statistics", "GET"); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is let in: %v", origin, h)
		}
	}
	if h := preflight("https://app.example.com", "/api/statistics", "DELETE"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a method that is none: %v", h)
	}
	if h := preflight("https://app.example.com", "/webhook", "POST"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("pages may deliver: %v", h)
	}
	for _, want := range []int{200, 429} { // a refusal can be read by the page too, and preflights cost nothing
		w := b.from("192.0.2.1:1", "/api/statistics?user_id=u&source=store", "Origin", "https://app.example.com")
		if h := w.Header(); w.Code != want || h.Get("Access-Control-Allow-Origin") == "" || h.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Etag") && !strings.Contains(h.Get("Access-Control-Expose-Headers"), "ETag") {
			t.Errorf("%d %v", w.Code, h)
		}
	}
}
