package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

const (
	apiKey = "sk-live-4242424242"
	secret = "hook-secret-1717171717"
)

// lines is a log that many goroutines write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// configured is a configuration that a service accepts.
func configured() server.Config {
	cfg := server.DefaultConfig()
	cfg.Upstream.APIKey, cfg.Upstream.BaseURL = server.NewSecret(apiKey), "http://127.0.0.1:1"
	cfg.Webhooks.Auth, cfg.Webhooks.Secrets = server.AuthSignature, []server.Secret{server.NewSecret(secret)}
	return cfg
}

// bench is a service over a store in memory, and its log.
type bench struct {
	*server.Service

	log *lines
}

func newBench(t *testing.T, cfg server.Config, opts ...server.Option) bench {
	t.Helper()
	log := &lines{}
	db := memory.New()
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := server.New(cfg, db, append([]server.Option{server.WithLogger(logger), server.WithVersion("v1.2.3")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return bench{s, log}
}

// ask serves one request by a handler.
func ask(h http.Handler, method, url, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// admin asks the operators' handler by the name localhost.
func (b bench) admin(method, path, body string, header ...string) *httptest.ResponseRecorder {
	return ask(b.AdminHandler(), method, "http://localhost:9090"+path, body, header...)
}

// deliver sends an event, signed with a secret.
func (b bench) deliver(t *testing.T, secret, body string) int {
	t.Helper()
	r, err := webhook.Sender{Key: apiKey, Secret: secret, UserID: "user-0001"}.NewRequest(t.Context(), "http://receiver.example/webhook", body)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w.Code
}

func decode[T any](t *testing.T, r io.Reader) (v T) {
	t.Helper()
	if err := json.NewDecoder(r).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
