package cache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

func TestAClassIsKeptExactlyAsLongAsKeepSays(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, c := range []struct {
		says string
		far  bool
		kept time.Duration // as a whole
		tier cache.Tier    // that answers at once
	}{
		{"durable: a", false, 30 * day, cache.TierNear},
		{"mutable: a", false, 5 * time.Minute, cache.TierNear},
		{"unfinished: a", false, 5 * time.Second, cache.TierNear},
		{"forbidden: a", false, 0, ""},
		{"durable: a", true, 30 * day, cache.TierNear},
		{"mutable: a", true, 5 * time.Minute, cache.TierFar},
		{"unfinished: a", true, 5 * time.Second, cache.TierNear},
		{"forbidden: a", true, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var hub *cachetest.Hub
			if c.far {
				hub = cachetest.NewHub()
			}
			p, s := newProcess(t, hub), &service{says: c.says}
			p.want(s, c.says, cache.TierNone)
			synctest.Wait()
			if c.kept > 0 {
				p.want(s, c.says, c.tier)
				time.Sleep(c.kept - 1)
				n, from, err := p.get(k1, cache.Call{}, s)
				if err != nil || n.Text != c.says || from.Tier == cache.TierNone || from.Age != c.kept-1 || s.asked != 1 {
					t.Errorf("%s (far %v), just before its time: %+v, %v, asked %d times", c.says, c.far, from, err, s.asked)
				}
				time.Sleep(time.Nanosecond)
			}
			s.says = "forbidden: b"
			p.want(s, s.says, cache.TierNone)
		})
	}
}

func TestNoSuchThingIsKeptForSecondsInTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		first := errors.New("404")
		s := &service{err: &cache.AbsentError{Note: "no such note", Err: first}}
		if _, _, err := p.get(k1, cache.Call{}, s); !errors.Is(err, first) {
			t.Errorf("the load's own error: %v", err)
		}
		time.Sleep(5*time.Second - 1)
		_, from, err := p.get(k1, cache.Call{}, s)
		absent, ok := errors.AsType[*cache.AbsentError](err)
		if !ok || absent.Note != "no such note" || absent.Err != nil || from.Tier != cache.TierNear {
			t.Errorf("kept: %v, %+v", err, from)
		}
		absent.Note = "changed"
		if _, _, err = p.get(k1, cache.Call{}, s); err.Error() != "there is no such thing: no such note" {
			t.Errorf("another caller sees %v", err)
		}
		time.Sleep(time.Nanosecond)
		s.err, s.says = nil, "durable: here"
		p.want(s, s.says, cache.TierNone)
		if s.asked != 2 {
			t.Errorf("asked %d times", s.asked)
		}
	})
}

func TestFailuresAreNeverKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		s := &service{err: errTrouble}
		for range 3 {
			if _, _, err := p.get(k1, cache.Call{}, s); !errors.Is(err, errTrouble) {
				t.Error(err)
			}
		}
		if s.asked != 3 {
			t.Errorf("asked %d times, want 3", s.asked)
		}
	})
}

func TestWhereThereIsAFarTierMutableValuesAreNotKeptNear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p := newProcess(t, hub)
		p.want(&service{says: "mutable: a"}, "mutable: a", cache.TierNone)
		synctest.Wait()
		if n := p.near.Stats().Entries; n != 0 || hub.Values() != 1 {
			t.Errorf("%d near, %d far", n, hub.Values())
		}
		k2 := k1
		k2.ID = "2"
		p.wantOf(k2, &service{says: "unfinished: a"}, "unfinished: a", cache.TierNone)
		synctest.Wait()
		if n := p.near.Stats().Entries; n != 1 || hub.Values() != 1 {
			t.Errorf("%d near, %d far", n, hub.Values())
		}
	})
}

func TestADurableValueIsAskedForFarAgainAfterTheBackstop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newProcess(t, cachetest.NewHub()), &service{says: "durable: a"}
		p.want(s, s.says, cache.TierNone)
		for range 3 { // each time it comes back near for another while
			synctest.Wait()
			time.Sleep(5*time.Minute - 1)
			p.want(s, s.says, cache.TierNear)
			time.Sleep(time.Nanosecond)
			p.want(s, s.says, cache.TierFar)
		}
	})
}

func TestAZeroKeepKeepsNothing(t *testing.T) {
	t.Parallel()
	hub := cachetest.NewHub()
	p := newProcess(t, hub, cache.WithKeep(cache.Keep{}))
	for _, says := range []string{"durable: a", "mutable: a", "unfinished: a"} {
		p.want(&service{says: says}, says, cache.TierNone)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := p.near.Stats().Entries; n != 0 || hub.Values() != 0 {
		t.Errorf("%d near, %d far", n, hub.Values())
	}
}

func TestAStaleValueStandsInForAServiceInTrouble(t *testing.T) {
	t.Parallel()
	keep := cache.DefaultKeep()
	keep.StaleIfError = time.Hour
	for name, far := range map[string]bool{"near": false, "far": true} {
		synctest.Test(t, func(t *testing.T) {
			var hub *cachetest.Hub
			tier := cache.TierNear
			if far {
				hub, tier = cachetest.NewHub(), cache.TierFar
			}
			p, s := newProcess(t, hub, cache.WithKeep(keep)), &service{says: "mutable: a"}
			p.want(s, s.says, cache.TierNone)
			synctest.Wait()
			kept := time.Now()
			s.err = errTrouble
			time.Sleep(5 * time.Minute)
			n, from, err := p.get(k1, cache.Call{Trouble: troubled}, s)
			want := cache.Origin{Tier: tier, Age: 5 * time.Minute, Stale: true, Cause: errTrouble}
			if err != nil || n.Text != "mutable: a" || from != want {
				t.Errorf("%s: %+v, %+v, %v; want %+v", name, n, from, err, want)
			}
			if n, from, err = p.get(k1, cache.Call{Mode: cache.Only}, s); err != nil || !from.Stale {
				t.Errorf("%s, only: %+v, %+v, %v", name, n, from, err)
			}
			if _, _, err := p.get(k1, cache.Call{}, s); !errors.Is(err, errTrouble) {
				t.Errorf("%s, not asked for: %v", name, err)
			}
			if _, _, err := p.get(k1, cache.Call{Mode: cache.Refresh, Trouble: troubled}, s); !errors.Is(err, errTrouble) {
				t.Errorf("%s, refresh: %v", name, err)
			}
			s.err = errors.New("403")
			if _, _, err := p.get(k1, cache.Call{Trouble: troubled}, s); err != s.err { //nolint:errorlint // that very one
				t.Errorf("%s, an answer: %v", name, err)
			}
			s.err = errTrouble
			time.Sleep(time.Until(kept.Add(5*time.Minute + time.Hour - 1))) // a call may have waited for the lease of one before
			if _, from, err = p.get(k1, cache.Call{Trouble: troubled}, s); err != nil || !from.Stale {
				t.Errorf("%s, at the end: %+v, %v", name, from, err)
			}
			time.Sleep(time.Nanosecond)
			if _, _, err = p.get(k1, cache.Call{Trouble: troubled}, s); !errors.Is(err, errTrouble) {
				t.Errorf("%s, after its time: %v", name, err)
			}
		})
	}
}

func TestWhatWasTakenBackIsNotShownStale(t *testing.T) {
	t.Parallel()
	keep := cache.DefaultKeep()
	keep.StaleIfError = time.Hour
	for _, hub := range []*cachetest.Hub{nil, cachetest.NewHub()} {
		p, s := newProcess(t, hub, cache.WithKeep(keep)), &service{says: "mutable: a"}
		p.want(s, s.says, cache.TierNone)
		if err := p.Invalidate(t.Context(), k1.Owner()); err != nil {
			t.Error(err)
		}
		s.err = errTrouble
		if n, from, err := p.get(k1, cache.Call{Trouble: troubled}, s); !errors.Is(err, errTrouble) {
			t.Errorf("%+v, %+v, %v", n, from, err)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p, other, s := newProcess(t, hub), newProcess(t, hub), &service{says: "durable: a"}
		only := cache.Call{Mode: cache.Only}
		if _, _, err := p.get(k1, only, s); !errors.Is(err, cache.ErrMiss) || s.asked != 0 {
			t.Errorf("Only, nothing kept: %v, asked %d times", err, s.asked)
		}
		if _, from, err := p.get(k1, cache.Call{Mode: cache.Alone}, s); err != nil || from.Tier != cache.TierNone {
			t.Errorf("Alone: %+v, %v", from, err)
		}
		if _, from, err := p.get(k1, only, s); err != nil || from.Tier != cache.TierNear {
			t.Errorf("Only, kept near: %+v, %v", from, err)
		}
		if _, from, err := other.get(k1, only, s); err != nil || from.Tier != cache.TierFar {
			t.Errorf("Only, kept far: %+v, %v", from, err)
		}
		s.says = "durable: b"
		if n, from, err := p.get(k1, cache.Call{Mode: cache.Refresh}, s); err != nil || from.Tier != cache.TierNone || n.Text != s.says {
			t.Errorf("Refresh: %+v, %+v, %v", n, from, err)
		}
		p.want(s, "durable: b", cache.TierNear)
		newProcess(t, hub).want(s, "durable: b", cache.TierFar)
		s.err = &cache.AbsentError{Note: "gone"}
		if _, _, err := p.get(k1, cache.Call{Mode: cache.Refresh}, s); err == nil || hub.Values() != 0 {
			t.Errorf("Refresh, gone: %v, %d values are left", err, hub.Values())
		}
		s.err, s.says = nil, "unfinished: c"
		if _, _, err := p.get(k1, cache.Call{Mode: cache.Refresh}, s); err != nil {
			t.Error(err)
		}
		p.want(s, "unfinished: c", cache.TierNear)
		if s.asked != 4 {
			t.Errorf("asked %d times, want 4", s.asked)
		}
	})
}

func TestWhatIsNotKeptRefutesWhatWas(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var hub *cachetest.Hub
			if far {
				hub = cachetest.NewHub()
			}
			p := newProcess(t, hub)
			p.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
			synctest.Wait()
			if n, _, err := p.get(k1, cache.Call{Mode: cache.Refresh}, &service{says: "forbidden: b"}); err != nil || n.Text != "forbidden: b" {
				t.Errorf("%+v, %v", n, err)
			}
			if n, from, err := p.get(k1, cache.Call{Mode: cache.Only}, nil); !errors.Is(err, cache.ErrMiss) {
				t.Errorf("far %v: %+v, %+v, %v", far, n, from, err)
			}
		})
	}
}

func TestNoCacheJustLoads(t *testing.T) {
	t.Parallel()
	s := &service{says: "durable: a"}
	for range 2 {
		n, from, err := cache.Get(t.Context(), nil, k1, notes, cache.Call{}, s.load)
		if err != nil || n.Text != s.says || from != (cache.Origin{}) {
			t.Errorf("%+v, %+v, %v", n, from, err)
		}
	}
	if _, _, err := cache.Get(t.Context(), nil, k1, notes, cache.Call{Mode: cache.Only}, s.load); !errors.Is(err, cache.ErrMiss) || s.asked != 2 {
		t.Errorf("%v, asked %d times", err, s.asked)
	}
	var none *cache.Cache
	if err := errors.Join(none.Invalidate(t.Context(), "o"), none.Erase(t.Context(), "o"), none.Close()); err != nil || none.Stats() != (cache.Stats{}) {
		t.Error(err)
	}
}

func TestAllOptionsThatAreWrongAreReported(t *testing.T) {
	t.Parallel()
	_, err := cache.New(nil, cache.WithKeep(cache.Keep{Durable: -1, Mutable: -1}), cache.WithGuard(cache.Guard{Failures: -1, Probe: time.Hour, ProbeMax: time.Minute}))
	if !errors.Is(err, cache.ErrConfig) {
		t.Fatal(err)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 5 {
		t.Errorf("want 5 problems: %v", err)
	}
}
