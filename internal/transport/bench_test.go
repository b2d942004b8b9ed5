package transport_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/asleep-sdk/asleep/internal/transport"
)

var payload = bytes.Repeat([]byte("x"), 4096)

// instant answers 4 KB at no cost, so that what remains is the pipeline's own.
var instant = transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(payload)),
		Body: io.NopCloser(bytes.NewReader(payload)), Request: r,
	}, nil
})

func BenchmarkPipelineOverZeroCostTransport(b *testing.B) {
	b.Run("bare client", func(b *testing.B) { benchmark(b, "http://api.test", bare(instant)) })
	b.Run("one attempt", func(b *testing.B) {
		cfg := config(instant)
		cfg.Retry = transport.Retry{}
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
	b.Run("GET", func(b *testing.B) { benchmark(b, "http://api.test", pipeline(config(instant), "GET")) })
	b.Run("DELETE", func(b *testing.B) { benchmark(b, "http://api.test", pipeline(config(instant), "DELETE")) })
	b.Run("no attempt timeout", func(b *testing.B) {
		cfg := config(instant)
		cfg.AttemptTimeout = -1
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
	b.Run("three policies", func(b *testing.B) {
		cfg := config(instant)
		pass := func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				_ = transport.OutcomeOf(resp, err)
				return resp, err
			})
		}
		cfg.Inner = []transport.Policy{pass, pass, pass}
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
}

// BenchmarkRetriedOnce is a call whose first attempt meets 503.
func BenchmarkRetriedOnce(b *testing.B) {
	n := 0
	cfg := config(transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if n++; n%2 == 1 {
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, nil
		}
		return instant(r)
	}))
	cfg.Retry.Base = 1
	benchmark(b, "http://api.test", pipeline(cfg, "GET"))
}

func BenchmarkPipelineOverLoopback(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	pool := transport.NewPool(transport.PoolConfig{})
	defer pool.CloseIdleConnections()
	cfg := config(pool)
	cfg.BaseURL, _ = url.Parse(server.URL)
	b.Run("bare client", func(b *testing.B) { benchmark(b, server.URL, bare(pool)) })
	b.Run("pipeline", func(b *testing.B) { benchmark(b, server.URL, pipeline(cfg, "GET")) })
}

func benchmark(b *testing.B, to string, call func(*testing.B, string)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		call(b, to)
	}
}

// bare is what one would write without this package: a tuned client, body read
// whole.
func bare(rt http.RoundTripper) func(*testing.B, string) {
	client := &http.Client{Transport: rt}
	return func(b *testing.B, to string) {
		req, _ := http.NewRequestWithContext(b.Context(), "GET", to, nil)
		req.Header.Set("X-Api-Key", secret)
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if data, err := io.ReadAll(resp.Body); err != nil || len(data) != len(payload) {
			b.Fatal(len(data), err)
		}
		_ = resp.Body.Close()
	}
}

func pipeline(cfg transport.Config, method string) func(*testing.B, string) {
	doer := transport.New(cfg)
	return func(b *testing.B, to string) {
		ctx := transport.WithCall(b.Context(), &transport.Call{Op: "op", Route: "/x"})
		req, _ := http.NewRequestWithContext(ctx, method, to, nil)
		resp, err := doer.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if data, err := transport.BodyBytes(resp); err != nil || len(data) != len(payload) {
			b.Fatal(len(data), err)
		}
	}
}
