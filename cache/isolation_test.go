package cache_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

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
		for _, keep := range []cache.Keep{{Durable: time.Hour, Backstop: time.Minute}, {Durable: time.Hour}} {
			p := newProcess(t, hub, cache.WithKeep(keep))
			_, from, err := p.get(k1, cache.Call{Mode: cache.Only}, nil)
			if err != nil || from.Age != 0 {
				t.Errorf("%+v, %v", from, err)
			}
			if e := p.near.Get(cache.Key{Tenant: k.Tenant, User: k.User, ID: k.ID, Kind: k.Kind, Schema: k.Schema, Zone: cache.UTC}); e == nil || time.Until(e.Fresh) != min(keep.Durable, cmp.Or(keep.Backstop, keep.Durable)) {
				t.Errorf("kept near as %+v", e)
			}
		}
	})
}

func TestAValueThatIsJudgedOtherwiseByNowIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := stocked(t) // as durable
		changing := *notes
		changing.Class = func(cache.Key, *note) cache.Class { return cache.Mutable }
		s := &service{says: "mutable: b"}
		n, from, err := cache.Get(t.Context(), p.Cache, k1, &changing, cache.Call{}, s.load)
		if err != nil || n.Text != s.says || from.Tier != cache.TierNone || p.Stats().FarForeign != 1 {
			t.Errorf("%+v, %+v, %v", n, from, err)
		}
	})
}
