package pipelinelab_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/webhook"
)

// TestALockedDatabaseDelaysEverythingAndLosesNothing: somebody else holds the
// write lock when the events are to be worked, and lets go when the processor has
// noticed.
func TestALockedDatabaseDelaysEverythingAndLosesNothing(t *testing.T) {
	t.Parallel()
	const events = 300
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Config{BusyTimeout: 20 * time.Millisecond}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	inbox, err := db.Inbox()
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		e, err := webhook.Decode("", night("u1", fmt.Sprint("s", i), 40))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inbox.Put(t.Context(), e.Stored()); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	told, all := map[string]int{}, make(chan struct{})
	steps, err := webhook.Pipeline(webhook.PipelineConfig{Sessions: db.Sessions(), Notify: webhook.NotifyFunc(func(_ context.Context, n webhook.Notification) error {
		mu.Lock()
		defer mu.Unlock()
		if told[n.SessionID]++; len(told) == events && told[n.SessionID] == 1 {
			close(all)
		}
		return nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	away := make(chan struct{}, 100)
	p, err := webhook.NewProcessor(inbox, steps, webhook.WithProcessorObserver(func(o webhook.Observation) {
		if o.Moment == webhook.InboxAway {
			away <- struct{}{}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	unlock := hold(t, path)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	<-away
	unlock()
	<-all
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Dead+s.Retried+s.Lost > 0 {
		t.Errorf("%+v", s)
	}
	d, err := inbox.Depth(t.Context())
	if err != nil || d.Dead > 0 || d.Leased > 0 {
		t.Errorf("%+v, %v", d, err)
	}
	list, err := db.Sessions().List(t.Context(), store.Query{UserID: "u1", Limit: 1000})
	if err != nil || len(list) != events {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

// hold takes the write lock of the file, as another process would.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}
