package cachetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

type runner = func(name string, processes int, check func(f *farFixture))

func runLeases(run runner) {
	lease := func(name string, check func(f *farFixture)) {
		run(name, 2, func(f *farFixture) {
			if len(f.leasers) == 0 {
				f.Skip("it is no cache.Leaser")
			}
			check(f)
		})
	}
	lease("one of many gets the lease", leaseOne)
	lease("a lease reads the key", leaseReads)
	lease("a lease that is given back can be had", leaseBack)
	lease("a lease ends by itself", leaseEnds)
	lease("a fill without the lease it names stores nothing", leaseFences)
}

func (f *farFixture) lease(process int, k cache.Key, ttl time.Duration) cache.Grant {
	f.Helper()
	g, err := f.leasers[process].Lease(f.Context(), k, ttl)
	if err != nil {
		f.Fatalf("Lease: %v", err)
	}
	return g
}

func (f *farFixture) release(process int, k cache.Key, lease string) {
	f.Helper()
	if err := f.leasers[process].Release(f.Context(), k, lease); err != nil {
		f.Errorf("Release: %v", err)
	}
}

// wantHeld fails unless the lease in force is the one named.
func (f *farFixture) wantHeld(process int, k cache.Key, lease string) {
	f.Helper()
	if g := f.lease(process, k, time.Minute); g.Lease != "" || g.Holder != lease {
		f.Errorf("the lease %q was had, holder %q; want it held as %q", g.Lease, g.Holder, lease)
	}
}

func leaseOne(f *farFixture) {
	k := key("u", 1)
	var got atomic.Int64
	var holders sync.Map
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			g, err := f.leasers[i%2].Lease(f.Context(), k, time.Minute)
			if err != nil {
				f.Errorf("Lease: %v", err)
			}
			if g.Lease != "" {
				got.Add(1)
			}
			holders.Store(g.Holder, true)
		})
	}
	wg.Wait()
	n := 0
	for range holders.Range {
		n++
	}
	if got.Load() != 1 || n != 1 {
		f.Errorf("%d got it, %d holders were told of; want one", got.Load(), n)
	}
	if g := f.lease(0, key("u", 2), time.Minute); g.Lease == "" {
		f.Error("the lease of another key is held too")
	}
}

func leaseReads(f *farFixture) {
	k := key("u", 1)
	_, marks := f.get(0, k)
	g := f.lease(0, k, time.Minute)
	if g.Value != "" || g.Marks != marks {
		f.Errorf("of a missing key: %+v, want the marks %+v", g, marks)
	}
	f.wantFill(0, cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute, Marks: g.Marks, Lease: g.Lease}, true)
	if g := f.lease(1, k, time.Minute); g.Value != "v" || g.Marks != marks {
		f.Errorf("%+v, want the value and %+v", g, marks)
	}
	if g := f.lease(1, key("new", 1), time.Minute); g.Marks.Epoch == "" || g.Marks.Generation == "" {
		f.Errorf("a new owner has the marks %+v", g.Marks)
	}
}

func leaseBack(f *farFixture) {
	k := key("u", 1)
	first := f.lease(0, k, time.Minute).Lease
	f.release(1, k, "nonsense")
	f.wantHeld(1, k, first)
	f.release(0, k, first)
	second := f.lease(1, k, time.Minute).Lease
	if second == "" || second == first {
		f.Errorf("after %q was given back: %q", first, second)
	}
	f.release(0, k, first) // held by another by now
	f.wantHeld(0, k, second)
	_, marks := f.get(0, k)
	f.wantFill(1, cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute, Marks: marks, Lease: second}, true)
	if g := f.lease(0, k, time.Minute); g.Lease == "" {
		f.Error("the fill did not give the lease back")
	}
}

func leaseEnds(f *farFixture) {
	k := key("u", 1)
	first := f.lease(0, k, 50*time.Millisecond)
	eventually(f.T, func() error {
		if g := f.lease(1, k, time.Minute); g.Lease == "" {
			return fmt.Errorf("%q is still held", g.Holder)
		}
		return nil
	})
	f.wantFill(0, cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute, Marks: first.Marks, Lease: first.Lease}, false)
	f.wantGone(0, k)
}

func leaseFences(f *farFixture) {
	k := key("u", 1)
	g := f.lease(0, k, time.Minute)
	fill := cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute, Marks: g.Marks, Lease: "nonsense"}
	f.wantFill(1, fill, false)
	fill.Lease = ""
	f.wantFill(1, fill, true) // who asks for none needs none
	f.wantHeld(1, k, g.Lease)
	f.bump(1, k.Owner(), cache.Changing)
	fill.Lease = g.Lease
	f.wantFill(0, fill, false)
	if again := f.lease(1, k, time.Minute); again.Lease == "" {
		f.Error("a fill that was refused for its marks did not give the lease back")
	}
}
