package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
)

const event = `{"event":"X","user_id":"user-0001"}`

func TestNewSecretsAreTakenOverTogether(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, APIKeys: []string{"sk-next"}})
	cfg := against(srv)
	cfg.AdminToken = server.NewSecret("old-token")
	b := newBench(t, cfg)
	if got := b.deliver(t, secret, event); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	next := cfg
	next.Webhooks.Secrets = []server.Secret{server.NewSecret("the-next"), server.NewSecret(secret)}
	next.AdminToken = server.NewSecret("new-token")
	next.Webhooks.Keys = []server.Secret{server.NewSecret(apiKey)}
	next.Upstream.APIKey = server.NewSecret("sk-next")
	if err := b.Reload(next); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, "the-next"} {
		if got := b.deliver(t, s, event); got != http.StatusOK {
			t.Errorf("while both are good: %d", got)
		}
	}
	for token, want := range map[string]int{"old-token": 401, "new-token": 200} {
		if got := b.admin(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+token).Code; got != want {
			t.Errorf("%s: %d", token, got)
		}
	}
	if h := b.Health(t.Context()); h.Checks["upstream"].Status != server.Healthy {
		t.Errorf("the service, which knows the new key only, is %+v", h)
	}
	next.Webhooks.Secrets = next.Webhooks.Secrets[:1]
	if err := b.Reload(next); err != nil {
		t.Fatal(err)
	}
	if got := b.deliver(t, secret, event); got != http.StatusUnauthorized {
		t.Errorf("the old secret is gone: %d", got)
	}
}

func TestSecretsThatCannotBeUsedChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	for name, spoil := range map[string]func(*server.Config){
		"no secrets": func(c *server.Config) { c.Webhooks.Secrets = nil },
		"no key":     func(c *server.Config) { c.Upstream.APIKey = server.Secret{} },
		"a bad key":  func(c *server.Config) { c.Upstream.APIKey = server.NewSecret("a\nb") },
	} {
		cfg := configured()
		cfg.AdminToken = server.NewSecret("new-token")
		spoil(&cfg)
		if err := b.Reload(cfg); err == nil || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%s: %v", name, err)
		}
		if got := b.deliver(t, secret, event); got != http.StatusOK {
			t.Errorf("%s: then %d", name, got)
		}
		if got := b.admin(http.MethodGet, "/inbox", "").Code; got != http.StatusOK {
			t.Errorf("%s: the token was taken over", name)
		}
	}
}
