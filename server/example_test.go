package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/server/limits"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// A service in a server of your own: its handler is mounted like any other, and a
// function of yours is told of what was stored.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cfg := server.DefaultConfig() // or server.FromEnv()
	cfg.Upstream.APIKey = server.NewSecret("key")
	cfg.Webhooks.Auth = server.AuthSignature
	cfg.Webhooks.Secrets = []server.Secret{server.NewSecret("secret")}

	told := make(chan webhook.Notification, 1)
	db := memory.New() // or store.Open, for a database that lasts
	s, err := server.New(cfg, db, server.WithNotifier(webhook.NotifyFunc(func(_ context.Context, n webhook.Notification) error {
		told <- n
		return nil
	})))
	if err != nil {
		log.Print(err)
		return
	}
	s.Start(ctx)
	srv := httptest.NewServer(s.Handler()) // or http.Handle("/hooks/", …)
	defer srv.Close()

	fake := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, APIKeys: []string{"key"}})
	night := fake.Sessions("user-0001")[0].ID
	status, err := fake.SendEvent(ctx, asleeptest.Webhook{URL: srv.URL + "/webhook", Secret: "secret"}, night, asleeptest.Event{})
	fmt.Println(status, err)
	n := <-told
	fmt.Println(n.Type, n.UserID, n.SessionID == night)

	fmt.Println(s.Health(ctx).Checks["database"].Status)
	fmt.Println(s.Stop(ctx))
	// Output:
	// 200 <nil>
	// SESSION_COMPLETE user-0001 true
	// healthy
	// <nil>
}

// The variables are those of .env.example.
func ExampleFromEnv() {
	set := map[string]string{"ASLEEP_API_KEY": "key", "WEBHOOK_AUTH": "key", "DATABASE_URL": "memory:", "ADDR": "0.0.0.0:8443"}
	for name, value := range set {
		if err := os.Setenv(name, value); err != nil {
			log.Print(err)
		}
	}
	defer func() {
		for name := range set {
			_ = os.Unsetenv(name)
		}
	}()
	cfg, err := server.FromEnv()
	fmt.Println(cfg.Addr, cfg.Webhooks.Auth, cfg.Webhooks.Confirm, cfg.Upstream.APIKey, err)

	os.Setenv("ADDR", "8443")
	os.Unsetenv("WEBHOOK_AUTH")
	_, err = server.FromEnv()
	fmt.Println(strings.Count(err.Error(), "\n"), "problems")
	// Output:
	// 0.0.0.0:8443 key true [hidden] <nil>
	// 2 problems
}

// Processes on one Redis keep the limits of their readers together. While Redis is away,
// as it is in this example, each keeps them by itself.
func ExampleWithLimits() {
	connection, err := fleet.Open("redis://127.0.0.1:1")
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = connection.Close() }()
	shared, err := fleet.New(connection, fleet.Options{Secret: "key"}) // addresses are in Redis as digests under it
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = shared.Close() }()

	cfg := server.DefaultConfig()
	cfg.Upstream.APIKey = server.NewSecret("key")
	cfg.Webhooks.Enabled = false
	cfg.Reading.Keys = []server.Secret{server.NewSecret("a-key-of-your-app")}
	cfg.Limits.Statistics, cfg.Limits.Algorithm = 2, limits.SlidingWindow
	s, err := server.New(cfg, memory.New(), server.WithLimits(shared.Inbound))
	if err != nil {
		log.Print(err)
		return
	}
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/api/statistics?user_id=user-0001&source=store", http.NoBody)
		r.Header.Set("X-Api-Key", "a-key-of-your-app")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("X-RateLimit-Remaining"))
	}
	// Output:
	// 200 1
	// 200 0
	// 429 0
}
