// Command receiver receives the webhooks of the Asleep service in a program of your
// own: verified, stored before they are acknowledged, and handed to your function
// until it has done its work, also after a crash.
//
//	ASLEEP_API_KEY=… ASLEEP_WEBHOOK_SECRET=… receiver
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, "127.0.0.1:8080", "sqlite:./nights.db")
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, database string) error {
	db, err := store.Open(ctx, database, store.Options{}, sqlite.Backend())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	inbox, err := db.Inbox()
	if err != nil {
		return err
	}
	receiver, processor, err := wire(inbox, webhook.OnSessionComplete(func(_ context.Context, e webhook.SessionComplete) error {
		log.Printf("a session is complete: %s", e.Report.Session.State)
		return nil // an error is tried again; webhook.Drop(err) is not
	}))
	if err != nil {
		return err
	}
	worked := make(chan error, 1)
	go func() { worked <- processor.Run(ctx) }()
	srv := &http.Server{Addr: addr, Handler: receiver, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = srv.Shutdown(context.WithoutCancel(ctx)) })
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-worked // what is under way is finished first
}

// wire puts the way in and the way through around an inbox.
func wire(inbox store.Inbox, handlers ...webhook.Handler) (*webhook.Receiver, *webhook.Processor, error) {
	verifier, err := webhook.NewVerifier(webhook.VerifierConfig{
		Secrets: []string{os.Getenv("ASLEEP_WEBHOOK_SECRET")},
		Keys:    []string{os.Getenv("ASLEEP_API_KEY")},
	})
	if err != nil {
		return nil, nil, err
	}
	receiver, err := webhook.NewReceiver(inbox, verifier)
	if err != nil {
		return nil, nil, err
	}
	processor, err := webhook.NewProcessor(inbox, []webhook.Step{webhook.Handle("mine", handlers...)})
	return receiver, processor, err
}
