package transport_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func newBulkhead(t *testing.T, cfg transport.BulkheadConfig) *transport.Bulkhead {
	t.Helper()
	b, err := transport.NewBulkhead(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hold takes a slot, keeps it for d and returns how long it waited for it.
func hold(t *testing.T, b *transport.Bulkhead, lane transport.Lane, d time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	slot, err := b.Acquire(t.Context(), lane)
	if err != nil {
		t.Errorf("Acquire: %v", err)
	}
	defer slot.Release()
	waited := time.Since(start)
	time.Sleep(d)
	return waited
}

func TestBulkheadBatchAloneUsesAllButTheReserve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, reserve, want int }{
		{16, 0, 14}, {16, 4, 12}, {16, -1, 16}, {4, 0, 3}, {2, 0, 1}, {1, 0, 1},
	} {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: tt.limit, Reserve: tt.reserve})
		for range tt.want {
			if _, err := b.Acquire(t.Context(), transport.Batch); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := b.Acquire(ctx, transport.Batch); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v: batch call %d got a slot (%v)", tt, tt.want+1, err)
		}
		cancel()
	}
}

func TestBulkheadInteractiveFindsASlotAtOnceBesideABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 8})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { hold(t, b, transport.Batch, time.Second) })
		}
		synctest.Wait()
		if waited := hold(t, b, transport.Interactive, 0); waited != 0 {
			t.Errorf("waited %v, want a reserved slot at once", waited)
		}
		wg.Wait()
	})
}

func TestBulkheadInteractiveGoesBeforeBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 4, Reserve: -1})
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { hold(t, b, transport.Batch, time.Second) })
		}
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		for range 4 { // no slot is reserved: the next four that become free
			wg.Go(func() {
				if waited := hold(t, b, transport.Interactive, time.Second); waited != 700*time.Millisecond {
					t.Errorf("waited %v, want until the first calls end, 700ms", waited)
				}
			})
		}
		synctest.Wait()
		if s := b.Stats(); s != (transport.BulkheadStats{Limit: 4, InFlight: 4, QueuedInteractive: 4, QueuedBatch: 36}) {
			t.Errorf("%+v", s)
		}
		wg.Wait()
		if s := b.Stats(); s != (transport.BulkheadStats{Limit: 4}) {
			t.Errorf("%+v at the end", s)
		}
	})
}

func TestBulkheadServesALaneInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1})
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if waited := hold(t, b, transport.Batch, time.Second); waited != time.Duration(i)*time.Second {
					t.Errorf("caller %d waited %v", i, waited)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
	})
}

func TestBulkheadBatchTricklesThroughAFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 4})
		const flood = time.Minute
		start := time.Now()
		var wg sync.WaitGroup
		for range 12 { // always 8 interactive callers in the queue
			wg.Go(func() {
				for time.Since(start) < flood {
					hold(t, b, transport.Interactive, 100*time.Millisecond)
				}
			})
		}
		synctest.Wait()
		var through atomic.Int64
		for range 100 {
			wg.Go(func() {
				hold(t, b, transport.Batch, 100*time.Millisecond)
				if time.Since(start) < flood {
					through.Add(1)
				}
			})
		}
		wg.Wait()
		if n := through.Load(); n < 10 || n > 12 {
			t.Errorf("%d batch calls in a minute of interactive flood, want one in 5 s", n)
		}
	})
}

func TestBulkheadRefusesWhenTheQueueIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1, MaxQueue: 2})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { hold(t, b, transport.Batch, time.Second) })
		}
		synctest.Wait()
		start := time.Now()
		_, err := b.Acquire(t.Context(), transport.Batch)
		full, ok := errors.AsType[*transport.BulkheadFullError](err)
		if !ok || !errors.Is(err, transport.ErrBulkheadFull) || full.Queued != 2 || full.Limit != 1 || time.Since(start) != 0 {
			t.Errorf("got %v, want a refusal at once that names 2 waiting for 1 slot", err)
		}
		// The other lane has a queue of its own.
		if waited := hold(t, b, transport.Interactive, 0); waited != time.Second {
			t.Errorf("the interactive call waited %v, want 1s", waited)
		}
		wg.Wait()
	})
}

func TestBulkheadRefusesAfterMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1, MaxWait: 300 * time.Millisecond})
		slot, err := b.Acquire(t.Context(), transport.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = b.Acquire(t.Context(), transport.Interactive)
		full, ok := errors.AsType[*transport.BulkheadFullError](err)
		if !ok || full.Waited != 300*time.Millisecond || time.Since(start) != 300*time.Millisecond {
			t.Errorf("got %v after %v, want a refusal after 300ms", err, time.Since(start))
		}
		if !strings.Contains(err.Error(), "300ms") {
			t.Errorf("%q does not name the wait", err)
		}
		slot.Release()
		if waited := hold(t, b, transport.Interactive, 0); waited != 0 {
			t.Errorf("waited %v for a free slot", waited)
		}
	})
}

func TestBulkheadContextWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1})
		why := errors.New("changed my mind")
		slot, err := b.Acquire(t.Context(), transport.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		start := time.Now()
		_, err = b.Acquire(ctx, transport.Batch)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want the cause after 1s", err, time.Since(start))
		}
		slot.Release()
		if _, err := b.Acquire(ctx, transport.Batch); !errors.Is(err, why) {
			t.Errorf("a free slot on an ended context: %v, want the cause", err)
		}
		if s := b.Stats(); s.InFlight != 0 || s.QueuedBatch != 0 {
			t.Errorf("%+v: a slot leaked", s)
		}
	})
}

// TestBulkheadCancelAfterGrantGivesTheSlotBack: the slot is handed over at 300 ms,
// the context ends at 500 ms, and the caller looks at both at 1 s.
func TestBulkheadCancelAfterGrantGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1})
		slot, err := b.Acquire(t.Context(), transport.Interactive)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, slot.Release)
		time.AfterFunc(500*time.Millisecond, cancel)
		late := stallingContext{ctx, func() time.Duration { return time.Second }}
		if _, err := b.Acquire(late, transport.Interactive); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		if waited := hold(t, b, transport.Interactive, 0); waited != 0 {
			t.Errorf("waited %v: the slot leaked", waited)
		}
	})
}

func TestBulkheadReleaseTwiceGivesOneSlot(t *testing.T) {
	t.Parallel()
	b := newBulkhead(t, transport.BulkheadConfig{Limit: 2})
	first, err := b.Acquire(t.Context(), transport.Interactive)
	if err != nil {
		t.Fatal(err)
	}
	again := first
	first.Release()
	second, err := b.Acquire(t.Context(), transport.Interactive) // the same place
	if err != nil {
		t.Fatal(err)
	}
	first.Release()
	again.Release()
	if s := b.Stats(); s.InFlight != 1 {
		t.Errorf("%d in flight, want 1", s.InFlight)
	}
	second.Release()
	transport.Slot{}.Release()
	if s := b.Stats(); s.InFlight != 0 {
		t.Errorf("%d in flight, want 0", s.InFlight)
	}
}

func TestBulkheadResize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, transport.BulkheadConfig{Limit: 1})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { hold(t, b, transport.Interactive, time.Second) })
		}
		synctest.Wait()
		if err := b.Resize(4); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := b.Stats(); s.InFlight != 4 || s.QueuedInteractive != 2 {
			t.Errorf("%+v, want the new slots handed out", s)
		}
		if err := b.Resize(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if s := b.Stats(); s.InFlight != 1 || s.QueuedInteractive != 1 {
			t.Errorf("%+v, want one at a time again", s)
		}
		wg.Wait()
		if err := b.Resize(0); err == nil {
			t.Error("Resize(0) was accepted")
		}
	})
}

func TestBulkheadOff(t *testing.T) {
	t.Parallel()
	b, err := transport.NewBulkhead(transport.BulkheadConfig{})
	if b != nil || err != nil {
		t.Fatalf("got %v, %v, want a nil bulkhead", b, err)
	}
	slot, err := b.Acquire(t.Context(), transport.Batch)
	if err != nil {
		t.Error(err)
	}
	slot.Release()
	if err := b.Resize(-1); err != nil {
		t.Error(err)
	}
	if s := b.Stats(); s != (transport.BulkheadStats{}) {
		t.Errorf("%+v, want nothing", s)
	}
}

func TestBulkheadConfigReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := transport.NewBulkhead(transport.BulkheadConfig{Limit: 4, Reserve: 4, MaxQueue: -1, MaxWait: -time.Second})
	for _, want := range []string{"Reserve 4", "MaxQueue is -1", "MaxWait is -1s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := transport.NewBulkhead(transport.BulkheadConfig{Limit: -1}); err == nil {
		t.Error("a negative limit was accepted")
	}
	b := newBulkhead(t, transport.BulkheadConfig{Limit: 1})
	if _, err := b.Acquire(t.Context(), 7); err == nil {
		t.Error("an unknown lane was accepted")
	}
}

// TestBulkheadKeepsItsPromises plays random calls, cancels, double releases and
// resizes: never more in flight than slots, never a batch call in the reserve,
// and nothing left over at the end.
func TestBulkheadKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			cfg := transport.BulkheadConfig{Limit: 1 + rng.IntN(10), MaxQueue: rng.IntN(2) * 40, MaxWait: time.Duration(rng.IntN(2)) * 300 * time.Millisecond}
			b := newBulkhead(t, cfg)
			limit, reserve := b.Stats().Limit, b.Stats().Reserve
			var all, batch atomic.Int64
			var wg sync.WaitGroup
			for i := range 400 {
				own := rand.New(rand.NewPCG(seed, uint64(i+1)))
				wg.Go(func() {
					time.Sleep(upTo(own, 2*time.Second))
					ctx, cancel := context.WithTimeout(t.Context(), upTo(own, time.Second))
					defer cancel()
					lane := transport.Lane(own.IntN(2))
					slot, err := b.Acquire(ctx, lane)
					if err != nil {
						return
					}
					if n := all.Add(1); int(n) > limit {
						t.Errorf("seed %d: %d in flight in %d slots", seed, n, limit)
					}
					if lane == transport.Batch {
						if n := batch.Add(1); int(n) > limit-reserve {
							t.Errorf("seed %d: %d batch calls in flight in %d slots less %d", seed, n, limit, reserve)
						}
					}
					time.Sleep(upTo(own, 50*time.Millisecond))
					all.Add(-1)
					if lane == transport.Batch {
						batch.Add(-1)
					}
					for range 1 + own.IntN(2) {
						slot.Release()
					}
				})
			}
			wg.Wait()
			if s := b.Stats(); s.InFlight != 0 || s.QueuedBatch != 0 || s.QueuedInteractive != 0 {
				t.Errorf("seed %d: %+v left over", seed, s)
			}
		})
	}
}

// TestBulkheadCancelAgainstGrant lets real goroutines race: a slot handed to a
// caller that leaves at the same moment must come back.
func TestBulkheadCancelAgainstGrant(t *testing.T) {
	t.Parallel()
	b := newBulkhead(t, transport.BulkheadConfig{Limit: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				if slot, err := b.Acquire(ctx, transport.Lane(i%2)); err == nil {
					slot.Release()
				}
			}
		})
	}
	wg.Wait()
	if s := b.Stats(); s.InFlight != 0 || s.QueuedBatch != 0 || s.QueuedInteractive != 0 {
		t.Errorf("%+v left over", s)
	}
}

func BenchmarkBulkheadAcquireRelease(b *testing.B) {
	bulkhead, err := transport.NewBulkhead(transport.BulkheadConfig{Limit: 16})
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		slot, err := bulkhead.Acquire(ctx, transport.Interactive)
		if err != nil {
			b.Fatal(err)
		}
		slot.Release()
	}
}
