package cache_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// page is a journal in memory.
type page struct {
	mu   sync.Mutex
	owed []cache.Owner
	full error
}

func (p *page) Pending() []cache.Owner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.owed)
}

func (p *page) Add(owner cache.Owner) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full == nil {
		p.owed = append(p.owed, owner)
	}
	return p.full
}

func (p *page) Remove(owner cache.Owner) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = slices.DeleteFunc(p.owed, func(o cache.Owner) bool { return o == owner })
	return nil
}

var errDown = errors.New("down")

func TestErasuresThatTheTierMissedAreInTheJournalUntilItKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, diary := cachetest.NewHub(), new(page)
		p := newProcess(t, hub, cache.WithJournal(diary))
		p.want(&service{says: "durable: a"}, "durable: a", cache.TierNone)
		synctest.Wait()
		if err := p.Erase(t.Context(), "whom the tier hears of"); err != nil || len(diary.Pending()) != 0 {
			t.Errorf("%v, in the journal: %v", err, diary.Pending())
		}
		p.link.Break(cachetest.Faults{Err: errDown})
		if err := p.Invalidate(t.Context(), "changing"); !errors.Is(err, cache.ErrDeferred) || len(diary.Pending()) != 0 {
			t.Errorf("%v, in the journal: %v", err, diary.Pending())
		}
		if err := p.Erase(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) || !slices.Equal(diary.Pending(), []cache.Owner{k1.Owner()}) {
			t.Errorf("%v, in the journal: %v", err, diary.Pending())
		}
		if n := p.Stats(); n.Journaled != 1 {
			t.Errorf("%+v", n)
		}
		if err := p.Close(); !errors.Is(err, cache.ErrDeferred) {
			t.Errorf("Close: %v", err)
		}

		next := newProcess(t, hub, cache.WithJournal(diary)) // of which the tier heard nothing yet
		next.want(&service{says: "durable: b"}, "durable: b", cache.TierNone)
		time.Sleep(time.Second)
		if n := next.Stats(); n.FarShut || n.Deferred != 0 || n.Journaled != 0 {
			t.Errorf("then %+v", n)
		}
		next.near.Flush(cache.Everything)
		next.want(&service{says: "durable: c"}, "durable: c", cache.TierNone)

		diary.full = errors.New("no space left")
		next.link.Break(cachetest.Faults{Err: errDown})
		if err := next.Erase(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) || !errors.Is(err, diary.full) || !strings.Contains(err.Error(), "journal") {
			t.Errorf("a journal that is full: %v", err)
		}
	})
	if _, err := cache.New(new(cachetest.Map), cache.WithJournal(new(page))); !errors.Is(err, cache.ErrConfig) {
		t.Errorf("a journal for nobody: %v", err)
	}
}

func TestCloseTriesOnceMoreToTell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		p.link.Break(cachetest.Faults{Err: errDown})
		_ = p.Erase(t.Context(), k1.Owner())
		p.link.Break(cachetest.Faults{})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The tier comes back with what it had some time ago.
func TestATierThatComesBackIsToldAgainWhatItWasToldLately(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lasts time.Duration // between the invalidation and the trouble
		cut   bool          // the bus alone tells of it
		shown bool          // what was taken back long ago is believed to be known
		fails int           // operations, if it is not cut
	}{
		"at once":              {0, false, false, 3},
		"in time":              {29 * time.Second, false, false, 3},
		"by one failure":       {time.Second, false, false, 1},
		"by the bus alone":     {time.Second, true, false, 0},
		"long ago":             {31 * time.Second, false, true, 3},
		"by the bus, long ago": {31 * time.Second, true, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hub := cachetest.NewHub()
				teller, other := newProcess(t, hub), newProcess(t, hub)
				other.want(&service{says: "mutable: old"}, "mutable: old", cache.TierNone)
				synctest.Wait()
				_, marks, err := other.link.Get(t.Context(), keyed(k1))
				if err != nil {
					t.Fatal(err)
				}
				if err := teller.Invalidate(t.Context(), k1.Owner()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.lasts)
				if c.cut {
					hub.Mark(k1.Owner(), marks) // the failover
					other.link.Cut()
					synctest.Wait()
				} else {
					other.link.Break(cachetest.Faults{Err: errDown})
					for i := range c.fails {
						k := k1
						k.ID = string(rune('a' + i))
						_, _, _ = other.get(k, cache.Call{}, &service{says: "mutable: x"})
					}
					hub.Mark(k1.Owner(), marks) // the failover
					other.link.Break(cachetest.Faults{})
					if c.fails > 1 { // else it is told at once
						time.Sleep(10 * time.Second)
					}
					synctest.Wait()
				}
				n, from, err := other.get(k1, cache.Call{}, &service{says: "mutable: new"})
				if err != nil || (n.Text == "mutable: old") != c.shown {
					t.Errorf("%+v from %+v, %v", n, from, err)
				}
			})
		})
	}
}

// keyed is a key as backends are given it.
func keyed(k cache.Key) cache.Key {
	k.Kind, k.Schema = notes.Name, notes.Schema
	return k
}
