package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// ParseURL lets the fuzz target reach the parser.
var ParseURL = parseURL

// TestMigratesFromEveryEarlierVersion: a file of every version becomes one of
// today, and keeps what it held.
func TestMigratesFromEveryEarlierVersion(t *testing.T) {
	t.Parallel()
	list, err := steps()
	if err != nil {
		t.Fatal(err)
	}
	for version := range list {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.db")
			old(t, path, list[:version])
			if _, err := Open(t.Context(), path, Config{ReadOnly: true}, store.Options{}); version > 0 && !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("read-only: %v, want ErrReadOnly", err)
			}
			db, err := Open(t.Context(), path, Config{}, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if v, err := db.schemaVersion(t.Context()); err != nil || v != len(list) {
				t.Errorf("version %d, %v; want %d", v, err, len(list))
			}
			if _, err := db.Inbox(); err != nil {
				t.Error(err)
			}
			if s, err := db.Sessions().Get(t.Context(), "kept"); version > 0 && (err != nil || s.UserID != "u1") {
				t.Errorf("the session of version %d: %+v, %v", version, s, err)
			}
		})
	}
}

// old makes a file as an earlier program left it.
func old(t *testing.T, path string, list []string) {
	t.Helper()
	pool, err := openPool(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for v := 0; v < len(list); {
		if v, err = migrateStep(t.Context(), c, list); err != nil {
			t.Fatal(err)
		}
	}
	if len(list) > 0 {
		if _, err := c.ExecContext(t.Context(), `INSERT INTO sessions VALUES ('kept', 'u1', 'COMPLETE', 1, 0, 0, '', 0, 0, 0, 1, 8, 1, 1, 1, NULL, NULL, NULL)`); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUrgentCallsGoFirst: claims and settlements pass the inserts that wait.
func TestUrgentCallsGoFirst(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Config{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	held, hold := make(chan struct{}), make(chan struct{})
	var order []string
	var calls []*call
	queue := func(l lane, name string, rows int) {
		c := &call{rows: rows, done: make(chan error, 1), do: func(*tx) error {
			order = append(order, name)
			return nil
		}}
		if err := db.writer.enqueue(l, c); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	blocker := &call{done: make(chan error, 1), do: func(*tx) error { close(held); <-hold; return nil }}
	if err := db.writer.enqueue(bulk, blocker); err != nil {
		t.Fatal(err)
	}
	<-held
	queue(bulk, "insert 1", 200)
	queue(bulk, "insert 2", 200)
	queue(urgent, "claim", 100)
	close(hold)
	for _, c := range calls {
		if err := <-c.done; err != nil {
			t.Error(err)
		}
	}
	if want := []string{"claim", "insert 1", "insert 2"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}

// TestAnEndedContextTakesItsCallOutOfTheQueue, and a full queue refuses at once.
func TestAnEndedContextTakesItsCallOutOfTheQueue(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Config{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	held, hold := make(chan struct{}), make(chan struct{})
	blocker := &call{done: make(chan error, 1), do: func(*tx) error { close(held); <-hold; return nil }}
	if err := db.writer.enqueue(urgent, blocker); err != nil {
		t.Fatal(err)
	}
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	ran := false
	go func() { result <- db.write(ctx, bulk, 1, 0, func(*tx) error { ran = true; return nil }) }()
	for db.waiting() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("never queued")
		}
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error while the writer is busy", err)
	}
	for db.waiting() < maxWaiting {
		if err := db.writer.enqueue(bulk, &call{done: make(chan error, 1), do: func(*tx) error { return nil }}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.write(t.Context(), urgent, 1, 0, func(*tx) error { return nil }); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a full queue: %v, want ErrBusy", err)
	}
	close(hold)
	if err := db.Ping(t.Context()); err != nil && !errors.Is(err, store.ErrBusy) {
		t.Error(err)
	}
	_ = db.Close()
	if ran {
		t.Error("the call ran although its context had ended before its turn")
	}
}

// TestASlowCommitIsFollowedByAFullOne: the wait ends with the last of the callers
// that were answered, with an urgent one, or when it would cost too much.
func TestASlowCommitIsFollowedByAFullOne(t *testing.T) {
	t.Parallel()
	const step = 50 * time.Microsecond
	for _, c := range []struct {
		name  string
		calls int           // that the last commit carried
		took  time.Duration // by it
		come  []lane        // one call a step
		want  time.Duration // that is waited
	}{
		{"all come back", 3, 5 * time.Millisecond, []lane{bulk, bulk, bulk}, 3 * step},
		{"one is urgent", 9, 5 * time.Millisecond, []lane{bulk, urgent}, 2 * step},
		{"nobody comes", 3, 5 * time.Millisecond, nil, 625 * time.Microsecond},
		{"a very slow disk", 3, time.Second, nil, time.Millisecond},
		{"a quick disk", 3, time.Millisecond, []lane{bulk}, 0},
		{"a single caller", 1, 5 * time.Millisecond, []lane{bulk}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &writer{wake: make(chan struct{}, 1)}
				go func() {
					for _, l := range c.come {
						time.Sleep(step)
						_ = w.enqueue(l, &call{})
					}
				}()
				begun := time.Now()
				w.gather(c.calls, c.took)
				if waited := time.Since(begun); waited != c.want {
					t.Errorf("waited %v, want %v", waited, c.want)
				}
				time.Sleep(time.Second)
				w.mu.Lock()
				w.stopping = true
				w.mu.Unlock()
				begun = time.Now()
				if w.gather(99, time.Second); time.Since(begun) != 0 {
					t.Error("waits although it is to stop")
				}
			})
		})
	}
}

func (d *DB) waiting() int {
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return len(d.writer.queue[urgent]) + len(d.writer.queue[bulk])
}

// TestTheWriterIsSetUpForDurability: a kill does not show what a power cut would.
func TestTheWriterIsSetUpForDurability(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Config{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const full = "2"
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": full, "secure_delete": "1", "foreign_keys": "1"} {
		var got string
		err := db.write(t.Context(), urgent, 1, 0, func(t *tx) error {
			_, err := t.row("PRAGMA "+pragma, nil, &got)
			return err
		})
		if err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", pragma, got, err, want)
		}
	}
}

// TestAFailedCommitGivesUpTheConnection: the whole batch is refused, the file is
// opened anew, and the next call is served.
func TestAFailedCommitGivesUpTheConnection(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Config{}, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	orphan := func(t *tx) error { // breaks a foreign key, which only the commit looks at
		if _, err := t.exec("PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		_, err := t.exec("INSERT INTO notes (event_id, at_ms, what) VALUES (99, 0, '')")
		return err
	}
	if err := db.write(t.Context(), urgent, 1, 0, orphan); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if _, err := db.Sessions().Put(t.Context(), store.Session{ID: "s", UserID: "u", Observed: time.Now()}); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "opened anew") {
		t.Errorf("the connection was kept after a failed commit: %s", &log)
	}
}

// TestAWriteUnderWayOutlivesItsCaller: the caller is told that the outcome is
// unknown, and the write goes on.
func TestAWriteUnderWayOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), Config{}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	err = db.write(ctx, bulk, 1, 0, func(tx *tx) error {
		cancel()
		<-hold
		_, err := tx.exec("INSERT INTO tombstones (hash, until_ms) VALUES (x'01', 1)")
		return err
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("%v, want that the outcome is unknown", err)
	}
	close(hold)
	n := 0
	err = db.write(t.Context(), bulk, 1, 0, func(tx *tx) error {
		_, err := tx.row("SELECT count(*) FROM tombstones", nil, &n)
		return err
	})
	if err != nil || n != 1 {
		t.Errorf("%d rows, %v; want the write to have gone on", n, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
