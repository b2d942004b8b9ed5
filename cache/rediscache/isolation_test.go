//go:build unix

package rediscache_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// TestNobodyEverSeesAnothersValue has two tenants, many users and several timezones share
// one Redis, in which values and marks are copied from key to key at random.
func TestNobodyEverSeesAnothersValue(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	for name, o := range sealing(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Prefix = name
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 1))
			ps := []*process{newProcess(t, calm(s.Addr), patient(), o), newProcess(t, calm(s.Addr), patient(), o)}
			var all []cache.Key
			for _, apiKey := range []string{"sk-live-42", "sk-live-43"} {
				for u := range 12 {
					for _, zone := range []string{"", "Asia/Seoul", "America/New_York"} {
						for id := range 3 {
							all = append(all, cache.Key{
								Tenant: cache.TenantOf(apiKey, "https://api.asleep.ai"),
								User:   fmt.Sprint("user-", u), Zone: zone, ID: fmt.Sprint("2026030313000", id),
							})
						}
					}
				}
			}
			hits := 0
			for range 2500 {
				k, p := all[r.IntN(len(all))], ps[r.IntN(2)]
				switch r.IntN(12) {
				case 0, 1:
					copyAny(t, look, name, r)
				case 2:
					_ = p.Invalidate(t.Context(), k.Owner())
				case 3:
					_ = p.Erase(t.Context(), k.Owner())
				default:
					class := []string{"durable", "mutable"}[r.IntN(2)]
					got, from, _ := p.ask(k, fmt.Sprintf("%s: of %+v", class, k))
					if _, of, ok := strings.Cut(got, ": of "); !ok || of != fmt.Sprintf("%+v", k) {
						t.Fatalf("%+v sees %q", k, got)
					}
					if from.Tier == cache.TierFar {
						hits++
					}
				}
			}
			n := ps[0].Stats()
			if hits == 0 || n.FarForeign == 0 || n.FarErrors > 0 {
				t.Errorf("too little happened, or too much: %d hits, %+v", hits, n)
			}
		})
	}
}

// copyAny copies what stands under one key to another of the same sort.
func copyAny(t *testing.T, look *redis.Client, prefix string, r *rand.Rand) {
	t.Helper()
	var marks, values []string
	for _, key := range keys(t, look) {
		switch {
		case !strings.HasPrefix(key, prefix+":"), strings.Contains(key, ":l:"):
		case strings.HasSuffix(key, ":m"):
			marks = append(marks, key)
		default:
			values = append(values, key)
		}
	}
	for _, of := range [][]string{marks, values} {
		if len(of) > 1 {
			look.Copy(t.Context(), of[r.IntN(len(of))], of[r.IntN(len(of))], 0, true)
		}
	}
}

func TestAValueCopiedToAnotherKeyIsAMiss(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	for name, o := range sealing(t) {
		o.Prefix = name
		p := newProcess(t, calm(s.Addr), patient(), o)
		mine, yours := k1, k1
		yours.User = "user-0002"
		p.shared(mine, "durable: mine")
		p.shared(yours, "durable: yours")
		var marks, values []string
		for _, key := range keys(t, look) {
			if !strings.HasPrefix(key, name) {
				continue
			}
			if strings.HasSuffix(key, ":m") {
				marks = append(marks, key)
			} else {
				values = append(values, key)
			}
		}
		if len(marks) != 2 || len(values) != 2 {
			t.Fatalf("%q, %q", marks, values)
		}
		before := p.Stats().FarForeign
		look.Copy(t.Context(), marks[0], marks[1], 0, true) // so that only the key speaks against it
		look.Copy(t.Context(), values[0], values[1], 0, true)
		p.near.Flush(cache.Everything)
		foreign := 0
		for k, text := range map[cache.Key]string{mine: "durable: mine", yours: "durable: yours"} {
			got, from, _ := p.ask(k, text)
			if got != text {
				t.Errorf("%s: %q instead of %q", name, got, text)
			}
			if from.Tier == cache.TierNone {
				foreign++
			}
		}
		if n := p.Stats().FarForeign - before; n != 1 || foreign == 0 {
			t.Errorf("%s: %d values were found foreign", name, n)
		}
	}
}

func TestKeysOfRedisTellNobody(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	p := newProcess(t, calm(s.Addr), patient(), rediscache.Options{Prefix: "house", Sealer: ring(t, 1)})
	p.shared(k1, "durable: a night of user-0001")
	_ = p.Invalidate(t.Context(), k1.Owner())
	if _, err := p.tier.Lease(t.Context(), stored(k1), time.Minute); err != nil {
		t.Fatal(err)
	}
	all := keys(t, look)
	if len(all) != 3 {
		t.Errorf("%d keys: %q", len(all), all)
	}
	for _, key := range all {
		value := look.Get(t.Context(), key).Val()
		for _, secret := range []string{k1.User, k1.ID, "sk-live", "night"} {
			if strings.Contains(key+value, secret) {
				t.Errorf("%q is told by %q: %q", secret, key, value)
			}
		}
		if !strings.HasPrefix(key, "house:{") {
			t.Errorf("%q is not under the prefix", key)
		}
	}
}

func TestMarksOutliveTheirValues(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	p := newProcess(t, calm(s.Addr), patient(), rediscache.Options{})
	k2 := k1
	k2.ID = "2"
	for _, check := range []func(){
		func() { p.shared(k1, "durable: long") },
		func() { p.shared(k2, "mutable: short") },
		func() { _ = p.Invalidate(t.Context(), k1.Owner()) },
	} {
		check()
		var marks, longest time.Duration
		for _, key := range keys(t, look) {
			if ttl := look.PTTL(t.Context(), key).Val(); strings.HasSuffix(key, ":m") {
				marks = ttl
			} else {
				longest = max(longest, ttl)
			}
		}
		if longest < 29*24*time.Hour || marks <= longest {
			t.Errorf("marks live for %v, values for %v", marks, longest)
		}
	}
	p.near.Flush(cache.Everything)
	p.want(k1, "durable: long", cache.TierFar) // invalidating takes back what changes
}
