package cli_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

func (f *fetching) database() string { return filepath.Join(f.dir, "asleep.db") }

// opened is the store of a fetch, open in this process until the test ends.
func (f *fetching) opened(cfg sqlite.Config) *sqlite.DB {
	f.tb.Helper()
	db, err := sqlite.Open(f.tb.Context(), f.database(), cfg, store.Options{})
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = db.Close() })
	return db
}

// wantTruthInStore compares the store with what the service has.
func (f *fetching) wantTruthInStore() {
	f.tb.Helper()
	truth, got := f.truth(), 0
	db := f.opened(sqlite.Config{ReadOnly: true})
	if err := db.Check(f.tb.Context()); err != nil {
		f.tb.Error(err)
	}
	for s, err := range store.All(f.tb.Context(), db.Sessions(), store.Query{}) {
		if err != nil {
			f.tb.Fatal(err)
		}
		line, err := ndjson.AppendObject(nil, s.Raw, s.UserID)
		if want := truth[night{s.UserID, s.ID}]; err != nil || string(line) != want || s.Form != store.FormReport {
			f.tb.Fatalf("%s of %s is %.100q, want %.100q (%v)", s.ID, s.UserID, line, want, err)
		}
		got++
	}
	if got != len(truth) {
		f.tb.Errorf("%d sessions in the store, want %d", got, len(truth))
	}
}

// killed kills runs of the command after a random number of requests each, and
// resumes until one comes to its end.
func (f *fetching) killed(kills, calls int) {
	f.tb.Helper()
	for range kills {
		p := f.start()
		at := f.srv.Stats().Requests + 1 + rand.IntN(calls/kills)
		if f.await(p, at) {
			_ = p.Process.Kill()
		}
		if code := p.code(); code > 0 {
			f.tb.Fatalf("exit code %d:\n%s", code, &p.stderr)
		}
	}
	f.run(0)
}

func TestAKilledFetchLosesNothingOfTheStoreAndNoLine(t *testing.T) {
	t.Parallel()
	const users, sessions = 150, 6
	f := newFetching(t, asleeptest.Config{Users: users, SessionsPerUser: sessions, Seed: 31, LogSize: -1}, "--details", "--store")
	f.srv.Flaky(0.03)
	f.killed(8, users*(sessions+1))
	f.wantTruthInStore()
	f.wantTruth()
}

func TestAKilledFetchIntoTheStoreAloneIsResumed(t *testing.T) {
	t.Parallel()
	const users, sessions = 150, 6
	f := newFetching(t, asleeptest.Config{Users: users, SessionsPerUser: sessions, Seed: 32, LogSize: -1})
	f.args = []string{"fetch", "--users-file", "users.txt", "--rate", "100000", "--details", "--store"}
	p := f.start()
	if !f.await(p, users*(sessions+1)/2) {
		t.Fatalf("it ended before the signal:\n%s", &p.stderr)
	}
	_ = p.Process.Kill()
	p.code()
	before := f.srv.Stats().Requests
	f.run(0)
	if again := f.srv.Stats().Requests - before; again >= before*2 {
		t.Errorf("%d requests, then %d: it has started over", before, again)
	}
	f.wantTruthInStore()
	left, err := filepath.Glob(f.database() + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("%q stay behind (%v)", left, err)
	}
}

// A process that owns the inbox, as the receiver does, is in nobody's way.
func TestTheStoreIsUsedBesideItsOwner(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 20, SessionsPerUser: 3, Seed: 33}, "--details", "--store")
	owner := f.opened(sqlite.Config{})
	if _, err := owner.Inbox(); err != nil {
		t.Fatal(err)
	}
	f.run(0)
	f.wantTruthInStore()
	for _, args := range [][]string{
		{"sessions", "list", "--store"},
		{"stats", "--store"},
		{"store", "check"},
		{"store", "backup", "copy.db"},
		{"store", "migrate"},
		{"store", "erase", "--user", "user-0001", "--yes"},
		{"store", "expire", "--days", "36000", "--yes"},
	} {
		f.args = args
		f.run(0)
	}
	if _, err := owner.Sessions().List(t.Context(), store.Query{UserID: "user-0001"}); err != nil {
		t.Error(err)
	}
}

// held takes the write lock of the store as another process would, until the
// function that it returns is called.
func (f *fetching) held() (release func()) {
	f.tb.Helper()
	db, err := sql.Open("sqlite", f.database())
	if err != nil {
		f.tb.Fatal(err)
	}
	c, err := db.Conn(f.tb.Context())
	if err != nil {
		f.tb.Fatal(err)
	}
	if _, err := c.ExecContext(f.tb.Context(), "BEGIN IMMEDIATE"); err != nil {
		f.tb.Fatal(err)
	}
	return func() {
		_, err := c.ExecContext(context.Background(), "ROLLBACK")
		if err := errors.Join(err, c.Close(), db.Close()); err != nil {
			f.tb.Error(err)
		}
	}
}

func TestAStoreThatOthersHoldStopsAFetchResumably(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 10, SessionsPerUser: 3, Seed: 34}, "--details", "--store", "--max-outage", "300ms")
	f.env = []string{"DATABASE_URL=sqlite:./asleep.db?busy_timeout=20ms"}
	_ = f.opened(sqlite.Config{}).Close()
	release := f.held()
	p := f.run(5)
	want := "another process holds it: try again later; then the same command goes on where this one stopped"
	if !strings.Contains(p.stderr.String(), want) {
		t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
	}
	if n := len(f.checkpointed()); n != 0 {
		t.Errorf("the checkpoint counts %d bytes of sessions that are not in the store", n)
	}
	release()
	f.run(0)
	f.wantTruthInStore()
	f.wantTruth()
}

// A store that is held for less time than an outage may take is waited for.
func TestABusyStoreIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 10, SessionsPerUser: 3, Seed: 35}, "--details", "--store")
	f.env = []string{"DATABASE_URL=sqlite:./asleep.db?busy_timeout=20ms"}
	_ = f.opened(sqlite.Config{}).Close()
	release := f.held()
	p := f.start()
	if !f.await(p, 40) { // all of them, and nothing could be written
		t.Fatalf("it ended:\n%s", &p.stderr)
	}
	release()
	if code := p.code(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, &p.stderr)
	}
	f.wantTruthInStore()
}

// TestAFullDiskStopsAFetchIntoTheStore fills a small file system.
func TestAFullDiskStopsAFetchIntoTheStore(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 60, SessionsPerUser: 20, Seed: 36, LogSize: -1}, "--details", "--store")
	small := filepath.Join(f.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a full disk needs root and a tmpfs (%v: %s)", err, out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "-l", small).Run() })
	f.env = []string{"DATABASE_URL=sqlite:small/asleep.db"}
	p := f.run(1)
	if text := p.stderr.String(); !strings.Contains(text, "disk full") || !strings.Contains(text, "make room; then the same command goes on where this one stopped") {
		t.Errorf("stderr does not tell what to do:\n%s", text)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,size=64m", small).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f.run(0)
	f.dir = small
	f.wantTruthInStore()
}

// A terminated fetch puts into the store what it has in hand.
func TestATerminatedFetchKeepsWhatItHasInHand(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 40, SessionsPerUser: 3, Seed: 37}, "--details", "--store", "--concurrency", "2")
	f.srv.Inject(asleeptest.Fault{Latency: 5 * time.Millisecond})
	p := f.start()
	if !f.await(p, 60) {
		t.Fatalf("it ended before the signal:\n%s", &p.stderr)
	}
	_ = p.Process.Signal(syscall.SIGTERM)
	if code := p.code(); code != 143 {
		t.Fatalf("exit code %d:\n%s", code, &p.stderr)
	}
	db, lines := f.opened(sqlite.Config{ReadOnly: true}), f.lines()
	if len(lines) == 0 {
		t.Error("nothing was in hand")
	}
	for n := range lines {
		if _, err := db.Sessions().Get(t.Context(), n.session); err != nil {
			t.Errorf("%v has a line and is not in the store: %v", n, err)
		}
	}
	f.run(0)
	f.wantTruthInStore()
}

// One session id under two users is the service's lie, and never passed over.
func TestASessionOfAnotherUserIsToldAndNotStored(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 2, SessionsPerUser: 2, Seed: 38}, "--details", "--store")
	db := f.opened(sqlite.Config{})
	taken := f.srv.Sessions("user-0001")[0].ID
	_, err := db.Sessions().Put(t.Context(), store.Session{ID: taken, UserID: "somebody", Form: store.FormReport, Raw: `{}`, Observed: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	p := f.run(3)
	for _, want := range []string{"store: 3 created, 0 updated, 0 unchanged, 1 refused as another user's", "level=WARN", taken, "asleep: 1 session could not be stored: each is named in a warning above"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
		}
	}
	if strings.Contains(p.stderr.String(), "user-0001") {
		t.Errorf("a user id is in the log:\n%s", &p.stderr)
	}
}

// listMemory lists n sessions of the store and returns the peak of the process.
func (f *fetching) listMemory(n int, format string) float64 {
	f.tb.Helper()
	out := filepath.Join(f.dir, "list")
	cmd := exec.CommandContext(f.tb.Context(), "sh", "-c", `exec asleep sessions list --store --limit "$1" -o "$2" >list`, "sh", strconv.Itoa(n), format)
	cmd.Dir = f.dir
	if err := cmd.Start(); err != nil {
		f.tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for peak := 0.0; ; {
		select {
		case err := <-ended:
			b, readErr := os.ReadFile(out)
			if got := strings.Count(string(b), "\n"); err != nil || readErr != nil || got < n {
				f.tb.Fatalf("%d of %d lines: %v, %v", got, n, err, readErr)
			}
			return peak
		case <-ticker.C:
			if mb, err := peakMB(cmd.Process.Pid); err == nil {
				peak = max(peak, mb)
			}
		}
	}
}

func TestTheMemoryOfAListOfTheStoreIsFlat(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("the race detector multiplies the memory")
	}
	if runtime.GOOS != "linux" {
		t.Skip("the peak is read from /proc")
	}
	const all, page = 200_000, 1000
	f := newFetching(t, asleeptest.Config{Users: 1})
	db := f.opened(sqlite.Config{})
	start := time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	for i := 0; i < all; i += page {
		list := make([]store.Session, page)
		for k := range list {
			id := fmt.Sprintf("session-%07d", i+k)
			list[k] = store.Session{
				ID: id, UserID: fmt.Sprintf("user-%04d", k), Start: start.Add(time.Duration(i+k) * time.Minute), Observed: start,
				Raw: `{"session_id":"` + id + `","state":"COMPLETE","created_timezone":"Asia/Seoul"}`,
			}
		}
		if _, err := db.Sessions().Put(t.Context(), list...); err != nil {
			t.Fatal(err)
		}
	}
	// With half of it the caches of the database are full.
	for _, format := range []string{"ndjson", "table"} {
		few, many := f.listMemory(all/2, format), f.listMemory(all, format)
		t.Logf("%s: %d sessions %.1f MB, %d sessions %.1f MB", format, all/2, few, all, many)
		if many > few+8 || many > maxFetchMB {
			t.Errorf("%s: %d sessions take %.1f MB, %d take %.1f MB", format, all, many, all/2, few)
		}
	}
}
