package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

// fill puts 100 sessions, 2 windows, 3 events and a note.
func fill(t *testing.T, db *postgres.DB) {
	t.Helper()
	var list []store.Session
	for n := range 100 {
		list = append(list, session(fmt.Sprintf("s%03d", n), "u", "{}"))
	}
	if _, err := db.Sessions().Put(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
	for seq := range 2 {
		w := store.Window{SessionID: "s001", UserID: "u", Seq: seq, Observed: noon, Epochs: list[0].Epochs}
		w.Epochs.Sleep = w.Epochs.Sleep[:10]
		if _, err := db.Sessions().PutWindow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	i := inboxOf(t, db)
	if _, err := i.Put(t.Context(), event("k0", "", ""), event("k1", "", ""), event("k2", "", "")); err != nil {
		t.Fatal(err)
	}
	c, err := i.Claim(t.Context(), 1, time.Hour)
	if err != nil || len(c) != 1 {
		t.Fatal(c, err)
	}
	if _, err := i.Settle(t.Context(), store.Settlement{Token: c[0].Token, Action: store.Release, Reason: "no reason"}); err != nil {
		t.Fatal(err)
	}
}

// processesShareTheInbox: workers of two stores never hold the same event,
// and one is woken by what the other puts.
func processesShareTheInbox(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	a, b := inboxOf(t, open(t, url, store.Options{})), inboxOf(t, open(t, url, store.Options{}))
	drain := func(i store.Inbox) {
		for {
			select {
			case <-i.Wake():
			case <-time.NewTimer(300 * time.Millisecond).C:
				return
			}
		}
	}
	drain(b)
	if _, err := a.Put(t.Context(), event("first", "u", "s")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Wake():
	case <-time.NewTimer(2 * time.Minute).C:
		t.Fatal("the other process was not woken")
	}
	// The listener comes back after a cut.
	sqlExec(t, raw(t, url), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
	eventually(t, "two listeners", func() bool {
		n := 0
		err := raw(t, url).QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()").Scan(&n)
		return err == nil && n == 2
	})
	drain(b)
	for n := range 200 {
		if _, err := a.Put(t.Context(), event(fmt.Sprint("k", n), "u", "s")); err != nil {
			t.Fatal(err)
		}
	}
	var held sync.Map
	var wg sync.WaitGroup
	for _, i := range []store.Inbox{a, b, a, b} {
		wg.Go(func() {
			for {
				claims, err := i.Claim(t.Context(), 7, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if len(claims) == 0 {
					return
				}
				for _, c := range claims {
					if _, taken := held.LoadOrStore(c.ID, true); taken {
						t.Errorf("event %s is held twice", c.ID)
					}
				}
			}
		})
	}
	wg.Wait()
	n := 0
	held.Range(func(any, any) bool { n++; return true })
	if n != 201 {
		t.Errorf("%d events were claimed, want 201", n)
	}
}

const workerURL = "ASLEEP_TEST_WORKER_URL"

// TestMain lets the test binary be the worker of another process.
func TestMain(m *testing.M) {
	if url := os.Getenv(workerURL); url != "" {
		if err := work(url); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// work applies the first step of an event, says so, and extends the lease until
// it is killed.
func work(url string) error {
	ctx := context.Background()
	db, err := postgres.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	i, err := db.Inbox()
	if err != nil {
		return err
	}
	claims, err := i.Claim(ctx, 10, lease)
	if err != nil || len(claims) == 0 {
		return fmt.Errorf("%d claims, %w", len(claims), err)
	}
	a, _ := i.(store.Applier)
	if _, err := a.Apply(ctx, claims[0].Token, "store", store.Write{Sessions: []store.Session{session("s", "u", "{}")}}); err != nil {
		return err
	}
	_, _ = os.Stdout.WriteString("claimed\n")
	beat := time.NewTicker(lease / 3)
	defer beat.Stop()
	for range beat.C {
		for _, c := range claims {
			if _, err := i.Extend(ctx, lease, c.Token); err != nil {
				return err
			}
		}
	}
	return nil
}

// lease is long for a test, as one that is as short as a standstill of the machine ends
// while its worker lives.
const lease = 6 * time.Second

// killedWorker: what a killed process had claimed is handed out when its lease
// ends, with the steps that it had done, and not before.
func killedWorker(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	db := open(t, url, store.Options{})
	i := inboxOf(t, db)
	for n := range 10 {
		if _, err := i.Put(t.Context(), event(fmt.Sprint("k", n), "u", "s")); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), workerURL+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("claimed\n"))); err != nil {
		t.Fatal(err)
	}
	// Heartbeats keep the events away for longer than a lease.
	begun := time.Now()
	eventually(t, "two leases", func() bool {
		if claims, err := i.Claim(t.Context(), 10, time.Minute); err != nil || len(claims) > 0 {
			t.Fatalf("claimed %d events of a living worker, %v", len(claims), err)
		}
		return time.Since(begun) > 2*lease
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	watch, killed := standstill.For(t), time.Now()
	var claims []store.Claim
	eventually(t, "the work of the killed process", func() bool {
		more, err := i.Claim(t.Context(), 10, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, more...)
		return len(claims) == 10
	})
	took := watch.Took(killed)
	t.Logf("taken over after %v, with a lease of %v", took, lease)
	if took > lease+15*time.Second {
		t.Errorf("taken over after %v, with a lease of %v", took, lease)
	}
	for _, c := range claims {
		if done := len(c.Steps) == 1; done != (c.Key == "k0") || c.Attempts != 0 || c.Claims != 2 {
			t.Errorf("%+v", c)
		}
	}
}

// reportBesideWindows: however a settled report and windows race, no window is
// left beside the report, and the windows of a session are one user's.
func reportBesideWindows(t *testing.T, c *dbtest.Cluster) {
	db := open(t, c.Database(t), store.Options{})
	for round := range 60 {
		id := fmt.Sprint("s", round)
		settled := session(id, "u", "{}")
		settled.Settled = true
		var wg sync.WaitGroup
		for seq := range 4 {
			wg.Go(func() {
				w := store.Window{SessionID: id, UserID: "u", Seq: seq, Observed: noon, Epochs: store.Epochs{Sleep: settled.Epochs.Sleep[:10]}}
				if _, err := db.Sessions().PutWindow(t.Context(), w); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := db.Sessions().Put(t.Context(), settled); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if p, err := db.Sessions().Partial(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("round %d: %d windows beside the settled report, %v", round, p.Windows, err)
		}
	}
}
