//go:build unix

package fleet_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// failing is a Redis whose master can be killed, and something takes over.
type failing struct {
	url      string
	kill     func()
	failover func()
}

// TestAFleetOutlivesAFailover: meanwhile each process goes on with its share, and the replica
// that takes over may lack what was booked last.
func TestAFleetOutlivesAFailover(t *testing.T) { //nolint:tparallel // one after the other: both measure
	alone(t)
	t.Parallel()
	t.Run("sentinel", func(t *testing.T) {
		s := dbtest.RedisSentinel(t, "sesame")
		outlive(t, failing{s.URL(""), s.Primary.Kill, func() { s.AwaitFailover(t) }})
	})
	t.Run("cluster", func(t *testing.T) {
		masters, replicas := dbtest.RedisClusterWithReplicas(t, 3)
		victim := -1 // the master that has the bucket
		kill := func() {
			for i, m := range masters {
				look := redis.NewClient(&redis.Options{Addr: m.Addr})
				if found := look.Keys(t.Context(), "*:throttle:*").Val(); len(found) > 0 {
					victim = i
				}
				_ = look.Close()
			}
			masters[victim].Kill()
		}
		outlive(t, failing{"redis://" + masters[0].Addr + "?addr=" + masters[1].Addr, kill, func() { dbtest.AwaitMaster(t, replicas[victim]) }})
	})
}

func outlive(t *testing.T, of failing) {
	t.Helper()
	rate := fleet.Rate{PerSecond: 200, Burst: 40}
	all := make([]*fleet.Throttle, 4)
	hints := make([]*fleet.Hint, len(all))
	for i := range all {
		f := hasty(t, of.url)
		all[i] = throttle(t, f, rate)
		hint, err := f.Hint(fleet.HintOptions{})
		if err != nil {
			t.Fatal(err)
		}
		hints[i] = hint
	}
	joined(t, len(all), all...)
	late := starved(t)
	tr := drive(t, all...)
	pause(t, 500*ms)
	of.kill()
	for _, th := range all {
		await(t, "it is away", func() bool { return th.Stats().Away })
	}
	from := time.Now()
	of.failover()
	without := tr.since(from)
	for _, th := range all {
		await(t, "it is back", func() bool { s := th.Stats(); return !s.Away && !s.Settling && s.Members == len(all) })
	}
	from = time.Now()
	pause(t, time.Second)
	with := tr.since(from)
	tr.end()
	until := time.Now().Add(time.Minute)
	hints[0].Publish(until)
	await(t, "the others hear that a breaker is open", func() bool { return hints[3].Until().Sub(until).Abs() < time.Second })
	busy(t, late())
	t.Logf("%.0f tokens/s by the shares, %.0f afterwards", without, with)
	if without < 150 || with < 170 {
		t.Errorf("%.0f tokens/s by the shares and %.0f afterwards, want about 200", without, with)
	}
	tr.judge(t, rate.PerSecond, rate.Burst, overlapping)
}
