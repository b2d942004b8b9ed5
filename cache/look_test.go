package cache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// stocked is a hub that has "durable: a" under k1, and a process that has nothing near.
func stocked(t *testing.T) *process {
	t.Helper()
	hub := cachetest.NewHub()
	newProcess(t, hub).want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
	synctest.Wait()
	return newProcess(t, hub)
}

func TestWhoLeavesWhileTheFarTierIsAskedCostsTheOthersNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := cache.Get(ctx, p.Cache, k1, notes, cache.Call{}, nil)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 5*time.Millisecond {
				t.Errorf("whoever leaves: %v after %v", err, time.Since(begun))
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() { p.want(&service{err: errTrouble}, "durable: a", cache.TierFar) })
		}
		wg.Wait()
		if n := p.Stats(); n.FarErrors > 0 || n.Joined != 3 || time.Since(begun) != 15*time.Millisecond {
			t.Errorf("%+v after %v", n, time.Since(begun))
		}
	})
}

func TestAHitInTheFarTierIsReadOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { p.want(&service{err: errTrouble}, "durable: a", cache.TierFar) })
		}
		wg.Wait()
		if n := p.link.Calls("Get"); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

func TestAMissInTheFarTierIsSeenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		p.want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
		if n := p.link.Calls("Get"); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
	})
}

func TestAPanicOverAFarValueReachesItsCallerAndHangsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		crash := errors.New("a bug")
		broken := *notes
		broken.Decode = func(cache.Key, string) (*note, error) { panic(crash) }
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _, _ = cache.Get(t.Context(), p.Cache, k1, &broken, cache.Call{}, nil)
		}()
		synctest.Wait()
		if _, _, err := cache.Get(t.Context(), p.Cache, k1, &broken, cache.Call{}, nil); !errors.Is(err, crash) {
			t.Errorf("a follower: %v", err)
		}
		if relayed, _ := (<-panicked).(error); !errors.Is(relayed, crash) {
			t.Errorf("the caller: %v", relayed)
		}
		if n := p.Stats(); n.Panics != 1 || n.UnderWay != 0 {
			t.Errorf("%+v", n)
		}
		p.want(&service{err: errTrouble}, "durable: a", cache.TierFar)
	})
}

func TestCloseWaitsForWhoAsksTheFarTier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t)
		p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond})
		go p.want(&service{err: errTrouble}, "durable: a", cache.TierFar)
		synctest.Wait()
		begun := time.Now()
		if err := p.Close(); err != nil || time.Since(begun) != 10*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if n := p.near.Stats().Entries; n != 0 {
			t.Errorf("%d entries are kept by a closed cache", n)
		}
	})
}

func TestThoseWhoShareALoadThatIsNotKeptShareNoMemory(t *testing.T) {
	t.Parallel()
	for name, hub := range map[string]*cachetest.Hub{"near": nil, "far": cachetest.NewHub()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, s := newProcess(t, hub), &service{says: "forbidden: a", takes: time.Second}
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						n, _, err := p.get(k1, cache.Call{}, s)
						if err != nil || n.Tags[0] != s.says {
							t.Errorf("%+v, %v", n, err)
							return
						}
						n.Tags[0] = "changed"
					})
				}
				wg.Wait()
				if s.asked != 1 {
					t.Errorf("asked %d times", s.asked)
				}
			})
		})
	}
}
