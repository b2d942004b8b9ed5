package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/webhook"
)

func TestEveryFailureHasOneFormWithTheIDOfTheRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	for _, c := range []struct {
		h            http.Handler
		method, path string
		status       int
		code         string
	}{
		{b.Handler(), http.MethodGet, "/", 404, "not_found"},
		{b.Handler(), http.MethodGet, "/health", 404, "not_found"},
		{b.Handler(), http.MethodGet, "/metrics", 404, "not_found"},
		{b.Handler(), http.MethodGet, "/inbox", 404, "not_found"},
		{b.Handler(), http.MethodGet, "/circuit-breaker/status", 404, "not_found"},
		{b.Handler(), http.MethodPost, "/ready", 405, "method_not_allowed"},
		{b.Handler(), http.MethodDelete, "/live", 405, "method_not_allowed"},
		{b.Handler(), http.MethodGet, "/webhook", 405, webhook.CodeMethod},
		{b.AdminHandler(), http.MethodGet, "/webhook", 404, "not_found"},
		{b.AdminHandler(), http.MethodGet, "/inbox/replay", 405, "method_not_allowed"},
		{b.AdminHandler(), http.MethodGet, "/inbox/99", 404, "not_found"},
	} {
		w := ask(c.h, c.method, "http://localhost"+c.path, "", "X-Request-ID", "req-1")
		p := decode[webhook.Problem](t, w.Body)
		if w.Code != c.status || p.Code != c.code || p.RequestID != "req-1" || p.Message == "" || p.Timestamp == "" {
			t.Errorf("%s %s: %d %+v", c.method, c.path, w.Code, p)
		}
		if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", c.method, c.path)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.path, w.Header())
		}
	}
}

func TestARequestIDIsKeptIfItIsAPlainWord(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	for id, kept := range map[string]bool{
		"abc-DEF_1.2": true, strings.Repeat("x", 128): true,
		"": false, strings.Repeat("x", 129): false, "a b": false, `a"b`: false, "a\nb": false, "é": false,
	} {
		w := ask(b.Handler(), http.MethodGet, "/live", "", "X-Request-ID", id)
		got := w.Header().Get("X-Request-ID")
		if (got == id) != kept || got == "" {
			t.Errorf("%q came back as %q", id, got)
		}
		if !strings.Contains(b.log.String(), `"request_id":"`+got+`"`) {
			t.Errorf("%q is not in the log", got)
		}
	}
}

func TestTheAccessLogHasTheRouteAndNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	if got := b.deliver(t, secret, `{"event":"X","user_id":"user-0001","note":"body-words"}`); got != http.StatusOK {
		t.Fatalf("answered %d", got)
	}
	_ = b.admin(http.MethodGet, "/inbox/7?ids=true&user_id=user-0001", "", "Authorization", "Bearer token-words")
	_ = ask(b.Handler(), "BREW", "/webhook", "")
	log := b.log.String()
	for _, want := range []string{
		`"route":"/webhook","status":200`, `"route":"/inbox/{id}","status":404`, `"method":"other"`, `"duration_ms":`, `"user":"user:`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, never := range []string{"user-0001", "body-words", "token-words", apiKey, secret, "BREW"} {
		if strings.Contains(log, never) {
			t.Errorf("the log has %s:\n%s", never, log)
		}
	}
}

func TestUserIDsAreLoggedWhenThatIsAskedFor(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.LogUserIDs = true
	b := newBench(t, cfg)
	_ = b.deliver(t, secret, `{"event":"X","user_id":"user-0001"}`)
	if !strings.Contains(b.log.String(), `"user":"user-0001"`) {
		t.Errorf("the log: %s", b.log)
	}
}

func TestWhatIsOffIsNotThere(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.Webhooks.Enabled, cfg.Metrics = false, false
	b := newBench(t, cfg)
	for path, h := range map[string]http.Handler{"/webhook": b.Handler(), "/asleep-webhook": b.Handler(), "/inbox": b.AdminHandler(), "/metrics": b.AdminHandler()} {
		if w := ask(h, http.MethodGet, "http://localhost"+path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for path, h := range map[string]http.Handler{"/live": b.Handler(), "/health": b.AdminHandler()} {
		if w := ask(h, http.MethodGet, "http://localhost"+path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	b.Start(t.Context())
	if err := b.Reload(cfg); err != nil {
		t.Error(err)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
