//go:build unix

package mongo_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
	"github.com/asleep-sdk/asleep/store/storetest"
)

// server is where the tests run: MONGO_URI, or else a FerretDB of their own.
func server(tb testing.TB) *url.URL {
	tb.Helper()
	text := os.Getenv("MONGO_URI")
	if text == "" {
		text = "mongodb://" + dbtest.Ferret(tb).Addr
	}
	_, u, err := store.Resolve(text, mongo.Backend())
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

var databases atomic.Int64

// database is a new one on the server, which is dropped with the test.
func database(tb testing.TB, server *url.URL) *url.URL {
	tb.Helper()
	u := *server
	u.Path = fmt.Sprintf("/asleep_%d_%d", os.Getpid(), databases.Add(1))
	return &u
}

func open(tb testing.TB, u *url.URL, cfg mongo.Config, o store.Options) *mongo.DB {
	tb.Helper()
	db, err := mongo.Open(tb.Context(), u, cfg, o)
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

// raw opens the database beside the store.
func raw(tb testing.TB, u *url.URL) *driver.Database {
	tb.Helper()
	c, err := driver.Connect(options.Client().ApplyURI(u.String()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 5*time.Second)
		defer cancel()
		_ = c.Disconnect(ctx)
	})
	return c.Database(u.Path[1:])
}

func harness(t *testing.T, cfg mongo.Config, o store.Options) storetest.Harness {
	t.Helper()
	at := server(t)
	opened := func(t *testing.T, u *url.URL) store.Store {
		t.Helper()
		db, err := mongo.Open(t.Context(), u, cfg, o)
		if err != nil {
			t.Fatal(err)
		}
		return located{db, u}
	}
	return storetest.Harness{
		Open: func(t *testing.T) store.Store {
			t.Helper()
			u := database(t, at)
			if os.Getenv("MONGO_URI") != "" {
				db := raw(t, u)
				t.Cleanup(func() { _ = db.Drop(context.WithoutCancel(t.Context())) })
			}
			return opened(t, u)
		},
		Reopen: func(t *testing.T, s store.Store) store.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return opened(t, s.(located).u)
		},
		Lacks: lacks(),
	}
}

// lacks says what is not tested. With a real server that is the inbox alone.
func lacks() map[string]string {
	lacks := map[string]string{"inbox": "no commits over many documents", "apply": "no inbox"}
	if os.Getenv("MONGO_URI") == "" {
		lacks["a batch is stored whole"] = "FerretDB reads the whole collection for each of 172 pages: TestABatchIsStoredWhole has fewer"
	}
	return lacks
}

// located is a store that remembers its URL.
type located struct {
	*mongo.DB
	u *url.URL
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(t, mongo.Config{}, store.Options{}))
}

func TestStoreWithEncryption(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(t, mongo.Config{Batch: 7}, store.Options{Sealer: keys(t, 1)}))
}

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

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func session(id, user string, n int) store.Session {
	s := store.Session{
		ID: id, UserID: user, State: asleep.SessionStateComplete, Start: noon, End: noon.Add(8 * time.Hour), Zone: "Asia/Seoul",
		Offset: 9 * time.Hour, Form: store.FormReport, Observed: noon.Add(9*time.Hour + time.Duration(n)*time.Second),
		Raw: fmt.Sprintf(`{"session":{"id":%q},"stat":{"sleep_index":%d,"sleep_efficiency":93.5,"time_in_rem":null,"new_figure":"x"}}`, id, 60+n),
	}
	s.Epochs.Sleep = asleep.Stages{0, 1, 2, 3, -1}
	s.Metrics.Set(store.SleepIndex, 60+float64(n))
	return s
}
