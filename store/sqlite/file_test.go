package sqlite_test

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("s1", "u1", "{}")); err != nil {
		t.Fatal(err)
	}
	if err := db.Backup(t.Context(), path+".backup"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-owner", ".backup"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v; want mode 0600", suffix, info, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	newer := open(t, file("newer.db"), store.Options{})
	_ = newer.Close()
	sqlExec(t, raw(t, file("newer.db")), "PRAGMA user_version = 99")
	sqlExec(t, raw(t, file("other.db")), "CREATE TABLE t (a)", "PRAGMA application_id = 7")
	sqlExec(t, raw(t, file("plain.db")), "CREATE TABLE t (a)")
	if err := os.WriteFile(file("text.db"), []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  sqlite.Config
		want error
	}{
		{"newer.db", sqlite.Config{}, store.ErrNewerSchema},
		{"newer.db", sqlite.Config{ReadOnly: true}, store.ErrNewerSchema},
		{"other.db", sqlite.Config{}, store.ErrCorrupt},
		{"plain.db", sqlite.Config{}, store.ErrCorrupt},
		{"text.db", sqlite.Config{}, store.ErrCorrupt},
		{"none.db", sqlite.Config{ReadOnly: true}, fs.ErrNotExist},
		{"no/dir/a.db", sqlite.Config{}, store.ErrUnavailable},
	} {
		if _, err := sqlite.Open(t.Context(), file(c.name), c.cfg, store.Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := os.Stat(file("none.db")); err == nil {
		t.Error("opening for reads made a file")
	}
}

func TestOpenByURL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, c := range []struct{ url, file string }{
		{"sqlite:./a.db", "a.db"},
		{"sqlite:b%20%3F.db", "b ?.db"},
		{"sqlite://" + dir + "/c%23.db", "c#.db"},
		{"SQLITE:d.db?busy_timeout=1s", "d.db"},
		{"sqlite:a.db?mode=ro", "a.db"},
		{"sqlite:a.db?mode=rw&mode=ro", "a.db"},
		{"sqlite:" + dir + "/e.db?mode=rw", "e.db"},
		{" sqlite:f.db\n", "f.db"},
	} {
		s, err := store.Open(t.Context(), c.url, store.Options{}, sqlite.Backend())
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		_ = s.Close()
		if _, err := os.Stat(filepath.Join(dir, c.file)); err != nil {
			t.Errorf("%s: %v", c.url, err)
		}
	}
	for raw, want := range map[string]string{
		"sqlite:":                        "names no file",
		"sqlite://host/a.db":             `host "host"`,
		"sqlite:a.db#b":                  "names no file",
		"sqlite:a.db?mode=wal":           "mode=wal",
		"sqlite:a.db?cache=shared":       `"cache"`,
		"sqlite:a.db?busy_timeout=5":     "busy_timeout=5",
		"sqlite:a.db?busy_timeout=-5s":   "busy_timeout=-5s",
		"sqlite:a%00.db":                 "names no file",
		"sqlite:a.db?_pragma=journal(0)": `"_pragma"`,
	} {
		_, err := store.Open(t.Context(), raw, store.Options{}, sqlite.Backend())
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", raw, err, want)
		}
	}
}

func TestReadOnlyReadsWhileAnotherWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	inboxOf(t, db)
	put := func(id string) {
		t.Helper()
		if _, err := db.Sessions().Put(t.Context(), session(id, "u1", "{}")); err != nil {
			t.Fatal(err)
		}
	}
	put("s1")
	reader, err := sqlite.Open(t.Context(), path, sqlite.Config{ReadOnly: true}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	put("s2")
	if list, err := reader.Sessions().List(t.Context(), store.Query{}); err != nil || len(list) != 2 {
		t.Errorf("%d sessions, %v; want 2", len(list), err)
	}
	if err := reader.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	_, inbox := reader.Inbox()
	_, write := reader.Sessions().Put(t.Context(), session("s3", "u1", "{}"))
	for name, err := range map[string]error{"Inbox": inbox, "Put": write} {
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
}

func TestOneOwnerOfTheInboxManyOfSessions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	first, second := open(t, path, store.Options{}), open(t, path, store.Options{})
	i := inboxOf(t, first)
	if again := inboxOf(t, first); again != i {
		t.Error("the same store gave another inbox")
	}
	if _, err := second.Inbox(); !errors.Is(err, store.ErrOwned) || !strings.Contains(err.Error(), "process") {
		t.Errorf("%v, want ErrOwned with a process", err)
	}
	if _, err := second.Sessions().Put(t.Context(), session("s1", "u1", "{}")); err != nil {
		t.Error(err)
	}
	if _, err := i.Put(t.Context(), store.Event{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if c, err := i.Claim(t.Context(), 1, time.Hour); err != nil || len(c) != 1 {
		t.Fatal(c, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := inboxOf(t, second).Claim(t.Context(), 1, time.Hour); err != nil || len(c) != 1 || c[0].Claims != 2 {
		t.Errorf("%+v, %v: the new owner takes over what the old one held", c, err)
	}
}

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := sqlite.Open(t.Context(), path, sqlite.Config{}, store.Options{})
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
	if err := open(t, path, store.Options{}).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBackupIsAConsistentCopyMadeInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	put := func(id string) {
		t.Helper()
		if _, err := db.Sessions().Put(t.Context(), session(id, "u1", "{}")); err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				put(string(rune('a'+n%26)) + "-meanwhile")
			}
		}
	})
	err := db.Backup(t.Context(), path+".1")
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	copied := open(t, path+".1", store.Options{})
	if _, err := copied.Sessions().Get(t.Context(), "before"); err != nil {
		t.Error(err)
	}
	if err := copied.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Backup(t.Context(), path+".1"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, store.Options{})
	for range 20 {
		if _, err := db.Sessions().Put(t.Context(), session("s"+time.Now().String(), "u1", strings.Repeat("x", 5000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096 * 4; i < len(b) && i < 4096*30; i += 4096 {
		copy(b[i:], "damage damage damage")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged, err := sqlite.Open(t.Context(), path, sqlite.Config{ReadOnly: true}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer damaged.Close()
	if err := damaged.Check(t.Context()); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

func FuzzOpenURL(f *testing.F) {
	for _, seed := range []string{"sqlite:./a.db", "sqlite:///a?mode=ro", "sqlite:a%zz", "sqlite:?busy_timeout=1h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		path, _, err := sqlite.ParseURL(u)
		if err == nil && (path == "" || strings.ContainsRune(path, 0)) || err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Fatalf("%q: %q, %v", text, path, err)
		}
	})
}

func TestTheSchemaIsToldWithoutAChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	_ = open(t, file("new.db"), store.Options{}).Close()
	_ = open(t, file("newer.db"), store.Options{}).Close()
	sqlExec(t, raw(t, file("newer.db")), "PRAGMA user_version = 99")
	if err := errors.Join(os.WriteFile(file("empty.db"), nil, 0o600), os.WriteFile(file("text.db"), []byte(strings.Repeat("not a database ", 100)), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, newest, err := sqlite.Schema(t.Context(), file("new.db"), sqlite.Config{})
	if err != nil || newest < 3 {
		t.Fatalf("this program knows version %d (%v)", newest, err)
	}
	for _, c := range []struct {
		name string
		have int
		want error
	}{
		{"new.db", newest, nil},
		{"newer.db", 99, nil},
		{"empty.db", 0, nil},
		{"text.db", 0, store.ErrCorrupt},
		{"none.db", 0, fs.ErrNotExist},
	} {
		u, err := url.Parse("sqlite://" + file(c.name))
		if err != nil {
			t.Fatal(err)
		}
		have, _, err := sqlite.Backend().Schema(t.Context(), u)
		if have != c.have || !errors.Is(err, c.want) {
			t.Errorf("%s has version %d (%v), want %d (%v)", c.name, have, err, c.have, c.want)
		}
		if path, err := sqlite.Backend().File(u); err != nil || path != file(c.name) {
			t.Errorf("%s lies at %s (%v)", c.name, path, err)
		}
	}
	if _, err := os.Stat(file("none.db")); err == nil {
		t.Error("asking for the schema made a file")
	}
}

func TestAnOptionOpensForReadsOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	if _, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true}, sqlite.Backend()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	_ = open(t, path, store.Options{}).Close()
	db, err := store.Open(t.Context(), "sqlite:"+path, store.Options{ReadOnly: true}, sqlite.Backend())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Sessions().Put(t.Context(), session("s1", "u1", "{}")); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a put: %v, want ErrReadOnly", err)
	}
}
