package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// TestAPoisonRowFailsAlone: a hundred callers share batches with one row that
// the database refuses; only that one hears of it.
func TestAPoisonRowFailsAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	sqlExec(t, raw(t, path), `CREATE TRIGGER poison BEFORE INSERT ON sessions WHEN NEW.session_id = 'poison' BEGIN SELECT RAISE(ABORT, 'poison'); END`)
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			id := fmt.Sprint("s", n)
			if n == 50 {
				id = "poison"
			}
			_, err := db.Sessions().Put(t.Context(), session(id, "u1", "{}"))
			if (err != nil) != (id == "poison") || err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	wg.Wait()
	if list, err := db.Sessions().List(t.Context(), store.Query{Limit: 1000}); err != nil || len(list) != 99 {
		t.Errorf("%d sessions, %v; want 99", len(list), err)
	}
	if _, err := db.Sessions().Put(t.Context(), session("before", "u1", "{}"), session("poison", "u1", "{}")); err == nil {
		t.Error("a batch with the poison in it was stored")
	}
	if _, err := db.Sessions().Get(t.Context(), "before"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half of a batch: %v", err)
	}
}

func TestALockedDatabaseIsBusyAndComesBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Config{BusyTimeout: 50 * time.Millisecond}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func() error {
		_, err := db.Sessions().Put(t.Context(), session("s1", "u1", "{}"))
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	other, err := raw(t, path).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, store.ErrBusy) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrBusy", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrBusy) {
		t.Errorf("Ping: %v, want ErrBusy", err)
	}
	if _, err := db.Sessions().Get(t.Context(), "s1"); err != nil {
		t.Errorf("a read while another writes: %v", err)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
}

func TestAnErasureWaitsForAReaderToFinishTheCheckpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Config{BusyTimeout: 20 * time.Millisecond}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Sessions().Put(t.Context(), session("s1", "needle", "{}")); err != nil {
		t.Fatal(err)
	}
	reader := raw(t, path)
	sqlExec(t, reader, "PRAGMA journal_mode") // a connection
	conn, err := reader.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRowContext(t.Context(), "SELECT count(*) FROM sessions").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sessions().EraseUser(t.Context(), "needle", noon.AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if !found(t, path, "needle") {
		t.Fatal("the reader does not hold up the checkpoint: the test shows nothing")
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil { // any later write
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil { // the checkpoint of the first is over when this begins
		t.Fatal(err)
	}
	if found(t, path, "needle") {
		t.Error("the erased user is still in the files")
	}
}

func TestCloseFinishesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	var mu sync.Mutex
	stored := map[string]bool{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for n := range 50 {
		wg.Go(func() {
			for i := range 100 {
				if n == 0 && i == 3 {
					close(start)
				}
				id := fmt.Sprint(n, "-", i)
				_, err := db.Sessions().Put(t.Context(), session(id, "u1", "{}"))
				switch {
				case err == nil:
					mu.Lock()
					stored[id] = true
					mu.Unlock()
				case !errors.Is(err, store.ErrClosed):
					t.Error(err)
				default:
					return
				}
			}
		})
	}
	<-start
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	again := open(t, path, store.Options{})
	for id := range stored {
		if _, err := again.Sessions().Get(t.Context(), id); err != nil {
			t.Errorf("acknowledged, then: %v", err)
		}
	}
	if len(stored) == 0 {
		t.Error("nothing was stored: the test shows nothing")
	}
}

// TestErasingLeavesNoByte searches the raw files for an erased user, after a life
// of updates, events, windows, notes and deletions around.
func TestErasingLeavesNoByte(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	i := inboxOf(t, db)
	const needle, session1 = "needle-user-7f3a", "needle-session-91bc"
	users := []string{"user-a", "user-b", needle, "user-c"}
	for n := range 400 {
		user := users[n%len(users)]
		id := fmt.Sprint("s-", user, "-", n/8)
		if user == needle {
			id = fmt.Sprint(session1, n/8)
		}
		s := session(id, user, strings.Repeat("body of "+user+" ", 1+n%700))
		s.Observed = s.Observed.Add(time.Duration(n) * time.Second)
		if _, err := db.Sessions().Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		w := store.Window{SessionID: "w" + id, UserID: user, Seq: n, Observed: noon, Epochs: s.Epochs}
		w.Epochs.Sleep = w.Epochs.Sleep[:10]
		e := store.Event{Key: "key|" + user + "|" + strconv.Itoa(n), UserID: user, SessionID: id, Body: s.Raw}
		if _, err := db.Sessions().PutWindow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			c, err := i.Claim(t.Context(), 2, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			for k, x := range c {
				a := []store.Action{store.Finish, store.Bury, store.Retry}[(n+k)%3]
				if _, err := i.Settle(t.Context(), store.Settlement{Token: x.Token, Action: a, Reason: "failed for " + x.UserID}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !found(t, path, needle) || !found(t, path, session1) {
		t.Fatal("the user was never in the files: the test shows nothing")
	}
	pieces := storedPieces(t, path, needle)
	if len(pieces) < 50 {
		t.Fatalf("%d stored bodies are compressed: the test shows too little", len(pieces))
	}
	e, err := db.Sessions().EraseUser(t.Context(), needle, time.Now().Add(time.Hour))
	if err != nil || e.Sessions != 50 || e.Windows != 100 || e.Events != 100 {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range append(pieces, needle, session1, "needle") {
		if found(t, path, text) {
			t.Errorf("%q is still in the files", text)
		}
	}
	if list, err := db.Sessions().List(t.Context(), store.Query{Limit: 1000}); err != nil || len(list) != 150 {
		t.Errorf("%d sessions of others, %v; want 150", len(list), err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// storedPieces are pieces of the compressed bodies of a user, as they lie in the
// file, where the body's own text cannot be found.
func storedPieces(t *testing.T, path, user string) (pieces []string) {
	t.Helper()
	rows, err := raw(t, path).QueryContext(t.Context(), "SELECT raw FROM sessions WHERE user_id = ?1 UNION ALL SELECT body FROM inbox WHERE user_id = ?1 AND body IS NOT NULL", user)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 && b[0] == 2 {
			pieces = append(pieces, string(b[len(b)-16:])) // the checksum is in it
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if !found(t, path, p) {
			t.Fatalf("%q is not in the files before the erasure: the test shows nothing", p)
		}
	}
	return pieces
}
