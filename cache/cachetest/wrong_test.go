package cachetest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// mistakeVariable has this test binary, run again, judge a backend with a mistake.
const mistakeVariable = "CACHETEST_MISTAKE"

// mistakes are what people who write a backend get wrong, and the rule that finds it.
var mistakes = map[string]struct {
	rule string
	open func(h *cachetest.Hub) cache.Far
}{
	"values go too early": {"a value goes after its time", func(h *cachetest.Hub) cache.Far { return hasty{h.Link()} }},
	"values stay":         {"a value goes after its time", func(h *cachetest.Hub) cache.Far { return lasting{h.Link()} }},
	"names are cut short": {"a value is found under its own key alone", func(h *cachetest.Hub) cache.Far { return short{h.Link()} }},
	"bytes are used again": {"nothing is shared with the caller", func(h *cachetest.Hub) cache.Far {
		return &thrifty{Far: h.Link()}
	}},
	"a bump gets lost": {"caches on it never keep what was loaded before an invalidation", func(h *cachetest.Hub) cache.Far {
		return forgetful{h.Link(), new(atomic.Int64)}
	}},
	"marks are checked first, then it stores": {"a load begun before a bump is never stored after it", func(h *cachetest.Hub) cache.Far {
		return gullible{h.Link(), h}
	}},
	"marks are counted": {"marks are drawn, not counted", func(h *cachetest.Hub) cache.Far { return counting{h.Link(), h} }},
}

type hasty struct{ cache.Far }

func (b hasty) Fill(ctx context.Context, f cache.Fill) (bool, error) {
	f.TTL /= 1000 // milliseconds for seconds
	return b.Far.Fill(ctx, f)
}

type lasting struct{ cache.Far }

func (b lasting) Fill(ctx context.Context, f cache.Fill) (bool, error) {
	f.TTL = time.Hour
	return b.Far.Fill(ctx, f)
}

type short struct{ cache.Far }

func (b short) cut(k cache.Key) cache.Key {
	k.ID = k.ID[:min(4, len(k.ID))]
	return k
}

func (b short) Get(ctx context.Context, k cache.Key) (string, cache.Marks, error) {
	return b.Far.Get(ctx, b.cut(k))
}

func (b short) Fill(ctx context.Context, f cache.Fill) (bool, error) {
	f.Key = b.cut(f.Key)
	return b.Far.Fill(ctx, f)
}

type thrifty struct {
	cache.Far

	buffer [2 << 20]byte
}

func (b *thrifty) Get(ctx context.Context, k cache.Key) (string, cache.Marks, error) {
	value, marks, err := b.Far.Get(ctx, k)
	return unsafe.String(&b.buffer[0], copy(b.buffer[:], value)), marks, err
}

type forgetful struct {
	cache.Far

	bumps *atomic.Int64
}

func (b forgetful) Bump(ctx context.Context, o cache.Owner, s cache.Scope) error {
	if b.bumps.Add(1)%10 == 0 {
		return nil
	}
	return b.Far.Bump(ctx, o, s)
}

// gullible stores in a second round trip, during which another process deletes.
type gullible struct {
	cache.Far

	hub *cachetest.Hub
}

var deleted, planted = make(chan struct{}), make(chan struct{})

func (b gullible) Fill(ctx context.Context, f cache.Fill) (bool, error) {
	_, marks, err := b.Get(ctx, f.Key)
	if err != nil || marks != f.Marks {
		return false, err
	}
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-deleted:
		defer func() { planted <- struct{}{} }()
	case <-timer.C:
	}
	b.hub.Plant(f.Key, f.Value)
	return true, nil
}

func (b gullible) Delete(ctx context.Context, k cache.Key) error {
	err := b.Far.Delete(ctx, k)
	select {
	case deleted <- struct{}{}:
		<-planted
	default:
	}
	return err
}

type counting struct {
	cache.Far

	hub *cachetest.Hub
}

var count atomic.Int64

func (b counting) Bump(_ context.Context, o cache.Owner, _ cache.Scope) error {
	b.hub.Mark(o, cache.Marks{Generation: fmt.Sprintf("%020d", count.Add(1)), Epoch: fmt.Sprintf("%020d", count.Add(1))})
	return nil
}

// TestMistakesOfBackendsAreFound judges one mistake where it is told to, else has each judged
// by a process of its own.
func TestMistakesOfBackendsAreFound(t *testing.T) {
	t.Parallel()
	if name := os.Getenv(mistakeVariable); name != "" {
		t.Run(name, func(t *testing.T) {
			cachetest.RunFar(t, func(_ *testing.T, processes int) (all []cache.Far) {
				hub := cachetest.NewHub()
				for range processes {
					all = append(all, mistakes[name].open(hub))
				}
				return all
			})
		})
		return
	}
	for name, mistake := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMistakesOfBackendsAreFound$", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), mistakeVariable+"="+name)
			said, err := cmd.CombinedOutput()
			found := strings.Contains(string(said), "--- FAIL: TestMistakesOfBackendsAreFound/"+strings.ReplaceAll(name+"/"+mistake.rule, " ", "_")+" ")
			if err == nil || !found {
				t.Errorf("it is not found by %q: %v\n%s", mistake.rule, err, said)
			}
		})
	}
}
