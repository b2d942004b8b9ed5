package cache_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

func TestAThousandCallersAndOneWhoLeavesMakeOneLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newProcess(t, nil), &service{says: "durable: a", takes: time.Second}
		begun := time.Now()
		leaving := errors.New("had enough")
		leader, leave := context.WithCancelCause(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, _, err := cache.Get(leader, p.Cache, k1, notes, cache.Call{}, s.load)
			gone <- err
		}()
		synctest.Wait()
		var wg sync.WaitGroup
		var shared atomic.Int64
		for range 999 {
			wg.Go(func() {
				n, from, err := p.get(k1, cache.Call{}, s)
				if err != nil || n.Text != s.says || time.Since(begun) != time.Second {
					t.Errorf("%+v, %v after %v", n, err, time.Since(begun))
				}
				if from.Shared {
					shared.Add(1)
				}
			})
		}
		time.Sleep(time.Second / 2)
		leave(leaving)
		if err := <-gone; err != leaving || time.Since(begun) != time.Second/2 { //nolint:errorlint // that very one
			t.Errorf("the leader left with %v after %v", err, time.Since(begun))
		}
		wg.Wait()
		if s.asked != 1 || shared.Load() != 999 {
			t.Errorf("asked %d times, %d shared", s.asked, shared.Load())
		}
	})
}

func TestAFollowerWhoLeavesIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newProcess(t, nil), &service{says: "durable: a", takes: time.Second}
		go func() { _, _, _ = p.get(k1, cache.Call{}, s) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, _, err := cache.Get(ctx, p.Cache, k1, notes, cache.Call{}, s.load)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestALoadHasTheValuesOfItsCallerAndATimeoutOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type tag struct{}
		cause := errors.New("the load took too long")
		p, s := newProcess(t, nil), &service{takes: time.Hour}
		ctx := context.WithValue(t.Context(), tag{}, "here")
		begun := time.Now()
		_, _, err := cache.Get(ctx, p.Cache, k1, notes, cache.Call{Timeout: time.Minute, Cause: cause}, func(ctx context.Context) (*note, string, error) {
			if ctx.Value(tag{}) != "here" {
				t.Error("the value is missing")
			}
			return s.load(ctx)
		})
		if err != cause || time.Since(begun) != time.Minute { //nolint:errorlint // that very one
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if _, _, err = p.get(k1, cache.Call{}, s); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Minute+cache.DefaultLoadTimeout {
			t.Errorf("by default: %v after %v", err, time.Since(begun))
		}
	})
}

func TestCallsOfAnotherMannerLoadForThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newProcess(t, nil), &service{says: "durable: a", takes: time.Second}
		var wg sync.WaitGroup
		for _, manner := range []string{"", "once", "", "once"} {
			wg.Go(func() { _, _, _ = p.get(k1, cache.Call{Manner: manner}, s) })
			synctest.Wait()
		}
		wg.Wait()
		if s.asked != 2 {
			t.Errorf("asked %d times, want 2", s.asked)
		}
	})
}

func TestAPanicReachesItsCallerAndHangsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		crash := errors.New("a bug")
		load := func(context.Context) (*note, string, error) {
			time.Sleep(time.Second)
			panic(crash)
		}
		panicked := make(chan any, 1)
		go func() {
			defer func() { panicked <- recover() }()
			_, _, _ = cache.Get(t.Context(), p.Cache, k1, notes, cache.Call{}, load)
		}()
		synctest.Wait()
		_, _, err := cache.Get(t.Context(), p.Cache, k1, notes, cache.Call{}, load)
		var followed *cache.PanicError
		if !errors.As(err, &followed) || !errors.Is(err, crash) || strings.Contains(err.Error(), "\n") {
			t.Errorf("a follower: %v", err)
		}
		relayed, _ := (<-panicked).(error)
		if !errors.Is(relayed, crash) || !strings.Contains(relayed.Error(), "load_test.go") {
			t.Errorf("the caller's panic does not say where: %v", relayed)
		}
		s, again := &service{says: "durable: a"}, time.Now() // nothing is left of it, not even its lease
		if p.want(s, s.says, cache.TierNone); time.Since(again) != 0 {
			t.Errorf("the next load waited %v", time.Since(again))
		}
		synctest.Wait() // callers are served before a flight is over
		if n := p.Stats(); n.Panics != 1 || n.UnderWay != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestALoadThatEndsItsGoroutineHangsNobody(t *testing.T) {
	t.Parallel()
	p := newProcess(t, nil)
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		_, _, _ = cache.Get(t.Context(), p.Cache, k1, notes, cache.Call{}, func(context.Context) (*note, string, error) {
			runtime.Goexit()
			return nil, "", nil
		})
	}()
	if crash := <-done; crash == nil {
		t.Error("the caller was not told")
	}
}

func TestCloseEndsLoadsAndPassesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, s := newProcess(t, cachetest.NewHub()), &service{says: "durable: a", takes: time.Hour}
		ended := make(chan error, 1)
		go func() {
			_, _, err := p.get(k1, cache.Call{}, s)
			ended <- err
		}()
		synctest.Wait()
		begun := time.Now()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, cache.ErrClosed) || !time.Now().Equal(begun) {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		s.takes = 0
		for range 2 {
			p.want(s, s.says, cache.TierNone)
		}
		if err := errors.Join(p.Invalidate(t.Context(), "o"), p.Close()); err != nil {
			t.Error(err)
		}
	}) // a goroutine that is left would hang the bubble
}

func TestCallersChangeNothingForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := cachetest.NewHub()
		p, s := newProcess(t, hub), &service{says: "durable: a", takes: time.Second}
		calls := []cache.Call{{}, {}, {Mode: cache.Refresh}, {Mode: cache.Alone}, {Mode: cache.Only}, {}}
		for round := range 3 { // loaded, near, far
			var wg sync.WaitGroup
			for _, call := range calls {
				if call.Mode == cache.Only {
					wg.Wait()
				}
				wg.Go(func() {
					n, _, err := p.get(k1, call, s)
					if err != nil || n.Text != "durable: a" || n.Tags[0] != "durable: a" || n.Tags[1] != "durable: a" {
						t.Errorf("round %d, %+v: %+v, %v", round, call, n, err)
						return
					}
					n.Text = "changed"
					n.Tags[0], n.Tags[1] = "changed", "changed"
				})
			}
			wg.Wait()
			if round == 1 {
				p.near.Flush(cache.Everything)
			}
		}
	})
}

func TestALoadThatBeganEarlierDoesNotReplaceALaterOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, nil)
		go func() { _, _, _ = p.get(k1, cache.Call{}, &service{says: "mutable: old", takes: time.Second}) }()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		if _, _, err := p.get(k1, cache.Call{Mode: cache.Refresh}, &service{says: "mutable: new"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		p.want(&service{}, "mutable: new", cache.TierNear)
	})
}

func TestNobodyJoinsALoadThatHasEndedAndIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, cachetest.NewHub())
		for _, s := range []*service{{says: "forbidden: a"}, {err: errTrouble}} {
			p.link.Break(cachetest.Faults{})
			s.takes = time.Second
			go func() {
				time.Sleep(time.Second / 2)
				p.link.Break(cachetest.Faults{Delay: 10 * time.Millisecond}) // giving the lease back takes a while
			}()
			_, _, _ = p.get(k1, cache.Call{}, s)
			if _, from, _ := p.get(k1, cache.Call{}, s); from.Shared || s.asked != 2 {
				t.Errorf("%+v, asked %d times", from, s.asked)
			}
		}
	})
}
