package cache_test

import (
	"errors"
	"fmt"
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

func TestOnlyFailuresInARowShutTheFarTier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		look := func() { _, _, _ = p.get(k1, cache.Call{Mode: cache.Only}, nil) }
		for range 5 {
			p.link.Break(cachetest.Faults{Err: errors.New("connection reset")})
			look()
			look()
			p.link.Break(cachetest.Faults{})
			look()
		}
		if n := p.Stats(); n.FarShuts != 0 || n.FarErrors != 10 {
			t.Errorf("%+v", n)
		}
	})
}
