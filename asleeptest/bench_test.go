package asleeptest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
)

func benchmark(b *testing.B, path func(*asleeptest.Server, string) string, headers map[string]string) {
	b.Helper()
	s := asleeptest.New(asleeptest.Config{Users: 1000, SessionsPerUser: 10, Ordinary: true})
	rt := s.Transport()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		user := "user-0" + string([]byte{byte('1' + i%8), byte('0' + i/8%10), byte('0' + i/80%10)})
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://fake"+path(s, user), http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("x-api-key", "k")
		for name, v := range headers {
			req.Header.Set(name, v+user)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}

func BenchmarkGetSession(b *testing.B) {
	ids := map[string]string{}
	benchmark(b, func(s *asleeptest.Server, user string) string {
		if ids[user] == "" {
			ids[user] = s.Sessions(user)[4].ID
		}
		return "/data/v3/sessions/" + ids[user]
	}, map[string]string{"x-user-id": ""})
}

// BenchmarkGetSessionOverASocket has client and server on the same cores.
func BenchmarkGetSessionOverASocket(b *testing.B) {
	s := asleeptest.NewServer(b, asleeptest.Config{Users: 1, SessionsPerUser: 1, Ordinary: true})
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	url := s.URL + "/data/v3/sessions/" + s.Sessions("user-0001")[0].ID
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		req.Header = http.Header{"X-Api-Key": {"k"}, "X-User-Id": {"user-0001"}}
		if r := do(client, req); r.err != nil || r.status != http.StatusOK {
			b.Fatal(r)
		}
	}
}

func BenchmarkListSessions(b *testing.B) {
	benchmark(b, func(*asleeptest.Server, string) string { return "/data/v1/sessions" }, map[string]string{"x-user-id": ""})
}

func BenchmarkGetUser(b *testing.B) {
	benchmark(b, func(_ *asleeptest.Server, user string) string { return "/ai/v1/users/" + user }, nil)
}

// BenchmarkFaults is the price of twenty faults that do not meet a request.
func BenchmarkFaults(b *testing.B) {
	s := asleeptest.New(asleeptest.Config{})
	for range 20 {
		s.Inject(asleeptest.Fault{User: "nobody", Status: http.StatusInternalServerError})
	}
	rt := s.Transport()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://fake/ai/v1/users/x", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rt.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRateLimit is the price of a rate limit that accepts.
func BenchmarkRateLimit(b *testing.B) {
	s := asleeptest.New(asleeptest.Config{RateLimit: asleeptest.RateLimit{Rate: 1e9, Burst: 1e9}})
	rt := s.Transport()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://fake/ai/v1/users/x", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rt.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}
