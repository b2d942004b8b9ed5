package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// What was put is there for the next program that opens the file.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "nights")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	url := "sqlite:" + filepath.ToSlash(filepath.Join(dir, "asleep.db"))
	for range 2 {
		db, err := store.Open(ctx, url, store.Options{}, sqlite.Backend())
		if err != nil {
			fmt.Println(err)
			return
		}
		report, err := asleep.ParseReport(`{"session":{"id":"s1","state":"COMPLETE","start_time":"2026-03-14T22:51:07+09:00"},"stat":{"time_in_sleep":25200}}`)
		if err != nil {
			fmt.Println(err)
			return
		}
		session, err := store.FromReport("user-0001", report, time.Date(2026, 3, 15, 6, 0, 0, 0, time.UTC))
		if err != nil {
			fmt.Println(err)
			return
		}
		outcomes, err := db.Sessions().Put(ctx, session)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(outcomes[0])
		if err := db.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// created
	// unchanged
}
