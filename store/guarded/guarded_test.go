package guarded_test

import (
	"context"
	"errors"
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
	get   func(context.Context) error
	asked int
}

func (a *ailing) Sessions() store.Sessions { return a }

func (a *ailing) Get(ctx context.Context, _ string) (store.Session, error) {
	a.asked++
	return store.Session{}, a.get(ctx)
}

func hang(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func well(context.Context) error     { return nil }
func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func newAiling(get func(context.Context) error) *ailing {
	s := memory.New()
	return &ailing{Store: s, half: s.Sessions(), get: get}
}

func get(t *testing.T, s store.Store) (err error, took time.Duration) { //nolint:revive,staticcheck // read with the error first
	t.Helper()
	begun := time.Now()
	_, err = s.Sessions().Get(t.Context(), "s")
	return err, time.Since(begun)
}

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
		if a.asked != 3 || !s.Open() {
			t.Errorf("asked %d times, open %v", a.asked, s.Open())
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
		a.get = hang
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
		a.get = well
		for range 3 {
			if err, _ := get(t, s); err != nil || s.Open() {
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
		if s.Open() {
			t.Error("callers who left have opened the breaker")
		}
	})
}

func TestSuccessesBetweenKeepItClosed(t *testing.T) {
	t.Parallel()
	a := newAiling(nil)
	s := guarded.New(a, guarded.Config{Failures: 3})
	for n := range 30 {
		a.get = fails(store.ErrUnavailable)
		if n%3 == 2 {
			a.get = well
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
		if busy != 6 || a.asked != 4 {
			t.Errorf("%d were refused and %d asked, want 6 and 4", busy, a.asked)
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
		a.get = well
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
