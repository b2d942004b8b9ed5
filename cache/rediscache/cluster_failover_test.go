//go:build unix

package rediscache_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// cut is a cluster whose master is about to go, of whose last news its replica heard nothing.
type cut struct {
	victim, replica *dbtest.Server
	url             string
	listed, erased  cache.Key // whose values the replica still has
}

// cutCluster has the teller take back what the replica does not hear of. The victim is the
// node of the bus, or another.
func cutCluster(t *testing.T, ofTheBus bool) (c *cut, begin func(teller *process, listeners ...*process)) {
	t.Helper()
	masters, replicas := dbtest.RedisClusterWithReplicas(t, 3)
	slot, err := raw(t, masters[0].Addr).ClusterKeySlot(t.Context(), rediscache.DefaultPrefix+":notices").Result()
	if err != nil {
		t.Fatal(err)
	}
	at := int(slot) * len(masters) / 16384
	if !ofTheBus {
		at = (at + 1) % len(masters)
	}
	c = &cut{victim: masters[at], replica: replicas[at], url: "redis://" + masters[0].Addr + "?cluster=true&addr=" + masters[1].Addr + prompt}
	return c, func(teller *process, listeners ...*process) {
		c.listed = c.keep(t, teller, "mutable: old", "listed")
		c.erased = c.keep(t, teller, "durable: old", "erased")
		standby := raw(t, c.replica.Addr)
		eventually(t, func() bool { return len(keys(t, standby)) == len(keys(t, raw(t, c.victim.Addr))) })
		c.replica.Stall()
		if n, err := raw(t, c.victim.Addr).ClientKillByFilter(t.Context(), "TYPE", "replica").Result(); err != nil || n != 1 {
			t.Fatalf("%d killed, %v", n, err)
		}
		var heard []uint64
		for _, p := range listeners {
			heard = append(heard, p.Stats().BusNotices)
		}
		eventually(t, func() bool { return teller.Invalidate(t.Context(), c.listed.Owner()) == nil })
		eventually(t, func() bool { return teller.Erase(t.Context(), c.erased.Owner()) == nil })
		for i, p := range listeners {
			eventually(t, func() bool { return p.Stats().BusNotices >= heard[i]+2 })
		}
	}
}

// keep stores a value of a user whose values are on the victim.
func (c *cut) keep(t *testing.T, p *process, text, name string) cache.Key {
	t.Helper()
	for i := range 100 {
		k := k1
		k.User = fmt.Sprint(name, i)
		p.shared(k, text)
		for _, key := range keys(t, raw(t, c.victim.Addr)) {
			if strings.Contains(key, string(k.Owner())) {
				return k
			}
		}
	}
	t.Fatal("the victim has no values")
	return cache.Key{}
}

// failover has the replica take over with what it has.
func (c *cut) failover(t *testing.T) {
	t.Helper()
	c.victim.Kill()
	c.replica.Resume()
	dbtest.AwaitMaster(t, c.replica)
}

func TestAFailoverOfAClusterFailsNoCallAndShowsNothingThatWasTakenBack(t *testing.T) {
	t.Parallel()
	c, begin := cutCluster(t, true)
	teller := newProcess(t, c.url, quick(), rediscache.Options{}).listening()
	other := newProcess(t, c.url, quick(), rediscache.Options{}).listening()
	begin(teller, other)
	var calls, slow atomic.Int64
	stop := during(t, func(p *process) {
		for k, stale := range map[cache.Key]string{c.listed: "mutable: old", c.erased: "durable: old"} {
			if got, _, took := p.ask(k, "mutable: new"); got == stale {
				t.Errorf("%q was shown again", got)
			} else if calls.Add(1); took > 3*20*time.Millisecond+slack { // the machine may stand still for a moment
				slow.Add(1)
			}
		}
	}, teller, other)
	c.failover(t)
	teller.back()
	other.back()
	teller.shared(c.listed, "mutable: new")
	other.shared(c.listed, "mutable: new")
	stop()
	t.Logf("%d calls, %d slow", calls.Load(), slow.Load())
	if slow.Load() > calls.Load()/100 {
		t.Errorf("%d calls of %d waited for longer than their budget", slow.Load(), calls.Load())
	}
}

// TestAnIdleProcessHearsOfTheFailoverOfAnyNode: nothing that it does fails, and whoever took
// the values back has ended. It alone remembers.
func TestAnIdleProcessHearsOfTheFailoverOfAnyNode(t *testing.T) {
	t.Parallel()
	for name, ofTheBus := range map[string]bool{"the bus is there": true, "the bus is elsewhere": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, begin := cutCluster(t, ofTheBus)
			teller := newProcess(t, c.url, quick(), rediscache.Options{}).listening()
			idle := newProcess(t, c.url, quick(), rediscache.Options{}).listening()
			begin(teller, idle)
			if err := teller.Close(); err != nil {
				t.Fatal(err)
			}
			c.failover(t)
			late := newProcess(t, c.url, quick(), rediscache.Options{}) // with nothing to remember
			for range 200 {
				for k, stale := range map[cache.Key]string{c.listed: "mutable: old", c.erased: "durable: old"} {
					if got, from, _ := idle.ask(k, "mutable: new"); got == stale {
						t.Fatalf("%q was shown again, from %q", got, from.Tier)
					}
				}
			}
			idle.back()
			late.shared(c.listed, "mutable: new")
			late.shared(c.erased, "mutable: new")
		})
	}
}
