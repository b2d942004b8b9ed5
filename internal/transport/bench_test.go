package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
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
		b.Helper()
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
		b.Helper()
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

// guarded is config with every policy on, out of the way.
func guarded(b *testing.B, base http.RoundTripper) transport.Config {
	b.Helper()
	cfg := config(base)
	var errs [4]error
	cfg.Budget, errs[0] = transport.NewBudget(transport.DefaultBudget())
	cfg.Breakers, errs[1] = transport.NewBreakers(transport.DefaultBreaker())
	cfg.Bulkhead, errs[2] = transport.NewBulkhead(transport.BulkheadConfig{Limit: 16})
	cfg.Throttle, errs[3] = transport.NewThrottle(transport.ThrottleConfig{Rate: 1e9, Burst: 1e9})
	if err := errors.Join(errs[:]...); err != nil {
		b.Fatal(err)
	}
	return cfg
}

func BenchmarkEveryPolicyOverZeroCostTransport(b *testing.B) {
	b.Run("bare client", func(b *testing.B) { benchmark(b, "http://api.test", bare(instant)) })
	b.Run("retry only", func(b *testing.B) { benchmark(b, "http://api.test", pipeline(config(instant), "GET")) })
	b.Run("every policy", func(b *testing.B) { benchmark(b, "http://api.test", pipeline(guarded(b, instant), "GET")) })
	for name, change := range map[string]func(*transport.Config){
		"no budget":   func(c *transport.Config) { c.Budget = nil },
		"no breaker":  func(c *transport.Config) { c.Breakers = nil },
		"no bulkhead": func(c *transport.Config) { c.Bulkhead = nil },
		"no throttle": func(c *transport.Config) { c.Throttle = nil },
	} {
		b.Run(name, func(b *testing.B) {
			cfg := guarded(b, instant)
			change(&cfg)
			benchmark(b, "http://api.test", pipeline(cfg, "GET"))
		})
	}
	b.Run("with hedging", func(b *testing.B) {
		cfg := guarded(b, instant)
		cfg.Hedge, _ = transport.NewHedge(transport.HedgeConfig{Quantile: 0.95})
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
	b.Run("with hooks", func(b *testing.B) {
		cfg := guarded(b, instant)
		cfg.Hooks = []transport.Hooks{{
			OperationStart: func(context.Context, *transport.Operation) context.Context { return nil },
			OperationEnd:   func(context.Context, *transport.Operation) {},
			AttemptStart:   func(context.Context, *transport.Operation, *transport.Attempt) context.Context { return nil },
			AttemptEnd:     func(context.Context, *transport.Operation, *transport.Attempt) {},
			Event:          func(context.Context, *transport.Operation, transport.Event) {},
		}}
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
	b.Run("with a silent log", func(b *testing.B) {
		cfg := guarded(b, instant)
		cfg.Hooks = []transport.Hooks{transport.LogHooks(slog.New(slog.DiscardHandler))}
		benchmark(b, "http://api.test", pipeline(cfg, "GET"))
	})
}

// BenchmarkOpenBreaker is a refusal.
func BenchmarkOpenBreaker(b *testing.B) {
	cfg := guarded(b, instant)
	if err := cfg.Breakers.SetMode(transport.ModeForcedOpen); err != nil {
		b.Fatal(err)
	}
	doer := transport.New(cfg)
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequestWithContext(transport.WithCall(b.Context(), &transport.Call{}), http.MethodGet, "http://api.test", nil)
		if _, err := doer.Do(req); err == nil {
			b.Fatal("not refused")
		}
	}
}

func BenchmarkEveryPolicyOverLoopback(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	defer server.Close()
	pool := transport.NewPool(transport.PoolConfig{})
	defer pool.CloseIdleConnections()
	cfg := guarded(b, pool)
	cfg.BaseURL, _ = url.Parse(server.URL)
	b.Run("bare client", func(b *testing.B) { benchmark(b, server.URL, bare(pool)) })
	b.Run("every policy", func(b *testing.B) { benchmark(b, server.URL, pipeline(cfg, "GET")) })
}
