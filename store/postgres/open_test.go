package postgres_test

import (
	"context"
	"errors"
	neturl "net/url"
	"strings"
	"sync"
	"testing"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

func TestRefusedURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:s3cret@localhost/db?schema=No":                  "schema=No",
		"postgres://u:s3cret@localhost/db?schema=a;b":                 "percent-encode",
		"postgres://u:s3cret@localhost/db?schema=pg_x":                "schema=pg_x",
		"postgres://u:s3cret@localhost/db?timeout=soon":               "timeout=soon",
		"postgres://u:s3cret@localhost/db?timeout=-1s":                "timeout=-1s",
		"postgres://u:s3cret@localhost/db?search_path=x":              "schema=NAME",
		"postgres://u:s3cret@localhost/db?sslmode=sometimes":          "sslmode",
		"postgres://u:s3cret@localhost/?x=1":                          "names no database",
		"postgres://u:s3cret@localhost:port/db":                       "percent-encode",
		"postgres://u:s3cret@localhost/db?pool_max_conns=s3cret":      "parameter",
		"postgres://u:s3cret@localhost/db?statement_cache_capacity=0": "default_query_exec_mode",
	} {
		_, err := store.Open(t.Context(), url, store.Options{}, postgres.Backend())
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want ErrInvalid that says %q", url, err, want)
		}
	}
}

// errorsWithoutPassword: whatever fails, the password is told to nobody.
func errorsWithoutPassword(t *testing.T, c *dbtest.Cluster) {
	u, _ := neturl.Parse(c.Database(t))
	u.User = neturl.UserPassword("nobody", "s3cret")
	for name, change := range map[string]func(u *neturl.URL){
		"no such role":     func(*neturl.URL) {},
		"no such database": func(u *neturl.URL) { u.User, u.Path = neturl.UserPassword("test", "s3cret"), "nowhere" },
		"no such server":   func(u *neturl.URL) { u.Host = "127.0.0.1:1" },
		"no such setting": func(u *neturl.URL) {
			u.User, u.RawQuery = neturl.UserPassword("test", "s3cret"), u.RawQuery+"&pool_max_cons=3"
		},
		"no TLS": func(u *neturl.URL) { u.RawQuery = "sslmode=verify-full" },
	} {
		v := *u
		change(&v)
		_, err := postgres.Open(t.Context(), v.String(), store.Options{})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
		want, other := store.ErrUnavailable, store.ErrInvalid
		if name == "no such role" || name == "no such database" || name == "no such setting" {
			want, other = other, want
		}
		if !errors.Is(err, want) || errors.Is(err, other) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if _, _, err := postgres.Schema(t.Context(), v.String()); !errors.Is(err, want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the schema, %s: %v, want %v", name, err, want)
		}
	}
}

func settingsOfConnections(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	open(t, url+"&timeout=7s&statement_timeout=1234", store.Options{})
	other := raw(t, url)
	var name, query string
	if err := other.QueryRow(t.Context(), "SELECT application_name, query FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name <> '' AND datname = current_database()").Scan(&name, &query); err != nil {
		t.Fatal(err)
	}
	if name != "asleep" {
		t.Errorf("application_name %q", name)
	}
	open(t, url+"&application_name=mine", store.Options{})
	n := 0
	if err := other.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mine'").Scan(&n); err != nil || n == 0 {
		t.Errorf("%d connections called mine, %v", n, err)
	}
}

// processesThatStartTogether: the schema is made once.
func processesThatStartTogether(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	have, want, err := postgres.Schema(t.Context(), url)
	if err != nil || have != 0 || want == 0 {
		t.Fatalf("version %d of %d, %v", have, want, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := postgres.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if have, _, err = postgres.Schema(t.Context(), url); err != nil || have != want {
		t.Errorf("version %d of %d, %v", have, want, err)
	}
}

func schemaVersions(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	other := raw(t, url)

	_, err := postgres.Open(t.Context(), url, store.Options{ReadOnly: true})
	if !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("an empty database, read-only: %v, want ErrReadOnly", err)
	}
	sqlExec(t, other, "CREATE SCHEMA theirs CREATE TABLE sessions (id int)")
	if _, err := postgres.Open(t.Context(), url+"&schema=theirs", store.Options{}); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("the schema of another program: %v, want ErrCorrupt", err)
	}
	db := open(t, url, store.Options{})
	if _, err := db.Sessions().Put(t.Context(), session("s", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	apart := open(t, url+"&schema=other", store.Options{})
	if _, err := apart.Sessions().Get(t.Context(), "s"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session in another schema: %v", err)
	}
	sqlExec(t, other, "UPDATE asleep.asleep_schema SET version = 99")
	if _, err := postgres.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("a newer schema: %v", err)
	}
	if have, _, err := postgres.Schema(t.Context(), url); have != 99 || err != nil {
		t.Errorf("version %d, %v", have, err)
	}
	if err := db.Backup(t.Context(), "x"); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "pg_dump --schema=asleep") {
		t.Errorf("backup: %v", err)
	}
}

// readOnlyServer: a standby is read, and refuses writes by name.
func readOnlyServer(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	first := open(t, url, store.Options{})
	if _, err := first.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]*postgres.DB{
		"a read-only server": open(t, url+"&default_transaction_read_only=on", store.Options{}),
		"opened read-only":   open(t, url, store.Options{ReadOnly: true}),
	} {
		if _, err := db.Sessions().Get(t.Context(), "kept"); err != nil {
			t.Errorf("%s: read: %v", name, err)
		}
		if _, err := db.Sessions().Put(t.Context(), session("s", "u", "{}")); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: write: %v, want ErrReadOnly", name, err)
		}
		if err := db.Check(t.Context()); err != nil {
			t.Errorf("%s: check: %v", name, err)
		}
	}
	server := open(t, url+"&default_transaction_read_only=on", store.Options{})
	if err := server.Ping(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("ping of a read-only server: %v", err)
	}
	deaf := open(t, url, store.Options{ReadOnly: true})
	if err := deaf.Ping(t.Context()); err != nil {
		t.Errorf("ping of a store that was opened read-only: %v", err)
	}
	if _, err := deaf.Inbox(); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("inbox: %v", err)
	}
}

func closed(t *testing.T, c *dbtest.Cluster) {
	db, err := postgres.Open(t.Context(), c.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := inboxOf(t, db)
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Error(err)
	}
	for name, call := range calls(db, i) {
		if err := call(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(db, i) {
		if err := call(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s with an ended context: %v", name, err)
		}
	}
}
