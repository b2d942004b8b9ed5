package cachetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

// RunNear judges a near tier. open returns an empty one that has room for a
// megabyte at least; the suite does not close it.
func RunNear(t *testing.T, open func(t *testing.T) cache.Near) {
	t.Helper()
	for _, r := range []struct {
		name  string
		check func(t *testing.T, n cache.Near)
	}{
		{"an entry is found under its own key alone", nearFinds},
		{"the last entry set is the one found", nearReplaces},
		{"a dropped entry is gone and no other is", nearDrops},
		{"an owner's changing entries go without the durable ones", nearDropsChanging},
		{"all entries of an owner go, and nobody else's", nearDropsOwner},
		{"flushing keeps to its scope", nearFlushes},
		{"an entry set before a drop is never found after it", nearRaces},
		{"it keeps to its bound", nearBounded},
		{"what is too large is not kept, nor what stood in its place", nearTooLarge},
	} {
		t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
	}
}

// key is a key of a user, numbered.
func key(user string, n int) cache.Key {
	return cache.Key{Tenant: "t", User: user, Kind: "k", ID: fmt.Sprint("id", n), Zone: cache.UTC, Schema: 1}
}

func entry(k cache.Key, class cache.Class, value any) *cache.Entry {
	now := time.Now()
	return &cache.Entry{
		Key: k, Owner: k.Owner(), Class: class, Value: value, Size: 100,
		Told: now, Fresh: now.Add(time.Hour), Until: now.Add(time.Hour),
	}
}

func wantEntry(t *testing.T, n cache.Near, k cache.Key, value any) {
	t.Helper()
	if e := n.Get(k); e == nil || e.Value != value || e.Key != k {
		t.Errorf("Get(%v) = %+v, want the value %v", k, e, value)
	}
}

func wantNone(t *testing.T, n cache.Near, k cache.Key) {
	t.Helper()
	if e := n.Get(k); e != nil {
		t.Errorf("Get(%v) = %+v, want nothing", k, e)
	}
}

func nearFinds(t *testing.T, n cache.Near) {
	k := key("u", 1)
	wantNone(t, n, k)
	e := entry(k, cache.Durable, "v")
	n.Set(e)
	wantEntry(t, n, k, "v")
	if got := n.Get(k); got == nil || *got != *e {
		t.Errorf("%+v came back as %+v", e, got)
	}
	for _, other := range neighbours(k) {
		wantNone(t, n, other)
	}
}

// neighbours are keys that differ from k in one member each, or that join to the
// same text.
func neighbours(k cache.Key) []cache.Key {
	var all []cache.Key
	for _, change := range []func(*cache.Key){
		func(k *cache.Key) { k.Tenant += "x" },
		func(k *cache.Key) { k.User += "x" },
		func(k *cache.Key) { k.Kind += "x" },
		func(k *cache.Key) { k.ID += "x" },
		func(k *cache.Key) { k.Zone = "Asia/Seoul" },
		func(k *cache.Key) { k.Schema++ },
		func(k *cache.Key) { k.User, k.Kind = k.User+k.Kind, "" },
		func(k *cache.Key) { k.Kind, k.ID = "", k.Kind+k.ID },
		func(k *cache.Key) { k.User, k.ID = k.ID, k.User },
		func(k *cache.Key) { k.User = "" },
	} {
		other := k
		change(&other)
		all = append(all, other)
	}
	return all
}

func nearReplaces(t *testing.T, n cache.Near) {
	k := key("u", 1)
	for i := range 3 {
		n.Set(entry(k, cache.Durable, i))
		wantEntry(t, n, k, i)
	}
	n.Set(entry(k, cache.Absent, nil)) // another class counts too
	n.DropOwner(k.Owner(), cache.Changing)
	wantNone(t, n, k)
}

func nearDrops(t *testing.T, n cache.Near) {
	n.Set(entry(key("u", 1), cache.Durable, 1))
	n.Set(entry(key("u", 2), cache.Mutable, 2))
	n.Drop(key("u", 1))
	n.Drop(key("u", 3)) // was never there
	wantNone(t, n, key("u", 1))
	wantEntry(t, n, key("u", 2), 2)
}

var classes = []cache.Class{cache.Durable, cache.Mutable, cache.Unfinished, cache.Absent}

// eachClass sets an entry of every class for a user.
func eachClass(n cache.Near, user string) {
	for i, class := range classes {
		n.Set(entry(key(user, i), class, i))
	}
}

func nearDropsChanging(t *testing.T, n cache.Near) {
	eachClass(n, "u")
	eachClass(n, "v")
	n.DropOwner(key("u", 0).Owner(), cache.Changing)
	wantEntry(t, n, key("u", 0), 0)
	for i := range classes {
		if i > 0 {
			wantNone(t, n, key("u", i))
		}
		wantEntry(t, n, key("v", i), i)
	}
}

func nearDropsOwner(t *testing.T, n cache.Near) {
	for round := range 2 { // a dropped owner begins anew
		eachClass(n, "u")
		eachClass(n, "v")
		n.DropOwner(key("u", 0).Owner(), cache.Everything)
		for i := range classes {
			wantNone(t, n, key("u", i))
			wantEntry(t, n, key("v", i), i)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func nearFlushes(t *testing.T, n cache.Near) {
	eachClass(n, "u")
	n.Flush(cache.Changing)
	wantEntry(t, n, key("u", 0), 0)
	wantNone(t, n, key("u", 1))
	n.Flush(cache.Everything)
	wantNone(t, n, key("u", 0))
}

// nearRaces drops while others set: each setter then looks for what was set before
// the last drop that it knows of.
func nearRaces(t *testing.T, n cache.Near) {
	owner := key("u", 0).Owner()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			k := key("u", w)
			for i := range 500 {
				n.Set(entry(k, cache.Durable, i))
				n.DropOwner(owner, cache.Everything)
				if e := n.Get(k); e != nil {
					t.Errorf("round %d: %+v is there after the drop", i, e)
					return
				}
			}
		})
	}
	wg.Wait()
}

func nearBounded(t *testing.T, n cache.Near) {
	limit := n.Stats().MaxBytes
	if limit <= 0 {
		t.Skip("it names no bound")
	}
	size := int(limit / 64)
	for i := range 512 {
		k := key(fmt.Sprint("u", i%16), i)
		e := entry(k, cache.Durable, i)
		e.Size = size
		n.Set(e)
	}
	eventually(t, func() error {
		if s := n.Stats(); s.Bytes > limit || s.Entries > 64 {
			return fmt.Errorf("%d entries, %d bytes; want at most 64, %d", s.Entries, s.Bytes, limit)
		}
		return nil
	})
	if s := n.Stats(); s.Evicted == 0 || s.Entries == 0 {
		t.Errorf("%+v: some should have been evicted, and some not", s)
	}
}

func nearTooLarge(t *testing.T, n cache.Near) {
	limit := n.Stats().MaxBytes
	if limit <= 0 {
		t.Skip("it names no bound")
	}
	k := key("u", 1)
	n.Set(entry(k, cache.Durable, "small"))
	e := entry(k, cache.Durable, "large")
	e.Size = int(limit) + 1
	n.Set(e)
	eventually(t, func() error {
		if e := n.Get(k); e != nil {
			return fmt.Errorf("Get = %v", e.Value)
		}
		return nil
	})
}

// eventually asks until the answer is nil, for 5 seconds.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-tick.C
	}
}
