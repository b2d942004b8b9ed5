package cachetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

// OpenFar returns the handles of that many processes on one backend, empty. The
// suite does not close them.
type OpenFar func(t *testing.T, processes int) []cache.Far

// RunFar judges a far tier, and what it is besides.
func RunFar(t *testing.T, open OpenFar) {
	t.Helper()
	run := func(name string, processes int, check func(f *farFixture)) {
		t.Run(name, func(t *testing.T) {
			f := &farFixture{T: t, far: open(t, processes)}
			for _, far := range f.far {
				if leaser, ok := far.(cache.Leaser); ok {
					f.leasers = append(f.leasers, leaser)
				}
				if bus, ok := far.(cache.Bus); ok {
					f.buses = append(f.buses, bus)
				}
			}
			check(f)
		})
	}
	run("marks are there, random, and stay", 2, farMarks)
	run("marks are drawn, not counted", 1, farDraws)
	run("a bump draws new marks of its scope", 2, farBumps)
	run("a value comes back as it was, in every process", 2, farKeeps)
	run("a value is found under its own key alone", 1, farSeparates)
	run("nothing is shared with the caller", 1, farCopies)
	run("a value goes after its time", 1, farExpires)
	run("a deleted value is gone", 2, farDeletes)
	run("a fill with other marks stores nothing", 2, farFences)
	run("a load begun before a bump is never stored after it", 4, farRaces)
	run("an ended context ends every operation with an error", 1, farContexts)
	runLeases(run)
	runBus(run)
	run("caches on it never keep what was loaded before an invalidation", 2, cachesRace)
	run("caches on it load a missing key once", 8, cachesLease)
}

// patience is for what should be at once, on a loaded machine.
const patience = 10 * time.Second

// farFixture is the backend of one rule.
type farFixture struct {
	*testing.T
	far     []cache.Far // one a process
	leasers []cache.Leaser
	buses   []cache.Bus
}

func (f *farFixture) get(process int, k cache.Key) (string, cache.Marks) {
	f.Helper()
	value, marks, err := f.far[process].Get(f.Context(), k)
	if err != nil {
		f.Fatalf("Get: %v", err)
	}
	return value, marks
}

// fill stores a value with the marks in force.
func (f *farFixture) fill(process int, k cache.Key, value string) {
	f.Helper()
	_, marks := f.get(process, k)
	f.wantFill(process, cache.Fill{Key: k, Value: []byte(value), TTL: time.Minute, Marks: marks}, true)
}

func (f *farFixture) wantFill(process int, fill cache.Fill, want bool) {
	f.Helper()
	if stored, err := f.far[process].Fill(f.Context(), fill); err != nil || stored != want {
		f.Errorf("Fill = %v, %v; want %v", stored, err, want)
	}
}

func (f *farFixture) bump(process int, owner cache.Owner, scope cache.Scope) {
	f.Helper()
	if err := f.far[process].Bump(f.Context(), owner, scope); err != nil {
		f.Fatalf("Bump: %v", err)
	}
}

func (f *farFixture) wantValue(process int, k cache.Key, want string) {
	f.Helper()
	if value, _ := f.get(process, k); value != want {
		f.Errorf("process %d: %.60q, want %.60q", process, value, want)
	}
}

func (f *farFixture) wantGone(process int, k cache.Key) {
	f.Helper()
	if value, _ := f.get(process, k); value != "" {
		f.Errorf("process %d: %.60q is still there", process, value)
	}
}

func farMarks(f *farFixture) {
	seen := map[string]bool{}
	for i := range 20 {
		k := key(fmt.Sprint("u", i), 1)
		_, m := f.get(0, k)
		if m.Generation == "" || m.Epoch == "" || seen[m.Generation] || seen[m.Epoch] || m.Generation == m.Epoch {
			f.Errorf("marks %+v: want two that no other owner has", m)
		}
		seen[m.Generation], seen[m.Epoch] = true, true
		if _, again := f.get(1, key(k.User, 2)); again != m {
			f.Errorf("another process, another key of the owner: %+v, want %+v", again, m)
		}
	}
}

// farDraws: a backend that counts begins anew when it has lost its count, and then shows
// what was taken back.
func farDraws(f *farFixture) {
	k := key("u", 1)
	var drawn []string
	for range 20 {
		f.bump(0, k.Owner(), cache.Everything)
		_, m := f.get(0, k)
		for _, mark := range []string{m.Generation, m.Epoch} {
			if len(mark) < 16 {
				f.Fatalf("the mark %q has %d bytes; want 128 random bits, which take 16", mark, len(mark))
			}
		}
		drawn = append(drawn, m.Generation)
	}
	if up := slices.IsSorted(drawn); up || slices.IsSortedFunc(drawn, func(a, b string) int { return strings.Compare(b, a) }) {
		f.Errorf("marks are in order: %q, %q, %q …; want them random", drawn[0], drawn[1], drawn[2])
	}
}

func farBumps(f *farFixture) {
	k := key("u", 1)
	f.bump(0, k.Owner(), cache.Changing) // before there are any
	_, first := f.get(0, k)
	_, other := f.get(0, key("v", 1))
	f.bump(1, k.Owner(), cache.Changing)
	_, second := f.get(0, k)
	if second.Generation == first.Generation || second.Epoch != first.Epoch {
		f.Errorf("changing: %+v became %+v", first, second)
	}
	f.bump(0, k.Owner(), cache.Everything)
	_, third := f.get(1, k)
	if third.Generation == second.Generation || third.Epoch == second.Epoch {
		f.Errorf("everything: %+v became %+v", second, third)
	}
	if _, still := f.get(1, key("v", 1)); still != other {
		f.Errorf("another owner's %+v became %+v", other, still)
	}
}

func farKeeps(f *farFixture) {
	for i, value := range []string{
		"x", "\x00\xff\r\n*3\r\n$", strings.Repeat("a night ", 2000), strings.Repeat("z", 1<<20),
	} {
		k := key("u", i)
		f.wantGone(0, k)
		f.fill(0, k, value)
		f.wantValue(0, k, value)
		f.wantValue(1, k, value)
		f.fill(1, k, "another")
		f.wantValue(0, k, "another")
	}
}

func farSeparates(f *farFixture) {
	keys := append(neighbours(key("u", 1)), key("u", 1), key("사용자 \n{x}:*", 1))
	for i := range 400 { // names cut short meet
		keys = append(keys, key("many", i))
	}
	for i, k := range keys {
		f.fill(0, k, fmt.Sprint("value ", i))
	}
	for i, k := range keys {
		f.wantValue(0, k, fmt.Sprint("value ", i))
	}
}

func farCopies(f *farFixture) {
	k := key("u", 1)
	_, marks := f.get(0, k)
	given := []byte("value")
	f.wantFill(0, cache.Fill{Key: k, Value: given, TTL: time.Minute, Marks: marks}, true)
	clear(given)
	f.wantValue(0, k, "value") // not the caller's bytes
	f.fill(0, key("u", 2), "other")
	first, _ := f.get(0, k)
	second, _ := f.get(0, key("u", 2))
	f.fill(0, k, "later")
	f.wantValue(0, k, "later")
	if first != "value" || second != "other" { // not bytes that the backend uses again
		f.Errorf("what Get returned has become %q and %q", first, second)
	}
}

func farExpires(f *farFixture) {
	k := key("u", 1)
	_, marks := f.get(0, k)
	f.fill(0, key("u", 2), "w") // for a minute
	f.wantFill(0, cache.Fill{Key: k, Value: []byte("v"), TTL: 200 * time.Millisecond, Marks: marks}, true)
	begun := time.Now()
	eventually(f.T, func() error {
		if value, _ := f.get(0, k); value != "" || time.Since(begun) < 100*time.Millisecond {
			return fmt.Errorf("%q is there long after its time", value)
		}
		return nil
	})
	f.wantValue(0, key("u", 2), "w")
}

func farDeletes(f *farFixture) {
	k := key("u", 1)
	f.fill(0, k, "v")
	f.fill(0, key("u", 2), "w")
	for range 2 { // the second time there is nothing
		if err := f.far[1].Delete(f.Context(), k); err != nil {
			f.Errorf("Delete: %v", err)
		}
	}
	f.wantGone(0, k)
	f.wantValue(0, key("u", 2), "w")
}

func farFences(f *farFixture) {
	k := key("u", 1)
	for _, scope := range []cache.Scope{cache.Changing, cache.Everything} {
		_, before := f.get(0, k)
		f.bump(1, k.Owner(), scope)
		f.wantFill(0, cache.Fill{Key: k, Value: []byte("old"), TTL: time.Minute, Marks: before}, false)
		f.wantGone(0, k)
		_, now := f.get(0, k)
		mixed := cache.Marks{Generation: now.Generation, Epoch: before.Generation}
		f.wantFill(0, cache.Fill{Key: k, Value: []byte("mixed"), TTL: time.Minute, Marks: mixed}, false)
	}
	never := key("never seen", 1)
	f.wantFill(0, cache.Fill{Key: never, Value: []byte("v"), TTL: time.Minute, Marks: cache.Marks{Generation: "a", Epoch: "b"}}, false)
	f.wantFill(0, cache.Fill{Key: never, Value: []byte("v"), TTL: time.Minute}, false)
	f.wantGone(1, never)
}

// farRaces: some load a counter and store it, one raises it and then bumps. What is
// stored after a bump has the marks in force, and is never less than it was at the bump.
func farRaces(f *farFixture) {
	k := key("u", 1)
	var truth, fills atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for p := 1; p < len(f.far); p++ {
		wg.Go(func() {
			for f.Context().Err() == nil {
				select {
				case <-done:
					return
				default:
				}
				_, marks, err := f.far[p].Get(f.Context(), k)
				if err != nil {
					f.Errorf("Get: %v", err)
					return
				}
				value := fmt.Sprint(truth.Load(), " ", marks.Generation)
				if _, err := f.far[p].Fill(f.Context(), cache.Fill{Key: k, Value: []byte(value), TTL: time.Minute, Marks: marks}); err != nil {
					f.Errorf("Fill: %v", err)
					return
				}
				fills.Add(1)
			}
		})
	}
	begun := time.Now()
	for i := 0; (i < 300 || fills.Load() < 300) && time.Since(begun) < patience; i++ {
		least := truth.Add(1)
		f.bump(0, k.Owner(), cache.Changing)
		if err := f.far[0].Delete(f.Context(), k); err != nil {
			f.Errorf("Delete: %v", err)
		}
		if farOutdated(f, k, least); f.Failed() {
			break
		}
	}
	close(done)
	wg.Wait()
}

// farOutdated looks, some times, whether what is stored by now is from before the bump.
func farOutdated(f *farFixture, k cache.Key, least int64) {
	f.Helper()
	for range 5 {
		value, marks := f.get(0, k)
		var stored int64
		var generation string
		if _, err := fmt.Sscan(value, &stored, &generation); err != nil {
			continue
		}
		if generation != marks.Generation { // what had been there was deleted
			f.Errorf("a value of older marks is stored after the bump at %d: are the marks checked in one step with storing?", least)
		} else if stored < least {
			f.Errorf("%d is stored after the bump at %d", stored, least)
		}
	}
}

func farContexts(f *farFixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	far, k := f.far[0], key("u", 1)
	_, _, get := far.Get(ctx, k)
	_, fill := far.Fill(ctx, cache.Fill{Key: k, Value: []byte("v"), TTL: time.Minute})
	for name, err := range map[string]error{
		"Get": get, "Fill": fill, "Delete": far.Delete(ctx, k),
		"Bump": far.Bump(ctx, k.Owner(), cache.Changing), "Ping": far.Ping(ctx),
	} {
		if err == nil {
			f.Errorf("%s made it", name)
		}
	}
	if err := far.Ping(f.Context()); err != nil {
		f.Errorf("Ping: %v", err)
	}
}
