package store_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

// News of a session may come late and twice; the newest stays.
func Example() {
	ctx := context.Background()
	db, err := store.Open(ctx, "memory:", store.Options{}, memory.Backend())
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	observed := time.Date(2026, 3, 15, 6, 0, 0, 0, time.UTC)
	for _, raw := range []string{
		`{"session":{"id":"s1","state":"OPEN","start_time":"2026-03-14T22:51:07+09:00"},"peculiarities":["IN_PROGRESS"]}`,
		`{"session":{"id":"s1","state":"COMPLETE","start_time":"2026-03-14T22:51:07+09:00"},"stat":{"time_in_sleep":25200}}`,
		`{"session":{"id":"s1","state":"CLOSED","start_time":"2026-03-14T22:51:07+09:00"},"peculiarities":["IN_PROGRESS"]}`,
	} {
		report, err := asleep.ParseReport(raw)
		if err != nil {
			log.Fatal(err)
		}
		session, err := store.FromReport("user-0001", report, observed)
		if err != nil {
			log.Fatal(err)
		}
		outcomes, err := db.Sessions().Put(ctx, session)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.State, outcomes[0])
	}
	stored, err := db.Sessions().Get(ctx, "s1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stored.State, stored.LocalDate())
	// Output:
	// OPEN created
	// COMPLETE updated
	// CLOSED unchanged
	// COMPLETE 2026-03-14
}

// A worker claims events, does its steps, each once, and settles.
func ExampleInbox() {
	ctx := context.Background()
	db := memory.New()
	defer db.Close()
	inbox, err := db.Inbox()
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // the sender repeats itself
		receipts, err := inbox.Put(ctx, store.Event{Key: "SESSION_COMPLETE|u1|s1", UserID: "u1", SessionID: "s1", Body: "{}"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(receipts[0].Result)
	}
	claims, err := inbox.Claim(ctx, 10, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range claims {
		lost, err := inbox.Settle(ctx,
			store.Settlement{Token: c.Token, Action: store.StepDone, Step: "notify"},
			store.Settlement{Token: c.Token, Action: store.Finish})
		fmt.Println(c.Key, len(lost), err)
	}
	// Output:
	// stored
	// duplicate
	// SESSION_COMPLETE|u1|s1 0 <nil>
}

// ExampleAll walks through everything, a page in memory at a time.
func ExampleAll() {
	ctx := context.Background()
	db := memory.New()
	defer db.Close()
	begin := time.Date(2026, 3, 14, 22, 0, 0, 0, time.UTC)
	for i := range 3 {
		s := store.Session{ID: fmt.Sprint("s", i), UserID: "u1", Start: begin.AddDate(0, 0, i), Observed: begin.AddDate(0, 1, 0)}
		if _, err := db.Sessions().Put(ctx, s); err != nil {
			log.Fatal(err)
		}
	}
	for s, err := range store.All(ctx, db.Sessions(), store.Query{UserID: "u1", Limit: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.ID, s.LocalDate())
	}
	// Output:
	// s2 2026-03-16
	// s1 2026-03-15
	// s0 2026-03-14
}
