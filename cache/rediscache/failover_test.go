//go:build unix

package rediscache_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// quick is a guard that looks often, and is otherwise as it comes.
func quick() cache.Guard {
	g := cache.DefaultGuard()
	g.Probe, g.ProbeMax = 20*time.Millisecond, 50*time.Millisecond
	return g
}

// prompt bounds connections for a machine that is busy, not what a call waits.
const prompt = "&dial_timeout=2s&read_timeout=2s&write_timeout=2s&pool_timeout=2s"

// TestAFailoverThatLosesWritesShowsNothingThatWasTakenBack: the replica that takes over has not
// heard of the last invalidations.
func TestAFailoverThatLosesWritesShowsNothingThatWasTakenBack(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"open": "", "with passwords": "sesame"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.RedisSentinel(t, password)
			teller := newProcess(t, s.URL(prompt), quick(), rediscache.Options{}).listening()
			other := newProcess(t, s.URL(prompt), quick(), rediscache.Options{}).listening()
			k2 := k1
			k2.User = "user-0002"
			teller.shared(k1, "mutable: old")
			teller.shared(k2, "durable: old")
			other.shared(k1, "mutable: old")
			replica := redis.NewClient(&redis.Options{Addr: s.Replica.Addr, Password: password})
			t.Cleanup(func() { _ = replica.Close() })
			eventually(t, func() bool { return len(keys(t, replica)) == 4 }) // two marks, two values

			// From here on the replica hears nothing.
			primary := redis.NewClient(&redis.Options{Addr: s.Primary.Addr, Password: password})
			t.Cleanup(func() { _ = primary.Close() })
			s.Replica.Stall()
			if n, err := primary.ClientKillByFilter(t.Context(), "TYPE", "replica").Result(); err != nil || n != 1 {
				t.Fatalf("%d killed, %v", n, err)
			}
			heard := other.Stats().BusNotices
			eventually(t, func() bool { return teller.Invalidate(t.Context(), k1.Owner()) == nil })
			eventually(t, func() bool { return teller.Erase(t.Context(), k2.Owner()) == nil })
			eventually(t, func() bool { return other.Stats().BusNotices >= heard+2 })
			s.Primary.Kill()
			s.Replica.Resume()

			var calls, slow atomic.Int64
			watch := during(t, func(p *process) {
				for k, stale := range map[cache.Key]string{k1: "mutable: old", k2: "durable: old"} {
					if got, _, took := p.ask(k, "mutable: new"); got == stale {
						t.Errorf("%q was shown again", got)
					} else if calls.Add(1); took > 3*20*time.Millisecond+slack { // the machine may stand still for a moment
						slow.Add(1)
					}
				}
			}, teller, other)
			s.AwaitFailover(t)
			teller.back()
			other.back()
			watch()
			t.Logf("%d calls, %d slow", calls.Load(), slow.Load())
			if slow.Load() > calls.Load()/100 {
				t.Errorf("%d calls of %d waited for longer than their budget", slow.Load(), calls.Load())
			}
			teller.shared(k1, "mutable: new")
			other.shared(k1, "mutable: new")
			if n := teller.Stats(); n.Deferred != 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// during has the processes do something over and over until the function that it returns is
// called.
func during(t *testing.T, do func(*process), processes ...*process) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, p := range processes {
		wg.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					do(p)
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

func TestANodeOfAClusterThatIsDownIsNoTroubleOfTheOthers(t *testing.T) {
	t.Parallel()
	for _, full := range []string{"no", "yes"} {
		t.Run("full coverage "+full, func(t *testing.T) {
			t.Parallel()
			nodes := dbtest.RedisCluster(t, 3, "--cluster-require-full-coverage", full, "--cluster-node-timeout", "2000")
			p := newProcess(t, "redis://"+nodes[0].Addr+"?cluster=true&addr="+nodes[1].Addr+prompt, quick(), rediscache.Options{})
			var all []cache.Key
			for i := range 60 {
				k := k1
				k.User = fmt.Sprint("user-", i)
				p.shared(k, "mutable: kept")
				all = append(all, k)
			}
			dead := map[string]bool{}
			for _, key := range keys(t, raw(t, nodes[2].Addr)) {
				dead[key[strings.IndexByte(key, '{')+1:strings.IndexByte(key, '}')]] = true
			}
			nodes[2].Kill()
			var onDead, onLiving, fromRedis, slow int
			for range 40 {
				for _, k := range all {
					p.near.Flush(cache.Everything)
					got, from, took := p.ask(k, "mutable: kept")
					if got != "mutable: kept" {
						t.Errorf("%q", got)
					}
					if took > 3*20*time.Millisecond+slack { // the machine may stand still for a moment
						slow++
					}
					switch {
					case dead[string(k.Owner())]:
						onDead++
						if from.Tier != cache.TierNone {
							t.Errorf("an answer from the dead: %q", from.Tier)
						}
					default:
						onLiving++
						if from.Tier == cache.TierFar {
							fromRedis++
						}
					}
				}
			}
			if slow > (onDead+onLiving)/100 {
				t.Errorf("%d calls of %d waited for longer than their budget", slow, onDead+onLiving)
			}
			t.Logf("%d calls on the dead node, %d of %d on the living answered from there", onDead, fromRedis, onLiving)
			if onDead == 0 || full == "no" && fromRedis < onLiving*9/10 {
				t.Errorf("of %d calls on the living nodes %d were answered from there", onLiving, fromRedis)
			}
			victim := all[0]
			for _, k := range all {
				if dead[string(k.Owner())] {
					victim = k
				}
			}
			_ = p.Erase(t.Context(), victim.Owner()) // which stays owed to that part alone
			nodes[2].Restart(t)
			p.back()
			p.shared(victim, "mutable: kept")
		})
	}
}
