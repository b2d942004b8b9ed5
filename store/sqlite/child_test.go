package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// The test binary is also the process that gets killed: with this variable set it
// keeps a store busy and tells on stdout what was acknowledged.
const childPath = "ASLEEP_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child puts events from many goroutines and works them off, without end. It
// prints "A key" for each acknowledged event and "E error" for each refused one.
func child(path string, out io.Writer) error {
	db, err := sqlite.Open(context.Background(), path, sqlite.Config{}, store.Options{})
	if err != nil {
		return err
	}
	inbox, err := db.Inbox()
	if err != nil {
		return err
	}
	lines := make(chan string, 1024)
	putters, _ := strconv.Atoi(os.Getenv("ASLEEP_TEST_PUTTERS"))
	for g := range putters {
		go func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, n)
				_, err := inbox.Put(context.Background(), store.Event{Key: key, UserID: "u" + strconv.Itoa(n%100), Body: `{"key":"` + key + `"}`})
				if err != nil {
					lines <- "E " + err.Error()
				} else {
					lines <- "A " + key
				}
			}
		}()
	}
	for range 2 {
		go func() {
			for {
				if err := workOff(inbox, 64); err != nil {
					lines <- "W " + err.Error()
				}
			}
		}()
	}
	w := bufio.NewWriter(out)
	for line := range lines {
		_, _ = w.WriteString(line + "\n")
		if len(lines) == 0 {
			_ = w.Flush()
		}
	}
	return nil
}

// workOff claims events, stores a session for each with the step, and finishes
// them. A second application would bear a later instant, and thus show.
func workOff(inbox store.Inbox, limit int) error {
	ctx := context.Background()
	claims, err := inbox.Claim(ctx, limit, time.Minute)
	if err != nil || len(claims) == 0 {
		return err
	}
	var wg sync.WaitGroup
	settlements := make([]store.Settlement, len(claims))
	for n, c := range claims {
		settlements[n] = store.Settlement{Token: c.Token, Action: store.Finish}
		wg.Go(func() {
			s := store.Session{ID: c.Key, UserID: c.UserID, Raw: c.Body, Observed: time.Now()}
			if out, applyErr := inbox.(store.Applier).Apply(ctx, c.Token, "store", store.Write{Sessions: []store.Session{s}}); applyErr != nil || len(out) > 0 && out[0] != store.Created {
				settlements[n] = store.Settlement{Token: c.Token, Action: store.Retry, Reason: fmt.Sprintf("%v, %v", out, applyErr)}
			}
		})
	}
	wg.Wait()
	_, err = inbox.Settle(ctx, settlements...)
	return err
}
