package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// found searches the raw files of a store.
func found(tb testing.TB, path, text string) bool {
	tb.Helper()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			tb.Fatal(err)
		}
		if bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	return false
}

func TestEncryptedPayloadsAreNotInTheFile(t *testing.T) {
	t.Parallel()
	for _, o := range []store.Options{{}, {Sealer: keys(t, 1)}} {
		path := filepath.Join(t.TempDir(), "a.db")
		db := open(t, path, o)
		i := inboxOf(t, db)
		if _, err := db.Sessions().Put(t.Context(), session("s1", "u1", "the body of a night")); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Put(t.Context(), store.Event{Key: "k", Body: "the body of an event"}); err != nil {
			t.Fatal(err)
		}
		c, err := i.Claim(t.Context(), 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Settle(t.Context(), store.Settlement{Token: c[0].Token, Action: store.Retry, Reason: "the reason of a failure"}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"the body of a night", "the body of an event", "the reason of a failure"} {
			if encrypted := o.Sealer != nil; found(t, path, text) == encrypted {
				t.Errorf("encrypted %v: %q is in the file: %v", encrypted, text, !encrypted)
			}
		}
	}
}

func TestRotatingTheKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	with := func(first ...byte) store.Options {
		if len(first) == 0 {
			return store.Options{}
		}
		return store.Options{Sealer: keys(t, first...)}
	}
	const n = 150 // more than two pages
	db := open(t, path, with())
	i := inboxOf(t, db)
	for k := range n {
		if _, err := db.Sessions().Put(t.Context(), session(fmt.Sprint("s", k), "u1", fmt.Sprint("body ", k))); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Put(t.Context(), store.Event{Key: fmt.Sprint("\x00k", k), Body: "event body"}); err != nil {
			t.Fatal(err)
		}
	}
	w := store.Window{SessionID: "w1", UserID: "u1", Seq: 3, Observed: noon, Epochs: session("", "", "").Epochs}
	w.Epochs.Sleep = w.Epochs.Sleep[:10]
	if _, err := db.Sessions().PutWindow(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	for _, step := range []struct {
		keys []byte
		rows int
	}{{[]byte{1}, 4*n + 1}, {[]byte{2, 1}, 4*n + 1}, {[]byte{2}, 0}, {[]byte{3, 2}, 4*n + 1}} {
		db := open(t, path, with(step.keys...))
		rows, err := db.Reseal(t.Context())
		if err != nil || rows != step.rows {
			t.Errorf("keys %v: %d rows, %v; want %d", step.keys, rows, err, step.rows)
		}
		if rows, err := db.Reseal(t.Context()); err != nil || rows != 0 {
			t.Errorf("keys %v again: %d rows, %v; want none", step.keys, rows, err)
		}
		s, err := db.Sessions().Get(t.Context(), "s77")
		if err != nil || s.Raw != "body 77" || len(s.Epochs.Sleep) != 960 {
			t.Errorf("keys %v: %q, %v", step.keys, s.Raw, err)
		}
		if p, err := db.Sessions().Partial(t.Context(), "w1"); err != nil || len(p.Epochs.Sleep) != 40 {
			t.Errorf("keys %v: window: %v", step.keys, err)
		}
		_ = db.Close()
	}
	old := open(t, path, with(2))
	if _, err := old.Sessions().Get(t.Context(), "s1"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("with the old key: %v, want ErrSealed", err)
	}
	none := open(t, path, with())
	if _, err := none.Sessions().List(t.Context(), store.Query{}); !errors.Is(err, store.ErrSealed) {
		t.Errorf("without a key: %v, want ErrSealed", err)
	}
	if _, err := none.Reseal(t.Context()); !errors.Is(err, store.ErrSealed) {
		t.Errorf("resealing without the key: %v, want ErrSealed", err)
	}
}

func TestAPayloadOpensInItsOwnRowOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{Sealer: keys(t, 1)})
	i := inboxOf(t, db)
	for _, id := range []string{"s1", "s2"} {
		if _, err := db.Sessions().Put(t.Context(), session(id, "u-"+id, "body of "+id)); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Put(t.Context(), store.Event{Key: id, Body: "event " + id}); err != nil {
			t.Fatal(err)
		}
	}
	sqlExec(t, raw(t, path), `UPDATE sessions SET raw = (SELECT raw FROM sessions WHERE session_id = 's1') WHERE session_id = 's2'`,
		`UPDATE inbox SET body = (SELECT body FROM inbox WHERE id = 2) WHERE id = 1`)
	if _, err := db.Sessions().Get(t.Context(), "s2"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("the body of another session: %v, want ErrSealed", err)
	}
	// One event that cannot be read does not stop the queue.
	if c, err := i.Claim(t.Context(), 1, time.Hour); !errors.Is(err, store.ErrSealed) || len(c) != 0 {
		t.Errorf("%v, %v; want ErrSealed", c, err)
	}
	if c, err := i.Claim(t.Context(), 5, time.Hour); err != nil || len(c) != 1 || c[0].Body != "event s2" {
		t.Errorf("%v, %v; want the other event", c, err)
	}
}
