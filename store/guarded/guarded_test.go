package guarded_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/guarded"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/store/storetest"
)

// TestStore: a guard changes nothing about a store that works.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		Open:  func(*testing.T) store.Store { return guarded.New(memory.New(), guarded.Config{}) },
		Lacks: map[string]string{"reopen": "memory forgets"},
	})
}

// half is embedded under a name that is not the method's.
type half interface{ store.Sessions }

// ailing is a store of which Get does as it is told.
type ailing struct {
	store.Store
	half
	do    atomic.Pointer[func(context.Context) error]
	asked atomic.Int64
}

// does has the next calls do as they are told.
func (a *ailing) does(get func(context.Context) error) { a.do.Store(&get) }

func (a *ailing) Sessions() store.Sessions { return a }

func (a *ailing) Get(ctx context.Context, _ string) (store.Session, error) {
	a.asked.Add(1)
	return store.Session{}, (*a.do.Load())(ctx)
}

func hang(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func well(context.Context) error     { return nil }
func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func newAiling(get func(context.Context) error) *ailing {
	s := memory.New()
	a := &ailing{Store: s, half: s.Sessions()}
	a.does(get)
	return a
}

func get(t *testing.T, s store.Store) (err error, took time.Duration) { //nolint:revive,staticcheck // read with the error first
	t.Helper()
	begun := time.Now()
	_, err = s.Sessions().Get(t.Context(), "s")
	return err, time.Since(begun)
}

// state is that of the breaker of reads.
func state(s *guarded.Store) string { return s.Breakers()[0].State }

func TestHangingDatabaseCostsTheTimeoutThenNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAiling(hang)
		s := guarded.New(a, guarded.Config{Timeout: 2 * time.Second, Failures: 3, Pause: 10 * time.Second})
		for range 3 {
			if err, took := get(t, s); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, guarded.ErrOpen) || took != 2*time.Second {
				t.Fatalf("%v after %v", err, took)
			}
		}
		for range 1000 {
			err, took := get(t, s)
			if after, ok := guarded.RetryAfter(err); !errors.Is(err, guarded.ErrOpen) || took != 0 || !ok || after != 10*time.Second {
				t.Fatalf("%v after %v, again in %v", err, took, after)
			}
		}
		if a.asked.Load() != 3 || state(s) != "open" {
			t.Errorf("asked %d times, %s", a.asked.Load(), state(s))
		}
	})
}

func TestOneProbeCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAiling(fails(store.ErrUnavailable))
		s := guarded.New(a, guarded.Config{Failures: 2, Pause: time.Second, Timeout: 500 * time.Millisecond})
		for range 2 {
			_, _ = get(t, s)
		}
		time.Sleep(time.Second - time.Nanosecond)
		if err, _ := get(t, s); !errors.Is(err, guarded.ErrOpen) {
			t.Errorf("before the pause is over: %v", err)
		}
		time.Sleep(time.Nanosecond)
		a.does(hang)
		probed := make(chan error)
		go func() {
			_, err := s.Sessions().Get(t.Context(), "s")
			probed <- err
		}()
		synctest.Wait()
		if err, took := get(t, s); !errors.Is(err, guarded.ErrOpen) || took != 0 {
			t.Errorf("beside the probe: %v after %v", err, took)
		}
		if err := <-probed; errors.Is(err, guarded.ErrOpen) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("probe: %v", err)
		}
		if err, _ := get(t, s); !errors.Is(err, guarded.ErrOpen) {
			t.Errorf("after a failed probe: %v", err)
		}
		time.Sleep(time.Second)
		a.does(well)
		for range 3 {
			if err, _ := get(t, s); err != nil || state(s) != "closed" {
				t.Errorf("healed: %v", err)
			}
		}
	})
}

// TestWhatIsNoFailure: answers of a database that works, and callers who leave,
// open nothing.
func TestWhatIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"busy": store.ErrBusy, "full": store.ErrFull, "read-only": store.ErrReadOnly, "missing": store.ErrNotFound, "invalid": store.ErrInvalid, "lost": store.ErrLeaseLost,
	} {
		a := newAiling(fails(err))
		s := guarded.New(a, guarded.Config{Failures: 1})
		for range 10 {
			if got, _ := get(t, s); !errors.Is(got, err) || errors.Is(got, guarded.ErrOpen) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := guarded.New(newAiling(hang), guarded.Config{Failures: 1, Timeout: time.Minute})
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := s.Sessions().Get(ctx, "s")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("the caller's deadline: %v", err)
			}
		}
		if state(s) != "closed" {
			t.Error("callers who left have opened the breaker")
		}
	})
}

// TestReadsAndWritesAreJudgedApart: a database that is locked for writing is read, and
// what it answers to readers does not hide that it is.
func TestReadsAndWritesAreJudgedApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := guarded.New(&locked{memory.New()}, guarded.Config{Timeout: 2 * time.Second, Failures: 3})
		i, err := s.Inbox()
		if err != nil {
			t.Fatal(err)
		}
		put := func() (error, time.Duration) { //nolint:staticcheck // as get
			begun := time.Now()
			_, err := i.Put(t.Context(), store.Event{Key: "k", Body: "{}"})
			return err, time.Since(begun)
		}
		for range 3 {
			if err, took := put(); !errors.Is(err, store.ErrBusy) || took != time.Second {
				t.Errorf("%v after %v", err, took)
			}
			if err, _ := get(t, s); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a read: %v", err)
			}
		}
		if err, took := put(); !errors.Is(err, guarded.ErrOpen) || took != 0 {
			t.Errorf("%v after %v", err, took)
		}
		if err, _ := get(t, s); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a read: %v", err)
		}
		if err := s.Ping(t.Context()); !errors.Is(err, guarded.ErrOpen) {
			t.Errorf("a database that takes no writes is told to be well: %v", err)
		}
		b := s.Breakers()
		if b[0].State != "closed" || b[1].State != "open" || b[1].Refused != 1 || b[1].Opened != 1 || b[1].Since.IsZero() || b[1].Until.Sub(b[1].Since) != time.Second {
			t.Errorf("%+v", b)
		}
	})
}

// locked is a store whose writers wait for a second for a lock that they do not get.
type locked struct{ store.Store }

func (l *locked) Inbox() (store.Inbox, error) {
	i, err := l.Store.Inbox()
	return lockedInbox{i}, err
}

type lockedInbox struct{ store.Inbox }

func (lockedInbox) Put(context.Context, ...store.Event) ([]store.Receipt, error) {
	time.Sleep(time.Second)
	return nil, store.ErrBusy
}

// TestStoreThatDoesNotHeedItsContext: callers are answered in time, and calls that have not
// returned count among those that may be under way.
func TestStoreThatDoesNotHeedItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		a := newAiling(func(context.Context) error { <-end; return nil })
		s := guarded.New(a, guarded.Config{Timeout: time.Second, Calls: 2, Failures: 100})
		for range 2 {
			if err, took := get(t, s); !errors.Is(err, store.ErrUnavailable) || took != time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
		if err, took := get(t, s); !errors.Is(err, store.ErrBusy) || took != 0 || s.Breakers()[0].Calls != 2 {
			t.Errorf("%v after %v, %+v", err, took, s.Breakers()[0])
		}
		close(end)
		synctest.Wait()
		if err, _ := get(t, s); err != nil || s.Breakers()[0].Calls != 0 {
			t.Errorf("%v, %+v", err, s.Breakers()[0])
		}
	})
}

func TestSuccessesBetweenKeepItClosed(t *testing.T) {
	t.Parallel()
	a := newAiling(nil)
	s := guarded.New(a, guarded.Config{Failures: 3})
	for n := range 30 {
		a.does(fails(store.ErrUnavailable))
		if n%3 == 2 {
			a.does(well)
		}
		if err, _ := get(t, s); errors.Is(err, guarded.ErrOpen) {
			t.Fatalf("call %d: %v", n, err)
		}
	}
}

func TestSoManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAiling(hang)
		s := guarded.New(a, guarded.Config{Calls: 4, Failures: 100, Timeout: time.Second})
		results := make(chan error, 10)
		for range 10 {
			go func() {
				_, err := s.Sessions().Get(t.Context(), "s")
				results <- err
			}()
			synctest.Wait()
		}
		busy := 0
		for range 10 {
			if err := <-results; errors.Is(err, store.ErrBusy) {
				busy++
			}
		}
		if busy != 6 || a.asked.Load() != 4 {
			t.Errorf("%d were refused and %d asked, want 6 and 4", busy, a.asked.Load())
		}
	})
}

// TestPanickingCallIsNoStuckProbe: the place of a call is given back.
func TestPanickingCallIsNoStuckProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAiling(func(context.Context) error { panic("driver") })
		s := guarded.New(a, guarded.Config{Failures: 1, Pause: time.Second, Calls: 1})
		for range 3 {
			func() {
				defer func() { _ = recover() }()
				_, _ = get(t, s)
			}()
			time.Sleep(time.Second)
		}
		a.does(well)
		if err, _ := get(t, s); err != nil {
			t.Errorf("%v", err)
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	s := guarded.New(newAiling(well), guarded.Config{})
	b.Run("closed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Sessions().Get(b.Context(), "s")
		}
	})
	open := guarded.New(newAiling(fails(store.ErrUnavailable)), guarded.Config{Failures: 1, Pause: time.Hour})
	_, _ = open.Sessions().Get(b.Context(), "s")
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = open.Sessions().Get(b.Context(), "s")
		}
	})
}

// TestAFullDiskIsToldUntilAWriteFindsRoom: a server of a database that is full answers a ping
// as ever, so the ping remembers the last write, for ten seconds, as who is sent away by its
// answer does not write.
func TestAFullDiskIsToldUntilAWriteFindsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &cramped{Store: memory.New()}
		s := guarded.New(a, guarded.Config{})
		i, err := s.Inbox()
		if err != nil {
			t.Fatal(err)
		}
		put := func(full bool) {
			t.Helper()
			a.full.Store(full)
			if _, err := i.Put(t.Context(), store.Event{Key: "k", Body: "{}"}); errors.Is(err, store.ErrFull) != full {
				t.Fatalf("full %v: %v", full, err)
			}
		}
		told := func(want bool) {
			t.Helper()
			if err := s.Ping(t.Context()); errors.Is(err, store.ErrFull) != want || !want && err != nil {
				t.Errorf("%v: %v", want, err)
			}
		}
		told(false)
		put(true)
		told(true)
		if _, err := s.Sessions().List(t.Context(), store.Query{}); err != nil {
			t.Errorf("it can be read: %v", err)
		}
		told(true)
		put(false)
		told(false)

		put(true)
		time.Sleep(10*time.Second - time.Nanosecond)
		told(true)
		time.Sleep(time.Nanosecond)
		told(false)
	})
}

type cramped struct {
	store.Store
	full atomic.Bool
}

func (c *cramped) Inbox() (store.Inbox, error) {
	i, err := c.Store.Inbox()
	return crampedInbox{i, c}, err
}

type crampedInbox struct {
	store.Inbox
	of *cramped
}

func (i crampedInbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	if i.of.full.Load() {
		return nil, store.ErrFull
	}
	return i.Inbox.Put(ctx, events...)
}
