package cache_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

func TestInvalidateTakesBackWhatChangesAndEraseEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, hub := range []*cachetest.Hub{nil, cachetest.NewHub()} {
			p, other := newProcess(t, hub), newProcess(t, hub)
			says := []string{"durable: a", "mutable: a", "unfinished: a"}
			keys := make([]cache.Key, len(says))
			for i := range says {
				keys[i] = k1
				keys[i].ID = says[i]
				p.wantOf(keys[i], &service{says: says[i]}, says[i], cache.TierNone)
			}
			absent := k1
			absent.ID = "absent"
			_, _, _ = p.get(absent, cache.Call{}, &service{err: &cache.AbsentError{}})
			synctest.Wait()
			stranger := k1
			stranger.User = "stranger"
			p.wantOf(stranger, &service{says: "mutable: s"}, "mutable: s", cache.TierNone)
			synctest.Wait()

			if err := other.Invalidate(t.Context(), "nobody"); err != nil {
				t.Error(err)
			}
			if err := p.Invalidate(t.Context(), k1.Owner()); err != nil {
				t.Error(err)
			}
			p.wantOf(keys[0], &service{}, "durable: a", cache.TierNear)
			p.wantOf(keys[1], &service{says: "mutable: b"}, "mutable: b", cache.TierNone)
			p.wantOf(keys[2], &service{says: "unfinished: b"}, "unfinished: b", cache.TierNone)
			p.wantOf(absent, &service{says: "durable: b"}, "durable: b", cache.TierNone)
			if _, from, err := p.get(stranger, cache.Call{}, &service{}); err != nil || from.Tier == cache.TierNone {
				t.Errorf("another owner's: %+v, %v", from, err)
			}
			synctest.Wait()
			if err := p.Erase(t.Context(), k1.Owner()); err != nil {
				t.Error(err)
			}
			p.wantOf(keys[0], &service{says: "durable: c"}, "durable: c", cache.TierNone)
			if _, from, err := p.get(stranger, cache.Call{}, &service{}); err != nil || from.Tier == cache.TierNone {
				t.Errorf("another owner's after erasing: %+v, %v", from, err)
			}
		}
	})
}

// TestALoadBegunBeforeAnInvalidationIsNeverStored changes what the service says,
// and takes the old word back, at a random moment of many loads.
func TestALoadBegunBeforeAnInvalidationIsNeverStored(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		far   bool
		scope func(*cache.Cache) func(context.Context, cache.Owner) error
		class cache.Class
	}{
		"mutable near":        {false, func(c *cache.Cache) func(context.Context, cache.Owner) error { return c.Invalidate }, cache.Mutable},
		"mutable far":         {true, func(c *cache.Cache) func(context.Context, cache.Owner) error { return c.Invalidate }, cache.Mutable},
		"unfinished":          {true, func(c *cache.Cache) func(context.Context, cache.Owner) error { return c.Invalidate }, cache.Unfinished},
		"durable near, erase": {false, func(c *cache.Cache) func(context.Context, cache.Owner) error { return c.Erase }, cache.Durable},
		"durable far, erase":  {true, func(c *cache.Cache) func(context.Context, cache.Owner) error { return c.Erase }, cache.Durable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counter := *cachetest.Counter
			counter.Class = func(cache.Key, int64) cache.Class { return c.class }
			var hub *cachetest.Hub
			if c.far {
				hub = cachetest.NewHub()
			}
			p := newProcess(t, hub, cache.WithGuard(cache.Guard{Budget: time.Minute, InvalidateBudget: time.Minute}))
			var truth atomic.Int64
			load := func(context.Context) (int64, string, error) {
				v := truth.Load()
				runtime.Gosched()
				return v, strconv.FormatInt(v, 10), nil
			}
			for trial := range 1000 {
				var wg sync.WaitGroup
				for mode := range cache.Only {
					wg.Go(func() { _, _, _ = cache.Get(t.Context(), p.Cache, k1, &counter, cache.Call{Mode: mode}, load) })
				}
				for range trial % 23 {
					runtime.Gosched()
				}
				least := truth.Add(1)
				if err := c.scope(p.Cache)(t.Context(), k1.Owner()); err != nil {
					t.Errorf("take back: %v", err)
				}
				for range 2 { // at once, and when all loads have ended
					if v, from, err := cache.Get(t.Context(), p.Cache, k1, &counter, cache.Call{}, load); v < least || err != nil {
						t.Fatalf("trial %d: %d, %+v, %v after %d was announced", trial, v, from, err, least)
					}
					wg.Wait()
				}
			}
		})
	}
}

func TestALoadBegunBeforeAnotherProcessTookBackIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		a, b := newProcess(t, hub), newProcess(t, hub)
		for _, says := range []string{"mutable: old", "durable: old"} {
			k := k1
			k.ID = says
			slow := &service{says: says, takes: time.Second}
			go func() { _, _, _ = a.get(k, cache.Call{}, slow) }()
			time.Sleep(time.Second / 2)
			if err := b.Erase(t.Context(), k.Owner()); err != nil {
				t.Error(err)
			}
			fresh := &service{says: says + ", fresh"}
			a.wantOf(k, fresh, fresh.says, cache.TierNone) // it does not join the old load
			time.Sleep(time.Second)
			synctest.Wait()
			b.wantOf(k, fresh, fresh.says, cache.TierFar)
			if n, _, err := a.get(k, cache.Call{}, fresh); err != nil || n.Text != fresh.says {
				t.Errorf("%+v, %v", n, err)
			}
		}
		if n := a.Stats(); n.BusNotices != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestOtherProcessesDropTheirsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		a, b := newProcess(t, hub), newProcess(t, hub)
		a.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		synctest.Wait()
		b.want(&service{}, "durable: a", cache.TierFar)
		if err := a.Erase(t.Context(), k1.Owner()); err != nil {
			t.Error(err)
		}
		b.want(&service{says: "durable: b"}, "durable: b", cache.TierNone)
	})
}

func TestABusWithoutAFarTierKeepsNearTiersTogether(t *testing.T) {
	t.Parallel()
	hub := cachetest.NewHub()
	var ps []*process
	for range 2 {
		p := newProcess(t, nil, cache.WithBus(hub.Link()))
		for p.Stats().BusListened == 0 {
			runtime.Gosched()
		}
		ps = append(ps, p)
	}
	ps[0].want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
	ps[1].want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
	ps[0].want(&service{}, "mutable: a", cache.TierNear)
	if err := ps[1].Invalidate(t.Context(), k1.Owner()); err != nil {
		t.Error(err)
	}
	ps[0].want(&service{says: "mutable: b"}, "mutable: b", cache.TierNone)
}

func TestALostBusFlushesTheNearTierWhenItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		a, b := newProcess(t, hub), newProcess(t, hub)
		b.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		synctest.Wait()
		b.link.Cut()
		synctest.Wait()
		if err := a.Erase(t.Context(), k1.Owner()); err != nil {
			t.Error(err)
		}
		b.want(&service{}, "durable: a", cache.TierNear) // nobody could tell it
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		b.want(&service{says: "durable: b"}, "durable: b", cache.TierNone)
		if n := b.Stats().BusListened; n != 2 {
			t.Errorf("listened %d times", n)
		}
	})
}

func TestWhoeverHearsNothingAsksAgainAfterTheBackstop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		a, b := newProcess(t, hub), newProcess(t, hub)
		b.link.Break(cachetest.Faults{Deaf: true})
		b.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		if err := a.Erase(t.Context(), k1.Owner()); err != nil {
			t.Error(err)
		}
		time.Sleep(5*time.Minute - 1)
		b.want(&service{}, "durable: a", cache.TierNear)
		time.Sleep(time.Nanosecond)
		b.want(&service{says: "durable: b"}, "durable: b", cache.TierNone)
	})
}

// TestWhatWasLoadedBeforeIsNotKeptAfter is the race in slow motion, in every mode.
func TestWhatWasLoadedBeforeIsNotKeptAfter(t *testing.T) {
	t.Parallel()
	for mode := range cache.Only {
		for _, far := range []bool{false, true} {
			for _, says := range []string{"durable: old", "mutable: old", "unfinished: old", "absent"} {
				synctest.Test(t, func(t *testing.T) {
					var hub *cachetest.Hub
					if far {
						hub = cachetest.NewHub()
					}
					p, slow := newProcess(t, hub), &service{says: says, takes: time.Second}
					if says == "absent" {
						slow.err = &cache.AbsentError{}
					}
					go func() { _, _, _ = p.get(k1, cache.Call{Mode: mode}, slow) }()
					time.Sleep(time.Second / 2)
					if err := p.Invalidate(t.Context(), k1.Owner()); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Second)
					synctest.Wait()
					n, from, err := p.get(k1, cache.Call{Mode: cache.Only}, nil)
					if !errors.Is(err, cache.ErrMiss) {
						t.Errorf("mode %d, far %v, %s: %+v, %+v, %v", mode, far, says, n, from, err)
					}
				})
			}
		}
	}
}
