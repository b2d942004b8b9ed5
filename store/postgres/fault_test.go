package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/store"
)

// raw is a connection beside the store.
func raw(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	c, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.WithoutCancel(tb.Context())) })
	return c
}

func sqlExec(tb testing.TB, c *pgx.Conn, text string, args ...any) {
	tb.Helper()
	if _, err := c.Exec(tb.Context(), text, args...); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
}

func event(key, user, session string) store.Event {
	return store.Event{Key: key, Kind: "SESSION_COMPLETE", UserID: user, SessionID: session, Body: `{"key":"` + key + `"}`}
}

// undisturbed does something and returns how long it took; again if the machine stood
// still meanwhile, as what is bounded on both sides of a connection ends by either
// bound then.
func undisturbed(do func()) (took time.Duration) {
	for range 20 {
		watch, begun := standstill.Begin(), time.Now()
		do()
		took = time.Since(begun)
		stood := watch.Longest(begun)
		if watch.End(); stood < 200*time.Millisecond {
			break
		}
	}
	return took
}

// eventually waits for something that only time brings.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// calls are what every kind of call does, by name.
func calls(db store.Store, i store.Inbox) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"put session": func(ctx context.Context) error {
			_, err := db.Sessions().Put(ctx, session("s", "u", "{}"))
			return err
		},
		"get": func(ctx context.Context) error {
			_, err := db.Sessions().Get(ctx, "kept")
			return err
		},
		"put event": func(ctx context.Context) error {
			_, err := i.Put(ctx, event("k", "u", "s"))
			return err
		},
		"put events": func(ctx context.Context) error {
			_, err := i.Put(ctx, event("k1", "u", "s"), event("k2", "u", "s"))
			return err
		},
		"claim": func(ctx context.Context) error {
			_, err := i.Claim(ctx, 1, time.Second)
			return err
		},
		"settle": func(ctx context.Context) error {
			_, err := i.Settle(ctx, store.Settlement{Token: "1-1", Action: store.Finish})
			return err
		},
		"erase": func(ctx context.Context) error {
			_, err := db.Sessions().EraseUser(ctx, "nobody", noon)
			return err
		},
		"depth": func(ctx context.Context) error {
			_, err := i.Depth(ctx)
			return err
		},
		"ping": db.Ping,
	}
}

// allFail wants every call to fail with the kind, and none to take longer than
// most, not counting what the machine stands still.
func allFail(t *testing.T, db store.Store, i store.Inbox, kind error, most time.Duration) {
	t.Helper()
	watch := standstill.For(t)
	for name, call := range calls(db, i) {
		begun := time.Now()
		if err := call(t.Context()); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", name, err, kind)
		}
		if took := watch.Took(begun); took > most {
			t.Errorf("%s failed after %v, want at most %v", name, took, most)
		}
	}
}

func TestKilledAndRestartedServer(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	db := open(t, c.Database(t), store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	c.Kill()
	// A refused connection takes no time; the bound is for a busy machine.
	allFail(t, db, i, store.ErrUnavailable, 10*time.Second)
	c.Restart(t)
	eventually(t, "a call to be answered", func() bool { return db.Ping(t.Context()) == nil })
	for name, call := range calls(db, i) {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s after the restart: %v", name, err)
		}
	}
}

// stall stops the server and the processes of its connections where they stand.
func stall(t *testing.T, c *dbtest.Cluster, url string) (resume func()) {
	t.Helper()
	rows, err := raw(t, url).Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, s)
		}
	}
	c.Stall()
	signal(syscall.SIGSTOP)
	t.Cleanup(func() { signal(syscall.SIGCONT) })
	return func() {
		signal(syscall.SIGCONT)
		c.Resume()
	}
}

// TestStalledServer: a server that says nothing costs a call its own deadline, or
// the caller's if that is sooner.
func TestStalledServer(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	url := c.Database(t)
	db := open(t, url+"&timeout=400ms&pool_max_conns=3", store.Options{})
	i := inboxOf(t, db)
	if _, err := db.Sessions().Put(t.Context(), session("kept", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	resume := stall(t, c, url)
	allFail(t, db, i, store.ErrUnavailable, 10*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.Sessions().Get(ctx, "kept"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("with a deadline of its own: %v", err)
	}
	resume()
	eventually(t, "a call to be answered", func() bool { return db.Ping(t.Context()) == nil })
	if _, err := db.Sessions().Get(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
}

// TestCutConnections: writers go on while connections are cut again and again.
// What was acknowledged is there, once; what failed may be there, and is safe to
// repeat.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	url := c.Database(t)
	db := open(t, url, store.Options{})
	i := inboxOf(t, db)
	writeWhile(t, db, i, func(stop <-chan struct{}) {
		killer := raw(t, url)
		tick := time.NewTicker(150 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				sqlExec(t, killer, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asleep'")
			}
		}
	})
}

// TestKilledUnderLoad: the same with the whole server killed and started again.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	db := open(t, c.Database(t), store.Options{})
	i := inboxOf(t, db)
	writeWhile(t, db, i, func(stop <-chan struct{}) {
		for range 2 {
			select {
			case <-stop:
			default:
				c.Restart(t)
			}
		}
	})
}

// writeWhile has writers put events and sessions, each until it is acknowledged,
// while something goes wrong, and then compares.
func writeWhile(t *testing.T, db store.Store, i store.Inbox, wrong func(stop <-chan struct{})) {
	t.Helper()
	const writers, each = 8, 30
	stop := make(chan struct{})
	var trouble, work sync.WaitGroup
	trouble.Go(func() { wrong(stop) })
	var failures, told atomic.Int64
	insist := func(call func() error) {
		for call() != nil {
			failures.Add(1)
			if t.Context().Err() != nil {
				return
			}
		}
	}
	for w := range writers {
		work.Go(func() {
			for n := range each {
				e := event(fmt.Sprintf("k%d-%d", w, n), "u", "s")
				insist(func() error {
					r, err := i.Put(t.Context(), e)
					if err == nil && r[0].Result == store.Duplicate {
						told.Add(1)
					}
					return err
				})
				a, b := session(fmt.Sprintf("a%d-%d", w, n), "u", "{}"), session(fmt.Sprintf("b%d-%d", w, n), "u", "{}")
				insist(func() error {
					_, err := db.Sessions().Put(t.Context(), a, b)
					return err
				})
			}
		})
	}
	work.Wait()
	close(stop)
	trouble.Wait()
	eventually(t, "calm", func() bool { return db.Ping(t.Context()) == nil })
	t.Logf("%d calls failed, %d events were told as duplicates when repeated", failures.Load(), told.Load())
	if failures.Load() == 0 {
		t.Error("nothing failed: this tests nothing")
	}
	seen := map[string]int{}
	for {
		claims, err := i.Claim(t.Context(), 1000, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			seen[c.Key]++
		}
		if len(claims) == 0 {
			break
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("event %s is there %d times", key, n)
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d events are there, want %d", len(seen), writers*each)
	}
	n := 0
	for _, err := range store.All(t.Context(), db.Sessions(), store.Query{Brief: true, Limit: store.MaxLimit}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 2*writers*each {
		t.Errorf("%d sessions are there, want %d", n, 2*writers*each)
	}
}

// unknownCommit: the answer to a commit is lost. The call fails, and repeating
// it is safe: what had been done is told.
func unknownCommit(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	p := newProxy(t, c.Addr)
	db := open(t, p.url(url)+"&pool_max_conns=1", store.Options{})
	i := inboxOf(t, db)
	direct := open(t, url, store.Options{})
	for name, call := range map[string]func(id string) (string, error){
		"unchanged": func(id string) (string, error) {
			out, err := db.Sessions().Put(t.Context(), session(id, "u", "{}"))
			return fmt.Sprint(slices.Concat(out, []store.Outcome{0})[0]), err
		},
		"duplicate": func(id string) (string, error) {
			r, err := i.Put(t.Context(), event(id, "u", id))
			return fmt.Sprint(slices.Concat(r, []store.Receipt{{}})[0].Result), err
		},
	} {
		if _, err := call("before"); err != nil { // the statements are prepared
			t.Fatal(err)
		}
		p.loseAnswerTo("marked")
		if out, err := call("marked"); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%s: %s, %v; want it to fail", name, out, err)
		}
		eventually(t, "the commit that nobody heard of", func() bool {
			d, err := inboxOf(t, direct).Depth(t.Context())
			_, missing := direct.Sessions().Get(t.Context(), "marked")
			return err == nil && (name == "duplicate" && d.Ready == 2 || name == "unchanged" && missing == nil)
		})
		if out, err := call("marked"); err != nil || out != name {
			t.Errorf("repeated: %s, %v; want %s", out, err, name)
		}
	}
}

// unknownTransaction: the same for what is a transaction of several statements: the
// answer to COMMIT is lost, and what had been done is told when it is repeated.
func unknownTransaction(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	p := newProxy(t, c.Addr)
	db := open(t, p.url(url)+"&pool_max_conns=1", store.Options{})
	i := inboxOf(t, db)
	direct := inboxOf(t, open(t, url, store.Options{}))
	a, _ := i.(store.Applier)
	events := []store.Event{event("k1", "u", "s"), event("k2", "u", "s")}
	unknown := func(what string, call func() error) {
		t.Helper()
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.loseAnswerTo("commit")
		if err := call(); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("%s: %v, want it to fail", what, err)
		}
	}
	unknown("put", func() error {
		_, err := i.Put(t.Context(), events...)
		return err
	})
	if r, err := i.Put(t.Context(), events...); err != nil || r[0].Result != store.Duplicate || r[1].Result != store.Duplicate {
		t.Errorf("put again: %+v, %v", r, err)
	}
	claims, err := i.Claim(t.Context(), 10, time.Hour)
	if err != nil || len(claims) != 2 {
		t.Fatalf("%+v, %v", claims, err)
	}
	apply := func(n int) ([]store.Outcome, error) {
		news := session("s", "u", "{}")
		news.Observed = news.Observed.Add(time.Duration(n) * time.Hour)
		return a.Apply(t.Context(), claims[0].Token, "store", store.Write{Sessions: []store.Session{news}})
	}
	unknown("apply", func() error {
		_, err := apply(0)
		return err
	})
	if out, err := apply(1); err != nil || out != nil {
		t.Errorf("applied again: %v, %v; want nothing to be done", out, err)
	}
	if s, err := db.Sessions().Get(t.Context(), "s"); err != nil || !s.Observed.Equal(session("s", "u", "").Observed) {
		t.Errorf("%v, %v: want what was applied first", s.Observed, err)
	}
	settle := store.Settlement{Token: claims[0].Token, Action: store.Finish}
	unknown("settle", func() error {
		_, err := i.Settle(t.Context(), settle)
		return err
	})
	if lost, err := i.Settle(t.Context(), settle); err != nil || !slices.Equal(lost, []store.Token{settle.Token}) {
		t.Errorf("settled again: lost %q, %v", lost, err)
	}
	if d, err := direct.Depth(t.Context()); err != nil || d.Backlog() != 1 {
		t.Errorf("%+v, %v; want one event left", d, err)
	}
}

// callersThatLeave: what waited for a commit when its caller left is not written.
func callersThatLeave(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	i := inboxOf(t, open(t, url+"&timeout=20s", store.Options{}))
	other, watcher := raw(t, url), raw(t, url)
	sqlExec(t, other, "BEGIN")
	sqlExec(t, other, "LOCK asleep.seen IN ACCESS EXCLUSIVE MODE")
	const commits = 4 // as many are under way at once
	var wg sync.WaitGroup
	for n := range commits {
		wg.Go(func() {
			if _, err := i.Put(t.Context(), event(fmt.Sprint("k", n), "u", "s")); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "a commit that waits", func() bool {
			waiting := 0
			err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
			return err == nil && waiting == n+1
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := i.Put(ctx, event("late", "u", "s")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the caller's deadline", err)
	}
	sqlExec(t, other, "ROLLBACK")
	wg.Wait()
	if r, err := i.Put(t.Context(), event("late", "u", "s")); err != nil || r[0].Result != store.Stored {
		t.Errorf("the event of a caller who has left: %+v, %v; want it not to be there", r, err)
	}
}

// lockedElsewhere: a lock that somebody holds is waited for half a call's time.
func lockedElsewhere(t *testing.T, c *dbtest.Cluster) {
	url := c.Database(t)
	db := open(t, url+"&timeout=2s", store.Options{})
	if _, err := db.Sessions().Put(t.Context(), session("s", "u", "{}")); err != nil {
		t.Fatal(err)
	}
	other := raw(t, url)
	sqlExec(t, other, "BEGIN")
	sqlExec(t, other, "SELECT * FROM asleep.sessions FOR UPDATE")
	newer := session("s", "u", "{}")
	newer.Observed = newer.Observed.Add(time.Hour)
	var err error
	took := undisturbed(func() { _, err = db.Sessions().Put(t.Context(), newer) })
	if !errors.Is(err, store.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
	if took < 900*time.Millisecond || took > 1900*time.Millisecond {
		t.Errorf("it took %v, want about 1s", took)
	}
	if s, err := db.Sessions().Get(t.Context(), "s"); err != nil || !s.Observed.Equal(noon.Add(9*time.Hour)) {
		t.Errorf("reads wait for nobody: %+v, %v", s.Observed, err)
	}
	sqlExec(t, other, "ROLLBACK")
	if out, err := db.Sessions().Put(t.Context(), newer); err != nil || out[0] != store.Updated {
		t.Errorf("%v, %v", out, err)
	}
}
