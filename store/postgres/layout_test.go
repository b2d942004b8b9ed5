package postgres_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
	"github.com/asleep-sdk/asleep/store/storetest"
)

// partitioned runs the statements of docs/postgres.md on a new schema, with
// partitions so small that the suite writes into several.
func partitioned(t *testing.T, url string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sql layout\n")
	ddl, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/postgres.md has no layout")
	}
	_, schema, _ := strings.Cut(url, "&schema=")
	ddl = strings.ReplaceAll(ddl, "asleep.", schema+".")
	ddl = strings.NewReplacer("50000000", "40", "100000000", "80", "0..63", "0..3", "MODULUS 64", "MODULUS 4").Replace(ddl)
	plain, _, _ := strings.Cut(url, "&pool")
	c := raw(t, plain)
	if _, err := c.PgConn().Exec(t.Context(), ddl).ReadAll(); err != nil {
		t.Fatalf("%v\n%s", err, ddl)
	}
	_ = c.Close(t.Context())
}

// storeOnPartitions: the same statements keep the same rules where sessions
// are partitioned by hash and the inbox by ranges of ids,
// and where payloads are encrypted.
func storeOnPartitions(t *testing.T, c *dbtest.Cluster) {
	storetest.Run(t, harness(t, c, func(t *testing.T) store.Options {
		t.Helper()
		return store.Options{Sealer: keys(t, 1)}
	}, partitioned))
}

// reseal: payloads move to a new key, also on the way from none and back.
func reseal(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	plain := open(t, url, store.Options{})
	fill(t, plain)
	first := open(t, url, store.Options{Sealer: keys(t, 1)})
	if n, err := first.Reseal(t.Context()); err != nil || n != 3*100+2+3+1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if _, err := plain.Sessions().Get(t.Context(), "s050"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("without a key: %v, want ErrSealed", err)
	}
	second := open(t, url, store.Options{Sealer: keys(t, 2, 1)})
	if n, err := second.Reseal(t.Context()); err != nil || n != 3*100+2+3+1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if n, err := second.Reseal(t.Context()); err != nil || n != 0 {
		t.Errorf("again: %d rows, %v", n, err)
	}
	only := open(t, url, store.Options{Sealer: keys(t, 2)})
	if s, err := only.Sessions().Get(t.Context(), "s050"); err != nil || s.Raw != "{}" {
		t.Errorf("%+v, %v", s, err)
	}
	if list, err := inboxOf(t, only).Claim(t.Context(), 10, 1e9); err != nil || len(list) != 3 || list[2].Body != event("k0", "", "").Body {
		t.Errorf("%+v, %v", list, err)
	}
	if err := only.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// checkTellsDamage: what does not fit together is told.
func checkTellsDamage(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	db := open(t, url, store.Options{})
	fill(t, db)
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := raw(t, url)
	for text, want := range map[string]string{
		"DELETE FROM asleep.seen WHERE event_id = (SELECT min(id) FROM asleep.inbox)": "1 events whose key is not remembered",
		"DELETE FROM asleep.inbox WHERE id = (SELECT max(id) FROM asleep.inbox)":      "1 remembered keys without an event",
		"UPDATE asleep.sessions SET settled = true WHERE session_id = 's001'":         "2 windows beside a settled report",
		"INSERT INTO asleep.notes (event_id, at_ms, what) VALUES (99999, 0, 'retry')": "1 notes without an event",
	} {
		sqlExec(t, other, text)
		if err := db.Check(t.Context()); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
