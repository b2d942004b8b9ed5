package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

// works wants every kind of call to do what it should, at last: a store is not
// opened again after trouble.
func works(t *testing.T, db store.Store, i store.Inbox) {
	t.Helper()
	for name, call := range calls(db, i) {
		var err error
		eventually(t, name+" to work", func() bool {
			err = call(t.Context())
			return err == nil
		})
	}
}

// TestStandby: a server that follows another is read and refuses writes by name,
// and takes them as soon as it is promoted.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := dbtest.Postgres(t)
	url := primary.Database(t)
	if _, err := open(t, url, store.Options{}).Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	standby := primary.Standby(t)
	u, _ := neturl.Parse(url)
	u.Host = standby.Addr
	following := u.String()
	eventually(t, "the standby to follow", func() bool {
		have, want, err := postgres.Schema(t.Context(), following)
		return err == nil && have == want
	})
	db := open(t, following, store.Options{})
	i := inboxOf(t, db)
	for name, call := range calls(db, i) {
		err := call(t.Context())
		if reads := name == "get" || name == "depth"; reads && err != nil || !reads && !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s on a standby: %v", name, err)
		}
	}
	primary.Kill()
	sqlExec(t, raw(t, following), "SELECT pg_promote()")
	works(t, db, i)
	// It listens by now, if not at once.
	if _, err := inboxOf(t, open(t, following, store.Options{})).Put(t.Context(), event("wake", "u", "s")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-i.Wake():
	case <-time.NewTimer(2 * time.Minute).C:
		t.Error("not woken by another process after the promotion")
	}
}

// TestServerThatShutsDown: one that waits for its clients lets no new ones in
// (57P03, as when it starts).
func TestServerThatShutsDown(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	url := c.Database(t)
	db := open(t, url, store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	raw(t, url) // it is waited for
	if err := syscall.Kill(c.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var err error
	eventually(t, "no new ones to be let in", func() bool {
		_, _, err = postgres.Schema(t.Context(), url)
		return err != nil
	})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "57P03") {
		t.Errorf("%v, want ErrUnavailable for 57P03", err)
	}
	if _, err := postgres.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInvalid) {
		t.Errorf("opened: %v", err)
	}
	c.Restart(t)
	works(t, db, i)
}

// TestTooManyConnections: a server that has none left (53300) is busy.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t, "max_connections=12", "superuser_reserved_connections=0", "max_wal_senders=0")
	url := c.Database(t)
	db := open(t, url+"&timeout=2s&pool_max_conns=2", store.Options{})
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	var others []*pgx.Conn
	var err error
	for err == nil {
		var other *pgx.Conn
		if other, err = pgx.Connect(t.Context(), url); err == nil {
			others = append(others, other)
		}
	}
	if _, err := postgres.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "53300") {
		t.Errorf("opened: %v, want ErrBusy for 53300", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("what has connections goes on: %v", err)
	}
	for _, other := range others {
		_ = other.Close(t.Context())
	}
	i := inboxOf(t, db)
	works(t, db, i)
}

// passwordChanged: a wrong password is a wrong URL when the store is opened. One
// that is changed later is trouble that passes, and costs nothing that is queued.
func passwordChanged(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	admin := raw(t, url)
	hba := filepath.Join(c.Dir(), "data", "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all app 127.0.0.1/32 scram-sha-256\n"), rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	sqlExec(t, admin, "SELECT pg_reload_conf()")
	sqlExec(t, admin, "CREATE ROLE app LOGIN SUPERUSER PASSWORD 'r1ght'")
	at := func(password string) string {
		u, _ := neturl.Parse(url)
		u.User = neturl.UserPassword("app", password)
		return u.String()
	}
	eventually(t, "passwords to be asked for", func() bool {
		_, err = postgres.Open(t.Context(), at("wr0ng"), store.Options{})
		return err != nil
	})
	if !errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "28P01") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("a wrong password: %v, want ErrInvalid", err)
	}
	db := open(t, at("r1ght"), store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	sqlExec(t, admin, "ALTER ROLE app PASSWORD 'changed'")
	sqlExec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
	eventually(t, "the connections to be gone", func() bool { return db.Ping(t.Context()) != nil })
	for name, call := range calls(db, i) {
		if err := call(t.Context()); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "r1ght") {
			t.Errorf("%s with a password that was changed: %v, want ErrUnavailable", name, err)
		}
	}
	sqlExec(t, admin, "ALTER ROLE app PASSWORD 'r1ght'")
	works(t, db, i)
}

// slowStatements: what the server gives up on for taking too long, and what finds
// no connection free, is busy; both are told in time and pass.
func slowStatements(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	db := open(t, url+"&timeout=3s&lock_timeout=0&statement_timeout=300", store.Options{})
	small := open(t, url+"&timeout=1s&lock_timeout=0&statement_timeout=0&pool_max_conns=1", store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}"), session("s", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	other := raw(t, url)
	sqlExec(t, other, "BEGIN")
	sqlExec(t, other, "LOCK asleep.sessions IN ACCESS EXCLUSIVE MODE")
	var err error
	took := undisturbed(func() { _, err = db.Sessions().Put(t.Context(), session("new", "u", "{}")) })
	if !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "57014") || took > 2*time.Second {
		t.Errorf("a statement that takes too long: %v after %v, want ErrBusy for 57014", err, took)
	}
	var wg sync.WaitGroup
	failed := make(chan error, 3)
	for range cap(failed) {
		wg.Go(func() {
			_, err := small.Sessions().Get(t.Context(), "kept")
			failed <- err
		})
	}
	wg.Wait()
	close(failed)
	busy := 0
	for err := range failed {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if errors.Is(err, store.ErrBusy) && strings.Contains(err.Error(), "all 1 connections are in use") {
			busy++
		}
	}
	if busy != 2 {
		t.Errorf("%d of 3 found the one connection in use, want 2", busy)
	}
	sqlExec(t, other, "ROLLBACK")
	works(t, db, i)
	works(t, small, i)
}

// fullDisk: writes fail as ErrFull (53100), reads go on, and writes do again when
// there is room.
func fullDisk(t *testing.T, c *dbtest.Cluster) {
	disk := filepath.Join(c.Dir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("NOT TESTED: this test needs to run as root and mount a tmpfs (%v)", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	url := c.Database(t)
	info, err := os.Stat(c.Dir())
	if err != nil {
		t.Fatal(err)
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(disk, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	admin := raw(t, url)
	sqlExec(t, admin, "CREATE TABLESPACE small LOCATION '"+disk+"'")
	sqlExec(t, admin, "CREATE DATABASE small TABLESPACE small")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if other, err := pgx.Connect(ctx, url); err == nil {
			_, _ = other.Exec(ctx, "DROP DATABASE small WITH (FORCE)")
			_, _ = other.Exec(ctx, "DROP TABLESPACE small")
			_ = other.Close(ctx)
		}
	})
	u, _ := neturl.Parse(url)
	u.Path = "/small"
	db := open(t, u.String(), store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := 0
	for ; err == nil && acked < 10_000; acked++ {
		e := event(fmt.Sprint("k", acked), "u", "s")
		body := make([]byte, 8<<10)
		_, _ = rand.Read(body) // never fails; what is random cannot be compressed
		e.Body = string(body)
		_, err = i.Put(t.Context(), e)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("%v after %d events, want ErrFull", err, acked)
	}
	if _, err := db.Sessions().Get(t.Context(), "kept"); err != nil {
		t.Errorf("a read: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	works(t, db, i)
	d, err := i.Depth(t.Context())
	if err != nil || d.Backlog() < acked-1 {
		t.Errorf("%+v, %v; %d were acknowledged", d, err, acked-1)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
