package server

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// TestAServiceThatAnswersSlowlyIsNoHealthyOne: neither while calls wait for it nor when
// they have their answers.
func TestAServiceThatAnswersSlowlyIsNoHealthyOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := asleeptest.New(asleeptest.Config{Users: 1})
		u := &upstream{log: slog.New(slog.DiscardHandler)}
		c, err := client.New("key", client.WithHTTPClient(&http.Client{Transport: fake.Transport()}), client.WithHooks(client.Hooks{AttemptEnd: u.look}))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		u.client.Store(c)
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), checkTime)
			defer cancel()
			return u.check().Ask(ctx)
		}
		if err := ask(); err != nil {
			t.Errorf("a quick one: %v", err)
		}
		fake.Inject(asleeptest.Fault{Latency: 5 * time.Second})
		ended := make(chan error)
		go func() {
			_, err := c.ListSessions(t.Context(), "user-0001", client.PageQuery{})
			ended <- err
		}()
		time.Sleep(slowAnswer + time.Millisecond)
		if ask() == nil {
			t.Error("a call waits for it, and it is healthy")
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if ask() == nil {
			t.Error("it has answered after 5 s, and is healthy")
		}
		fake.ClearFaults()
		if err := ask(); err != nil {
			t.Errorf("quick again: %v", err)
		}
	})
}
