package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
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

func open(tb testing.TB, url string, o store.Options) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), url, o)
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
	s.Metrics.Set(store.SleepIndex, 80)
	return s
}

// schemas numbers the schemas of the rules, which are cheaper than databases.
var schemas atomic.Int64

func fresh(url string) string { return fmt.Sprintf("%s&schema=t%d", url, schemas.Add(1)) }

// harness gives every rule a schema of its own. Layout lays it out before the
// store is opened, nil as the migrations do.
func harness(t *testing.T, c *dbtest.Cluster, o func(*testing.T) store.Options, layout func(t *testing.T, url string)) storetest.Harness {
	t.Helper()
	var urls sync.Map
	database := c.Database(t) + "&pool_max_conns=8&timeout=30s" // the machine may be busy
	opened := func(t *testing.T, url string) store.Store {
		t.Helper()
		db, err := postgres.Open(t.Context(), url, o(t))
		if err != nil {
			t.Fatal(err)
		}
		urls.Store(store.Store(db), url)
		return db
	}
	return storetest.Harness{
		Open: func(t *testing.T) store.Store {
			t.Helper()
			url := fresh(database)
			if layout != nil {
				layout(t, url)
			}
			return opened(t, url)
		},
		Reopen: func(t *testing.T, s store.Store) store.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			url, _ := urls.Load(s)
			text, _ := url.(string)
			return opened(t, text)
		},
	}
}

func plainStore(t *testing.T, c *dbtest.Cluster) {
	storetest.Run(t, harness(t, c, func(*testing.T) store.Options { return store.Options{} }, nil))
}

// TestPostgres runs what does its server no harm on one server.
func TestPostgres(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	for name, test := range map[string]func(*testing.T, *dbtest.Cluster){
		"report beside windows":         reportBesideWindows,
		"errors without password":       errorsWithoutPassword,
		"settings of connections":       settingsOfConnections,
		"processes that start together": processesThatStartTogether,
		"schemas":                       schemaVersions,
		"read only server":              readOnlyServer,
		"closed":                        closed,
		"the store on partitions":       storeOnPartitions,
		"reseal":                        reseal,
		"check tells damage":            checkTellsDamage,
		"processes share the inbox":     processesShareTheInbox,
		"killed worker":                 killedWorker,
		"unknown commit":                unknownCommit,
		"unknown transaction":           unknownTransaction,
		"locked elsewhere":              lockedElsewhere,
		"callers that leave":            callersThatLeave,
		"password changed":              passwordChanged,
		"slow statements":               slowStatements,
		"full disk":                     fullDisk,
		"the store":                     plainStore,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}
