package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

// BenchmarkRead measures reads through all layers beside a bare handler that writes
// as much.
func BenchmarkRead(b *testing.B) {
	fake := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 30, Ordinary: true})
	upstream := httptest.NewServer(fake)
	defer upstream.Close()
	cfg := configured()
	cfg.Upstream.BaseURL = upstream.URL
	cfg.Reading.Keys = []server.Secret{server.NewSecret(readKey)}
	cfg.Limits.Sessions = 1 << 30
	db := memory.New()
	var id string
	for _, s := range fake.Sessions("user-0001") {
		report, _ := fake.Report(s.ID, "UTC")
		kept, err := store.FromReport("user-0001", report, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err = db.Sessions().Put(b.Context(), kept); err != nil {
			b.Fatal(err)
		}
		id = s.ID
	}
	s, err := server.New(cfg, db)
	if err != nil {
		b.Fatal(err)
	}
	other := fake.Sessions("user-0002")[0].ID
	ask := func(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.Header.Set("X-Api-Key", readKey)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	night := ask(s.Handler(), "/api/sessions/"+id)
	body := night.Body.Bytes()
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	for _, c := range []struct {
		name   string
		h      http.Handler
		path   string
		header []string
		status int
	}{
		{"bare", bare, "/", nil, 200},
		{"stored night", s.Handler(), "/api/sessions/" + id, nil, 200},
		{"stored night, unchanged", s.Handler(), "/api/sessions/" + id, []string{"If-None-Match", night.Header().Get("ETag")}, 304},
		{"stored night, compressed", s.Handler(), "/api/sessions/" + id, []string{"Accept-Encoding", "gzip"}, 200},
		{"cached night", s.Handler(), "/api/users/user-0002/sessions/" + other, nil, 200},
		{"stored list", s.Handler(), "/api/users/user-0001/sessions", nil, 200},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := ask(c.h, c.path, c.header...); w.Code != c.status {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	b.Run("sockets", func(b *testing.B) {
		for name, h := range map[string]http.Handler{"bare": bare, "stored night": s.Handler()} {
			srv := httptest.NewServer(h)
			b.Run(name, func(b *testing.B) {
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						r, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/api/sessions/"+id, http.NoBody)
						r.Header.Set("X-Api-Key", readKey)
						r.Header.Set("Accept-Encoding", "identity")
						resp, err := srv.Client().Do(r)
						if err != nil {
							b.Error(err)
							return
						}
						_ = resp.Body.Close()
					}
				})
			})
			srv.Close()
		}
	})
}

// BenchmarkColdStart measures a service from nothing to its first answer.
func BenchmarkColdStart(b *testing.B) {
	cfg := configured()
	cfg.Reading.Keys = []server.Secret{server.NewSecret(readKey)}
	for name, enabled := range map[string]bool{"with receiver": true, "readers only": false} {
		b.Run(name, func(b *testing.B) {
			cfg := cfg
			cfg.Webhooks.Enabled = enabled
			b.ReportAllocs()
			for b.Loop() {
				s, err := server.New(cfg, memory.New())
				if err != nil {
					b.Fatal(err)
				}
				if w := ask(s.Handler(), http.MethodGet, "/live", ""); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
				if err := s.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
