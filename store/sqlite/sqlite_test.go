package sqlite_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/store/storetest"
)

func keys(tb testing.TB, first ...byte) *seal.Keyring {
	tb.Helper()
	var list [][]byte
	for _, b := range first {
		k := make([]byte, seal.KeySize)
		k[0] = b
		list = append(list, k)
	}
	r, err := seal.New(list...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func open(tb testing.TB, path string, o store.Options) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), path, sqlite.Config{}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func inboxOf(tb testing.TB, s store.Store) store.Inbox {
	tb.Helper()
	i, err := s.Inbox()
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func session(id, user, raw string) store.Session {
	s := store.Session{
		ID: id, UserID: user, State: asleep.SessionStateComplete, Start: noon, End: noon.Add(8 * time.Hour), Zone: "Asia/Seoul",
		Form: store.FormReport, Raw: raw, Observed: noon.Add(9 * time.Hour), Epochs: store.Epochs{Sleep: make(asleep.Stages, 960)},
	}
	s.Metrics.Set(store.TimeInSleep, 25_000)
	return s
}

// raw opens the file beside the store.
func raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)&_txlock=immediate"}).String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

func sqlExec(tb testing.TB, db *sql.DB, texts ...string) {
	tb.Helper()
	for _, text := range texts {
		if _, err := db.ExecContext(tb.Context(), text); err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
	}
}

func harness(o func(t *testing.T) store.Options) storetest.Harness {
	paths := map[store.Store]string{}
	lock := make(chan struct{}, 1)
	opened := func(t *testing.T, path string) store.Store {
		t.Helper()
		db, err := sqlite.Open(t.Context(), path, sqlite.Config{}, o(t))
		if err != nil {
			t.Fatal(err)
		}
		lock <- struct{}{}
		paths[db] = path
		<-lock
		return db
	}
	return storetest.Harness{
		Open: func(t *testing.T) store.Store {
			t.Helper()
			return opened(t, filepath.Join(t.TempDir(), "odd name ?#%41.db"))
		},
		Reopen: func(t *testing.T, s store.Store) store.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			lock <- struct{}{}
			path := paths[s]
			<-lock
			return opened(t, path)
		},
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(func(*testing.T) store.Options { return store.Options{} }))
}

func TestStoreWithEncryption(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(func(t *testing.T) store.Options {
		t.Helper()
		return store.Options{Sealer: keys(t, 1)}
	}))
}
