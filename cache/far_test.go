package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

func TestAStalledFarTierCostsThreeBudgetsAndThenNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		p.link.Break(cachetest.Faults{Delay: time.Hour})
		s := &service{says: "mutable: a"}
		for i := range 10 {
			begun, want := time.Now(), 20*time.Millisecond
			if i >= 3 {
				want = 0
			}
			p.want(s, s.says, cache.TierNone)
			if took := time.Since(begun); took != want {
				t.Errorf("call %d took %v, want %v", i, took, want)
			}
		}
		if n := p.Stats(); !n.FarShut || n.FarShuts != 1 || n.FarErrors != 3 || n.FarPassed == 0 {
			t.Errorf("%+v", n)
		}
		p.link.Break(cachetest.Faults{})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		p.want(s, s.says, cache.TierNone)
		synctest.Wait()
		p.want(s, s.says, cache.TierFar)
		if p.Stats().FarShut {
			t.Error("it is still shut")
		}
	})
}

func TestACallerWhoLeavesIsNoFaultOfTheFarTier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		for range 10 {
			ctx, cancel := contextFor(t, time.Millisecond)
			_, _, _ = cache.Get(ctx, p.Cache, k1, notes, cache.Call{Mode: cache.Only}, nil)
			cancel()
		}
		if n := p.Stats(); n.FarShut || n.FarErrors != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestAFailingFarTierFailsNoCall(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]cachetest.Faults{
		"fails":           {Err: errors.New("connection refused")},
		"fails after all": {Err: errors.New("connection reset"), Late: true},
		"loses its marks": {Lie: func(_ cache.Key, v string, _ cache.Marks) (string, cache.Marks) { return v, cache.Marks{} }},
		"other marks": {Lie: func(_ cache.Key, v string, _ cache.Marks) (string, cache.Marks) {
			return v, cache.Marks{Epoch: "x", Generation: "y"}
		}},
		"garbage": {Lie: func(_ cache.Key, _ string, m cache.Marks) (string, cache.Marks) { return "garbage", m }},
		"nothing": {Lie: func(_ cache.Key, _ string, m cache.Marks) (string, cache.Marks) { return "", m }},
		"cut off": {Lie: func(_ cache.Key, v string, m cache.Marks) (string, cache.Marks) { return v[:len(v)/2], m }},
		"a bit flipped": {Lie: func(_ cache.Key, v string, m cache.Marks) (string, cache.Marks) {
			b := []byte(v)
			if len(b) > 0 {
				b[len(b)/2] ^= 1
			}
			return string(b), m
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProcess(t, cachetest.NewHub())
				for i := range 8 {
					s := &service{says: fmt.Sprint("mutable: ", i)}
					p.want(s, s.says, cache.TierNone) // whatever it has is not shown
					synctest.Wait()
					p.link.Break(f)
				}
			})
		})
	}
}

func TestAValueThatCannotBeReadIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		k2 := k1
		k2.ID, k2.Zone, k2.Kind, k2.Schema = "2", cache.UTC, "note", 1
		p.wantOf(k2, &service{says: "mutable: 2"}, "mutable: 2", cache.TierNone)
		synctest.Wait()
		own := k2
		own.ID = k1.ID
		for _, planted := range [][]byte{[]byte("garbage"), hub.Raw(k2), nil} {
			hub.Plant(own, planted)
			before := hub.Values()
			if _, _, err := p.get(k1, cache.Call{Mode: cache.Only}, nil); !errors.Is(err, cache.ErrMiss) {
				t.Errorf("%.20q was shown", planted)
			}
			if planted != nil && hub.Values() != before-1 {
				t.Errorf("%.20q is still there", planted)
			}
		}
		if n := p.Stats().FarForeign; n != 2 {
			t.Errorf("%d counted", n)
		}
	})
}

func TestAFarTierThatForgetsShowsNothingFromBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		p.want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
		synctest.Wait()
		k := k1
		k.Kind, k.Schema = "note", 1
		value := hub.Raw(k)
		hub.Forget()
		hub.Plant(k, value) // a value that outlived its marks
		p.want(&service{says: "mutable: b"}, "mutable: b", cache.TierNone)
	})
}

func TestInvalidationsOfAnOutageAreMadeUpForBeforeReadsResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		p.want(&service{says: "mutable: old"}, "mutable: old", cache.TierNone)
		synctest.Wait()
		p.link.Break(cachetest.Faults{Err: errors.New("away")})
		if err := p.Invalidate(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) {
			t.Errorf("%v", err)
		}
		if err := p.Erase(t.Context(), "another"); !errors.Is(err, cache.ErrDeferred) {
			t.Errorf("while it is shut: %v", err)
		}
		if n := p.Stats(); n.Deferred != 4 || !n.FarShut { // two for the tier, two for the bus
			t.Errorf("%+v", n)
		}
		p.link.Break(cachetest.Faults{}) // well again, and nobody knows
		p.want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
		bumps := p.link.Calls("Bump")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := p.Stats(); n.Deferred != 0 || n.FarShut {
			t.Errorf("after the probe: %+v", n)
		}
		if n := p.link.Calls("Bump") - bumps; n != 2 {
			t.Errorf("%d bumps, want 2", n)
		}
		p.want(&service{says: "mutable: b"}, "mutable: b", cache.TierNone) // "old" is still stored, and unreadable
		synctest.Wait()
		p.want(&service{}, "mutable: b", cache.TierFar)
	})
}

func TestWhatCannotBeToldByTheEndIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		p.link.Break(cachetest.Faults{Err: errors.New("away")})
		_ = p.Invalidate(t.Context(), k1.Owner())
		if err := p.Close(); !errors.Is(err, cache.ErrDeferred) {
			t.Errorf("Close: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestOneOfManyProcessesLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		s := &service{says: "durable: a", takes: 50 * time.Millisecond}
		begun := time.Now()
		var wg sync.WaitGroup
		for range 8 {
			p := newProcess(t, hub)
			for range 125 {
				wg.Go(func() {
					n, _, err := p.get(k1, cache.Call{}, s)
					if took := time.Since(begun); err != nil || n.Text != s.says || took > 80*time.Millisecond {
						t.Errorf("%+v, %v after %v", n, err, took)
					}
				})
			}
		}
		wg.Wait()
		if s.asked != 1 {
			t.Errorf("asked %d times, want 1", s.asked)
		}
	})
}

func TestALeaseWithoutAValueHoldsNobodyUpTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		s := &service{err: &cache.AbsentError{Note: "no"}, takes: time.Second}
		begun := time.Now()
		var wg sync.WaitGroup
		for range 8 {
			p := newProcess(t, hub)
			wg.Go(func() { _, _, _ = p.get(k1, cache.Call{}, s) })
		}
		wg.Wait()
		if took := time.Since(begun); took > 2*time.Second+50*time.Millisecond {
			t.Errorf("the slowest waited %v for loads of a second", took)
		}
	})
}

func TestAProcessThatDiesWithALeaseHoldsOthersUpForItsTimeOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		dead := k1
		dead.Kind, dead.Schema = "note", 1
		if g, err := hub.Link().Lease(t.Context(), dead, 5*time.Second); err != nil || g.Lease == "" {
			t.Fatal(err)
		}
		begun, s := time.Now(), &service{says: "durable: a"}
		newProcess(t, hub).want(s, s.says, cache.TierNone)
		if took := time.Since(begun); took < 5*time.Second || took > 5*time.Second+20*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNobodyEverSeesAnothersValue lets tenants, users, timezones and ids at
// random load, and values be copied from key to key and marks from owner to owner.
func TestNobodyEverSeesAnothersValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		ps := []*process{newProcess(t, hub), newProcess(t, hub), newProcess(t, nil)}
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		var keys []cache.Key
		for _, tenant := range []cache.Tenant{"a", "ab", cache.TenantOf("key", "https://x"), cache.TenantOf("key", "https://y")} {
			for _, user := range []string{"u", "bu", "u|", "사용자", "u\x00"} {
				for _, zone := range []string{"", "Asia/Seoul", "Asia"} {
					for _, id := range []string{"1", "/Seoul1", "\x001"} {
						keys = append(keys, cache.Key{Tenant: tenant, User: user, Zone: zone, ID: id})
					}
				}
			}
		}
		stored := func(k cache.Key) cache.Key {
			k.Kind, k.Schema = notes.Name, notes.Schema
			return k
		}
		any1 := func() cache.Key { return keys[r.IntN(len(keys))] }
		for range 6000 {
			k := any1()
			switch from := any1(); r.IntN(12) {
			case 0:
				if value := hub.Raw(stored(from)); value != nil {
					hub.Plant(stored(k), bytes.Clone(value))
				}
			case 1:
				_, m, err := ps[0].link.Get(t.Context(), stored(from))
				if err == nil {
					hub.Mark(k.Owner(), m)
				}
			case 2:
				_ = ps[r.IntN(3)].Invalidate(t.Context(), k.Owner())
			case 3:
				_ = ps[r.IntN(3)].Erase(t.Context(), k.Owner())
			case 4:
				time.Sleep(time.Duration(r.IntN(int(time.Minute))))
			default:
				says := fmt.Sprintf("%s: of %q", []string{"durable", "mutable", "unfinished"}[r.IntN(3)], fmt.Sprintf("%+v", k))
				n, _, err := ps[r.IntN(3)].get(k, cache.Call{Mode: cache.Mode(r.IntN(3))}, &service{says: says})
				if _, of, ok := bytes.Cut([]byte(n.Text), []byte(": of ")); err != nil || !ok || string(of) != fmt.Sprintf("%q", fmt.Sprintf("%+v", k)) {
					t.Fatalf("%+v sees %q, %v", k, n.Text, err)
				}
				n.Text, n.Tags[0] = "changed", "changed"
				synctest.Wait()
			}
		}
		hits := ps[0].Stats()
		if hits.Far.Hits == 0 || hits.Near.Hits == 0 || hits.FarForeign == 0 {
			t.Errorf("too little happened: %+v", hits)
		}
	})
}

func TestAClockThatIsAheadMakesNoValueYoung(t *testing.T) {
	t.Parallel()
	hub := cachetest.NewHub()
	var k cache.Key
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(100 * 365 * 24 * time.Hour) // a process with a wrong clock, in a bubble of its own
		p := newProcess(t, hub)
		p.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		synctest.Wait()
		k = k1
		k.Kind, k.Schema = "note", 1
	})
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, hub)
		_, from, err := p.get(k1, cache.Call{Mode: cache.Only}, nil)
		if err != nil || from.Age != 0 {
			t.Errorf("%+v, %v", from, err)
		}
		if e := p.near.Get(cache.Key{Tenant: k.Tenant, User: k.User, ID: k.ID, Kind: k.Kind, Schema: k.Schema, Zone: cache.UTC}); e == nil || time.Until(e.Fresh) > 5*time.Minute {
			t.Errorf("kept near as %+v", e)
		}
	})
}

func TestWhoComesAfterALoadHasEndedAsksAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond}) // the value is still being stored when its caller has it
		p.want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
		if err := hub.Link().Bump(t.Context(), k1.Owner(), cache.Changing); err != nil { // of another process, whose notice is on its way
			t.Fatal(err)
		}
		p.want(&service{says: "mutable: b"}, "mutable: b", cache.TierNone)
	})
}

func TestCloseStoresWhatWasLoadedAndGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		p.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		q := newProcess(t, hub)
		q.want(&service{says: "durable: b"}, "durable: a", cache.TierFar)
		begun := time.Now()
		loading := &service{says: "durable: c", takes: time.Hour}
		k2 := k1
		k2.ID = "2"
		gone := make(chan struct{})
		go func() { _, _, _ = q.get(k2, cache.Call{}, loading); close(gone) }()
		synctest.Wait()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		<-gone
		newProcess(t, hub).wantOf(k2, &service{says: "durable: d"}, "durable: d", cache.TierNone)
		if took := time.Since(begun); took != 0 {
			t.Errorf("others waited %v for a process that had gone", took)
		}
	})
}

func TestALoadUnderWayWhenTheBusIsBackIsStillStoredFar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		s := &service{says: "durable: a", takes: time.Second}
		loaded := make(chan struct{})
		go func() { p.want(s, s.says, cache.TierNone); close(loaded) }()
		synctest.Wait()
		p.link.Cut()
		<-loaded
		synctest.Wait()
		if n := p.Stats(); n.BusListened < 2 || p.near.Stats().Entries != 0 {
			t.Errorf("%+v, %d kept near", n, p.near.Stats().Entries)
		}
		p.want(s, s.says, cache.TierFar)
	})
}
