package cachetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

// Counter is a kind whose values are numbers that change: what tests of freshness
// load.
var Counter = &cache.Kind[int64]{
	Name: "counter", Schema: 1,
	Decode: func(_ cache.Key, raw string) (int64, error) { return strconv.ParseInt(raw, 10, 64) },
	Clone:  func(v int64) int64 { return v },
	Size:   func(int64) int { return 8 },
	Class:  func(cache.Key, int64) cache.Class { return cache.Mutable },
}

// caches makes a cache without a near tier on every process.
func (f *farFixture) caches() []*cache.Cache {
	f.Helper()
	all := make([]*cache.Cache, len(f.far))
	for i, far := range f.far {
		guard := cache.DefaultGuard() // patient: a loaded machine is no fault of the backend
		guard.Budget, guard.InvalidateBudget, guard.Lease = patience, patience, patience
		c, err := cache.New(nil, cache.WithFar(far), cache.WithGuard(guard))
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { f.end(c) })
		if len(f.buses) > 0 {
			eventually(f.T, func() error {
				if c.Stats().BusListened == 0 { // which flushes
					return errors.New("the cache does not listen")
				}
				return nil
			})
		}
		all[i] = c
	}
	return all
}

// end closes a cache, which waits for the backend.
func (f *farFixture) end(c *cache.Cache) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Close()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		f.Error("Cache.Close hangs: every operation, Subscribe too, has to return soon after its context has ended")
	}
}

// cachesRace: one process loads a value that is changed, and taken back by
// another, while the load is under way.
func cachesRace(f *farFixture) {
	caches := f.caches()
	k := key("u", 1)
	var truth atomic.Int64
	for trial := range 50 {
		begun := time.Now()
		loading, changed, got := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(got)
			_, _, err := cache.Get(f.Context(), caches[0], k, Counter, cache.Call{}, func(context.Context) (int64, string, error) {
				v := truth.Load()
				close(loading)
				<-changed
				return v, strconv.FormatInt(v, 10), nil
			})
			if err != nil {
				f.Errorf("Get: %v", err)
			}
		}()
		select {
		case <-loading:
		case <-got:
			f.Fatalf("trial %d: a process is given what was taken back", trial)
		}
		want := truth.Add(1)
		if err := caches[1].Invalidate(f.Context(), k.Owner()); err != nil {
			f.Errorf("Invalidate: %v", err)
		}
		close(changed)
		<-got
		for p, c := range caches {
			v, _, err := cache.Get(f.Context(), c, k, Counter, cache.Call{}, func(context.Context) (int64, string, error) {
				v := truth.Load()
				return v, strconv.FormatInt(v, 10), nil
			})
			if v != want || err != nil {
				f.Fatalf("trial %d: process %d sees %d, %v; want %d", trial, p, v, err, want)
			}
		}
		if err := caches[0].Invalidate(f.Context(), k.Owner()); err != nil {
			f.Errorf("Invalidate: %v", err)
		}
		if took := time.Since(begun); took > patience {
			f.Fatalf("trial %d took %v: is a lease not given back?", trial, took)
		}
	}
}

func cachesLease(f *farFixture) {
	if len(f.leasers) == 0 {
		f.Skip("it is no cache.Leaser")
	}
	var loads atomic.Int64
	var wg sync.WaitGroup
	for _, c := range f.caches() {
		for range 10 {
			wg.Go(func() {
				v, _, err := cache.Get(f.Context(), c, key("u", 1), Counter, cache.Call{}, func(context.Context) (int64, string, error) {
					loads.Add(1)
					timer := time.NewTimer(20 * time.Millisecond)
					defer timer.Stop()
					<-timer.C
					return 7, "7", nil
				})
				if v != 7 || err != nil {
					f.Errorf("Get = %d, %v", v, err)
				}
			})
		}
	}
	wg.Wait()
	if n := loads.Load(); n != 1 {
		f.Errorf("%d loads, want 1", n)
	}
}
