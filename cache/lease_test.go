package cache_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

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

func TestAValueThatIsKeptNowhereElseGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		begun := time.Now()
		for range 3 {
			for _, says := range []string{"unfinished: a", "forbidden: b"} {
				newProcess(t, hub).want(&service{says: says}, says, cache.TierNone)
				synctest.Wait() // the caller is served before the lease is given back
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("they waited %v for each other", took)
		}
	})
}

func TestALeaseThatCameWithTheValueIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t)
		looks := 0
		p.link.Break(cachetest.Faults{Lie: func(_ cache.Key, v string, m cache.Marks) (string, cache.Marks) {
			if looks++; looks == 1 { // another process stores it right after
				v = ""
			}
			return v, m
		}})
		p.want(&service{err: errTrouble}, "durable: a", cache.TierFar)
		if g, err := p.link.Lease(t.Context(), stored(k1), time.Minute); err != nil || g.Lease == "" || looks != 3 {
			t.Errorf("%+v, %v after %d looks", g, err, looks)
		}
	})
}

// leaseless is a tier that has no memory for leases.
type leaseless struct{ *cachetest.Link }

func (l leaseless) Lease(ctx context.Context, key cache.Key, _ time.Duration) (g cache.Grant, err error) {
	g.Value, g.Marks, err = l.Get(ctx, key)
	return g, err
}

func TestWhereNoLeaseCanBeHadNobodyWaitsForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := cache.New(nil, cache.WithFar(leaseless{cachetest.NewHub().Link()}))
		if err != nil {
			t.Fatal(err)
		}
		s, begun := &service{says: "durable: a"}, time.Now()
		for _, tier := range []cache.Tier{cache.TierNone, cache.TierFar} {
			n, from, err := cache.Get(t.Context(), c, k1, notes, cache.Call{}, s.load)
			if err != nil || n.Text != s.says || from.Tier != tier || time.Since(begun) != 0 {
				t.Errorf("%+v, %+v, %v after %v", n, from, err, time.Since(begun))
			}
			synctest.Wait()
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
