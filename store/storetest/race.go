package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

var raceRules = []rule{
	{"of concurrent writers the newest news wins, created once", "", raceNewest},
	{"concurrent puts of one event store it once", "inbox", racePuts},
	{"concurrent workers never hold the same event", "inbox", raceClaims},
	{"readers see whole sessions while they are written", "", raceReaders},
}

func raceNewest(f *fixture) {
	var wg sync.WaitGroup
	var created atomic.Int64
	number := func(g, i int) int { return (g*11 + i*5) % 61 }
	top := 0
	for g := range 8 {
		for i := range 8 {
			top = max(top, number(g, i))
		}
		wg.Go(func() {
			for i := range 8 {
				out, err := f.sessions().Put(f.Context(), session("k", "u1", t0, number(g, i)))
				if err != nil {
					f.Error(err)
					return
				}
				if out[0] == store.Created {
					created.Add(1)
				}
			}
		})
	}
	wg.Wait()
	same(f, f.get("k"), session("k", "u1", t0, top))
	if created.Load() != 1 {
		f.Errorf("created %d times", created.Load())
	}
}

func racePuts(f *fixture) {
	var wg sync.WaitGroup
	var stored atomic.Int64
	i := f.inbox()
	for range 64 {
		wg.Go(func() {
			r, err := i.Put(f.Context(), event("k", "u", "s"))
			switch {
			case err != nil:
				f.Error(err)
			case r[0].Result == store.Stored:
				stored.Add(1)
			case r[0].Result != store.Duplicate:
				f.Errorf("%+v", r[0])
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 {
		f.Errorf("stored %d times", stored.Load())
	}
	f.claim(1)
}

func raceClaims(f *fixture) {
	const n = 120
	i := f.inbox()
	var held sync.Map
	var done atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for e := range n / 4 {
				if _, err := i.Put(f.Context(), event(fmt.Sprint(w, "-", e), "u", "s")); err != nil {
					f.Error(err)
				}
			}
		})
		wg.Go(func() {
			for done.Load() < n && !f.Failed() {
				claims, err := i.Claim(f.Context(), 5, time.Minute)
				if err != nil {
					f.Error(err)
					return
				}
				var list []store.Settlement
				for _, c := range claims {
					if _, taken := held.LoadOrStore(c.ID, true); taken {
						f.Errorf("event %s is held twice", c.ID)
					}
					list = append(list, f.token(c, store.Finish))
				}
				if lost, err := i.Settle(f.Context(), list...); err != nil || len(lost) > 0 {
					f.Error(lost, err)
				}
				done.Add(int64(len(claims)))
			}
		})
	}
	wg.Wait()
	if done.Load() != n {
		f.Errorf("%d done, want %d", done.Load(), n)
	}
}

func raceReaders(f *fixture) {
	f.put(store.Created, session("k", "u1", t0, 0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s, err := f.sessions().Get(f.Context(), "k")
				if err != nil {
					f.Error(err)
					return
				}
				n := int(s.Observed.Sub(session("", "", t0, 0).Observed.Truncate(time.Millisecond)) / time.Second)
				if want := session("k", "u1", t0, n); s.Raw != want.Raw || s.Metrics != want.Metrics {
					f.Errorf("half of news %d: %+v", n, s)
					return
				}
			}
		})
	}
	for n := 1; n <= 60; n++ {
		f.put(store.Updated, session("k", "u1", t0, n))
	}
	close(stop)
	wg.Wait()
}
