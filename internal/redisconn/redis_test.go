//go:build unix

package redisconn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/redisconn"
	"github.com/asleep-sdk/asleep/internal/standstill"
)

// slack is what a busy machine may add to a budget: less than a client waits that has none.
const slack = 400 * time.Millisecond

// TestARealRedisInTroubleCostsABudgetThenNothing is about time, and runs alone.
func TestARealRedisInTroubleCostsABudgetThenNothing(t *testing.T) {
	s := dbtest.Redis(t)
	impatient := open(t, "redis://"+s.Addr)
	plain := redis.NewClient(&redis.Options{Addr: s.Addr}) // go-redis as it comes: waits 5 s, and repeats
	t.Cleanup(func() { _ = plain.Close() })
	for name, client := range map[string]redis.UniversalClient{"ours": impatient, "the caller's": plain} {
		g := redisconn.NewGuard(client, redisconn.Limits{}, nil, nil)
		t.Cleanup(g.Close)
		get := func() error {
			_, err := redisconn.Call(t.Context(), g, func(ctx context.Context) (string, error) { return client.Get(ctx, "k").Result() })
			return err
		}
		for what, trouble := range map[string]func(){"stalled": s.Stall, "killed": s.Kill} {
			await(t, func() bool { return errors.Is(get(), redis.Nil) })
			trouble()
			for i := range 3 {
				watch, start := standstill.Begin(), time.Now()
				if err := get(); err == nil || errors.Is(err, redis.Nil) {
					t.Errorf("%s, %s: an answer", name, what)
				}
				if took := watch.Took(start); took > 20*time.Millisecond+slack {
					t.Errorf("%s, %s: call %d took %v", name, what, i, took)
				}
				watch.End()
			}
			if err := get(); !errors.Is(err, redisconn.ErrAway) {
				t.Errorf("%s, %s: fourth call: %v", name, what, err)
			}
			if what == "stalled" {
				s.Resume()
			} else {
				s.Restart(t)
			}
		}
	}
}

// await polls until ok, for what only a real server decides.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it does not come about")
		}
	}
}

func TestOpenServesAClusterFromOneSeed(t *testing.T) {
	t.Parallel()
	nodes := dbtest.RedisCluster(t, 3)
	client := open(t, "redis://"+nodes[0].Addr+"?cluster=true"+patience)
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} { // of all three nodes
		if err := client.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}
