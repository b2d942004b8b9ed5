package redisconn_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

var errRefused = errors.New("refused")

func answer(v int, err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return v, err }
}

// guard makes one whose probe fails until healed is set. A nil client heeds no contexts.
func guard(t *testing.T, limits redisconn.Limits) (g *redisconn.Guard, healed *atomic.Bool, probes, changes *atomic.Int64) {
	t.Helper()
	healed, probes, changes = new(atomic.Bool), new(atomic.Int64), new(atomic.Int64)
	g = redisconn.NewGuard(nil, limits, func(context.Context) error {
		probes.Add(1)
		if !healed.Load() {
			return errRefused
		}
		return nil
	}, func(bool, error) { changes.Add(1) })
	t.Cleanup(g.Close)
	return g, healed, probes, changes
}

func TestThreeFailuresInARowDeclareRedisAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, healed, probes, changes := guard(t, redisconn.Limits{})
		call := func(op func(context.Context) (int, error)) error {
			_, err := redisconn.Call(t.Context(), g, op)
			return err
		}
		for _, op := range []func(context.Context) (int, error){
			answer(0, errRefused), answer(0, errRefused), answer(1, nil), // in a row, they have to be
			answer(0, errRefused), answer(0, errRefused), answer(0, redis.Nil), // and nothing there is an answer
			answer(0, errRefused), answer(0, errRefused),
		} {
			if _ = call(op); g.Away() {
				t.Fatal("away too early")
			}
		}
		if err := call(answer(0, errRefused)); !errors.Is(err, errRefused) || !g.Away() || changes.Load() != 1 {
			t.Fatalf("third failure: %v, away %v, told %d times", err, g.Away(), changes.Load())
		}
		if err := call(func(context.Context) (int, error) { t.Error("asked while away"); return 0, nil }); !errors.Is(err, redisconn.ErrAway) {
			t.Errorf("while away: %v", err)
		}
		time.Sleep(10 * time.Second) // 50, 100, 200 and then 250 ms, give or take a fifth
		if n := probes.Load(); n < 33 || n > 52 {
			t.Errorf("%d probes in 10 s", n)
		}
		healed.Store(true)
		time.Sleep(300 * time.Millisecond)
		if err := call(answer(1, nil)); err != nil || g.Away() || changes.Load() != 2 {
			t.Errorf("after the probe: %v, away %v, told %d times", err, g.Away(), changes.Load())
		}
	})
}

func TestACallLeavesWhenItsBudgetEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _, _, _ := guard(t, redisconn.Limits{Failures: 100})
		release := make(chan struct{})
		defer close(release)
		stuck := func(context.Context) (int, error) { <-release; return 0, nil }
		start := time.Now()
		if _, err := redisconn.Call(t.Context(), g, stuck); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 20*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		mine, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		start = time.Now()
		if _, err := redisconn.Call(mine, g, stuck); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Millisecond {
			t.Errorf("the caller's deadline: %v after %v", err, time.Since(start))
		}
	})
}

func TestTheCallersEndSaysNothingAboutRedis(t *testing.T) {
	t.Parallel()
	g, _, _, _ := guard(t, redisconn.Limits{})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := redisconn.Call(gone, g, func(ctx context.Context) (int, error) { return 0, ctx.Err() }); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if g.Away() {
		t.Error("callers that left took Redis away")
	}
}

func TestCloseEndsTheProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		g, _, probes, _ := guard(t, redisconn.Limits{Failures: 1})
		_, _ = redisconn.Call(t.Context(), g, answer(0, errRefused))
		g.Close()
		time.Sleep(time.Second)
		if probes.Load() != 0 {
			t.Error("a closed guard probes")
		}
		_, _ = redisconn.Call(t.Context(), g, answer(0, errRefused))
		g.Close()
	})
}

func BenchmarkGuard(b *testing.B) {
	b.Run("away", func(b *testing.B) {
		g := redisconn.NewGuard(nil, redisconn.Limits{Failures: 1, Probe: time.Hour, ProbeMax: time.Hour}, nil, nil)
		defer g.Close()
		_, _ = redisconn.Call(b.Context(), g, answer(0, errRefused))
		for b.Loop() {
			_, _ = redisconn.Call(b.Context(), g, answer(0, nil))
		}
	})
}
