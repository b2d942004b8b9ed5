package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

func TestAnEventReachesTheHandlerEvenIfItFailsAtFirst(t *testing.T) {
	t.Setenv("ASLEEP_API_KEY", "key")
	t.Setenv("ASLEEP_WEBHOOK_SECRET", "secret")
	inbox, err := memory.New().Inbox()
	if err != nil {
		t.Fatal(err)
	}
	handled := make(chan string, 2)
	attempts := 0
	receiver, processor, err := wire(inbox, webhook.OnSessionComplete(func(_ context.Context, e webhook.SessionComplete) error {
		if attempts++; attempts == 1 {
			return errors.New("not today")
		}
		handled <- e.SessionID
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(receiver)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- processor.Run(ctx) }()

	fake := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, APIKeys: []string{"key"}})
	session := fake.Sessions("user-0001")[0].ID
	hook := asleeptest.Webhook{URL: srv.URL, Secret: "secret"}
	for range 2 { // twice, as it may come
		if status, err := fake.SendEvent(t.Context(), hook, session, asleeptest.Event{}); status != 200 {
			t.Fatalf("answered %d, %v", status, err)
		}
	}
	if got := <-handled; got != session {
		t.Errorf("handled %q", got)
	}
	cancel()
	if err := <-ended; err != nil || attempts != 2 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}
