package bench_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/bench"
)

// pretend is a caller that takes a time and fails every so many calls.
type pretend struct {
	takes     time.Duration
	failEvery int64
	calls     atomic.Int64
	most, now atomic.Int64
}

func (p *pretend) Get(ctx context.Context, _ string) error {
	n := p.calls.Add(1)
	p.most.Store(max(p.most.Load(), p.now.Add(1)))
	defer p.now.Add(-1)
	timer := time.NewTimer(p.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.failEvery > 0 && n%p.failEvery == 0 {
		return errors.New("failed")
	}
	return nil
}

func (p *pretend) Close() {}

func TestOpenLoopKeepsItsRateHoweverSlowTheCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pretend{takes: 3 * time.Second}
		shots := bench.OpenLoop(t.Context(), p, 100, 2*time.Second, 10*time.Second)
		if len(shots) != 200 {
			t.Fatalf("%d shots, want 200", len(shots))
		}
		for i, s := range shots {
			if want := time.Duration(i) * 10 * time.Millisecond; s.Start != want || s.Took() != 3*time.Second || s.Err != nil {
				t.Fatalf("shot %d: begun at %v, took %v, %v; want %v, 3s, nil", i, s.Start, s.Took(), s.Err, want)
			}
		}
		if end := bench.Elapsed(shots); end != 1990*time.Millisecond+3*time.Second {
			t.Errorf("the last ended at %v", end)
		}
		if some := bench.StartedBetween(shots, time.Second, 2*time.Second); len(some) != 100 {
			t.Errorf("%d begun in the second second, want 100", len(some))
		}
	})
}

func TestOpenLoopGivesEachCallItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, s := range bench.OpenLoop(t.Context(), &pretend{takes: time.Hour}, 10, time.Second, 4*time.Second) {
			if !errors.Is(s.Err, context.DeadlineExceeded) || s.Took() != 4*time.Second {
				t.Errorf("took %v and said %v, want 4s and the deadline", s.Took(), s.Err)
			}
		}
	})
}

func TestOpenLoopStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 950*time.Millisecond)
		defer cancel()
		shots := bench.OpenLoop(ctx, &pretend{}, 10, time.Hour, time.Second)
		if len(shots) != 10 {
			t.Errorf("%d shots in 950 ms at 10/s, want 10", len(shots))
		}
	})
}

func TestWorkersMakeAllCallsSoManyAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pretend{takes: time.Second, failEvery: 4}
		shots := bench.Workers(t.Context(), p, 8, 80, time.Minute)
		if len(shots) != 80 || p.calls.Load() != 80 || p.most.Load() != 8 {
			t.Errorf("%d shots, %d calls, at most %d at a time; want 80, 80, 8", len(shots), p.calls.Load(), p.most.Load())
		}
		if end := bench.Elapsed(shots); end != 10*time.Second {
			t.Errorf("ended at %v, want 10s", end)
		}
		if share := bench.Succeeded(shots); share != 0.75 {
			t.Errorf("share of successes %v, want 0.75", share)
		}
	})
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var shots []bench.Shot
	for i := range 100 {
		shots = append(shots, bench.Shot{Start: time.Hour, End: time.Hour + time.Duration(100-i)*time.Millisecond})
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := bench.Quantile(shots, q); got != want*time.Millisecond {
			t.Errorf("quantile %v is %v, want %v ms", q, got, int64(want))
		}
	}
	if bench.Quantile(nil, 0.5) != 0 || bench.Succeeded(nil) != 0 {
		t.Error("of no shots something was made")
	}
}
