package memory_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		Open:  func(*testing.T) store.Store { return memory.New() },
		Lacks: map[string]string{"reopen": "memory forgets"},
	})
}

func TestOpenByURL(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "memory:", store.Options{}, memory.Backend())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Inbox(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Inbox after Close: %v", err)
	}
}

// TestLeaseEndsToTheMillisecond: the store keeps the time of a synctest bubble,
// so that tests of workers can be exact.
func TestLeaseEndsToTheMillisecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox, err := memory.New().Inbox()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inbox.Put(t.Context(), store.Event{Key: "k"}); err != nil {
			t.Fatal(err)
		}
		claimed := func(want int) {
			t.Helper()
			if c, err := inbox.Claim(t.Context(), 1, time.Minute); err != nil || len(c) != want {
				t.Fatalf("%d claimed, %v; want %d", len(c), err, want)
			}
		}
		claimed(1)
		time.Sleep(time.Minute - time.Millisecond)
		claimed(0)
		time.Sleep(time.Millisecond)
		claimed(1)
	})
}
