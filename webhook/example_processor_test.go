package webhook_test

import (
	"context"
	"fmt"

	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

func ExampleProcessor() {
	db := memory.New() // or sqlite, from which nothing is lost
	inbox, err := db.Inbox()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	steps, err := webhook.Pipeline(webhook.PipelineConfig{
		Sessions: db.Sessions(),
		Handlers: []webhook.Step{webhook.Handle("greet", webhook.OnSessionComplete(func(_ context.Context, e webhook.SessionComplete) error {
			fmt.Println("session", e.SessionID, "slept", len(e.Report.Session.SleepStages), "epochs")
			return nil
		}))},
		Notify: webhook.NotifyFunc(func(_ context.Context, n webhook.Notification) error {
			fmt.Println("told of", n.Type)
			stop()
			return nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := webhook.NewProcessor(inbox, steps)
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := webhook.Decode("", `{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":"u1","session":{"id":"s1","state":"COMPLETE","sleep_stages":[1,2,3]}}}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := inbox.Put(ctx, event.Stored()); err != nil { // what a Receiver does
		fmt.Println(err)
		return
	}
	fmt.Println("ended:", p.Run(ctx))
	// Output:
	// session s1 slept 3 epochs
	// told of SESSION_COMPLETE
	// ended: <nil>
}
