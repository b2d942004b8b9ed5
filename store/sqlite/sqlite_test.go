package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/store/storetest"
)

func keys(t testing.TB, first ...byte) *seal.Keyring {
	t.Helper()
	var list [][]byte
	for _, b := range first {
		k := make([]byte, seal.KeySize)
		k[0] = b
		list = append(list, k)
	}
	r, err := seal.New(list...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, path string, o store.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Config{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
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
		Open: func(t *testing.T) store.Store { return opened(t, filepath.Join(t.TempDir(), "odd name ?#%41.db")) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
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
	storetest.Run(t, harness(func(t *testing.T) store.Options { return store.Options{Sealer: keys(t, 1)} }))
}
