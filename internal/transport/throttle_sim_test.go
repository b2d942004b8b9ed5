package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// allowance is an upstream's rate limit: asked at a time, it lets one request
// through or not. Calls are serialised and times do not run backwards.
type allowance interface {
	allow(now time.Duration) bool
}

type tokenBucket struct {
	rate, burst, tokens float64
	last                time.Duration
}

func newTokenBucket(rate, burst float64) *tokenBucket {
	return &tokenBucket{rate: rate, burst: burst, tokens: burst}
}

func (b *tokenBucket) allow(now time.Duration) bool {
	b.tokens = min(b.burst, b.tokens+b.rate*(now-b.last).Seconds())
	b.last = now
	if b.tokens < 1-1e-9 {
		return false
	}
	b.tokens--
	return true
}

type fixedWindow struct {
	limit  int
	window time.Duration
	offset time.Duration
	at     int64
	n      int
}

func (w *fixedWindow) allow(now time.Duration) bool {
	if at := int64((now + w.offset) / w.window); at != w.at {
		w.at, w.n = at, 0
	}
	if w.n >= w.limit {
		return false
	}
	w.n++
	return true
}

// slidingWindow is a log of the accepted requests of the last window.
type slidingWindow struct {
	limit  int
	window time.Duration
	log    []time.Duration
}

func (w *slidingWindow) allow(now time.Duration) bool {
	for len(w.log) > 0 && w.log[0] <= now-w.window {
		w.log = w.log[1:]
	}
	if len(w.log) >= w.limit {
		return false
	}
	w.log = append(w.log, now)
	return true
}

type simulation struct {
	config     transport.ThrottleConfig
	upstream   func() allowance
	retryAfter time.Duration
	workers    int
	calls      int
}

type simulated struct {
	ok, attempts int
	elapsed      time.Duration
	stats        transport.ThrottleStats
}

func (s simulated) perCall(calls int) float64 { return float64(s.attempts) / float64(calls) }
func (s simulated) perSecond() float64        { return float64(s.ok) / s.elapsed.Seconds() }

// run plays the simulation in virtual time: workers make calls one after the other,
// each attempt takes a token, travels 2 to 6 ms, is judged, and is answered 20
// to 50 ms after it left. A rate-limited one is repeated as the retry
// layer does it: after Retry-After and a little more, or after an
// exponential backoff of 50 ms with jitter.
func (s simulation) run(t *testing.T, seed uint64) simulated {
	var out simulated
	synctest.Test(t, func(t *testing.T) {
		throttle, err := transport.NewThrottle(s.config)
		if err != nil {
			t.Fatal(err)
		}
		up := s.upstream()
		start := time.Now()
		var mu sync.Mutex
		judge := func() bool {
			mu.Lock()
			defer mu.Unlock()
			ok := up.allow(time.Since(start))
			if os.Getenv("SIMLOG") != "" {
				st := throttle.Stats()
				fmt.Printf("%8.4f ok=%v rate=%.1f cuts=%d wait=%d\n", time.Since(start).Seconds(), ok, st.Rate, st.Cuts, st.Waiting)
			}
			return ok
		}
		var next, ok, attempts atomic.Int64
		var wg sync.WaitGroup
		for i := range s.workers {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			wg.Go(func() {
				for next.Add(1) <= int64(s.calls) {
					ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
					for n := 1; ; n++ {
						g, err := throttle.Take(ctx)
						if err != nil {
							break
						}
						attempts.Add(1)
						there := 2*time.Millisecond + upTo(rng, 4*time.Millisecond)
						back := 18*time.Millisecond + upTo(rng, 26*time.Millisecond)
						time.Sleep(there)
						accepted := judge()
						time.Sleep(back)
						if accepted {
							throttle.Feedback(g, transport.Feedback{})
							ok.Add(1)
							break
						}
						throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: s.retryAfter})
						ceiling := min(50*time.Millisecond<<min(n-1, 10), 10*time.Second)
						wait := ceiling/2 + upTo(rng, ceiling/2)
						if s.retryAfter > 0 {
							wait = s.retryAfter + upTo(rng, min(ceiling, max(s.retryAfter/10, 50*time.Millisecond)))
						}
						time.Sleep(wait)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		out = simulated{int(ok.Load()), int(attempts.Load()), time.Since(start), throttle.Stats()}
	})
	return out
}

func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

func TestSimTable(t *testing.T) {
	ups := []struct {
		name string
		mk   func() allowance
	}{
		{"b1", func() allowance { return newTokenBucket(100, 1) }},
		{"b5", func() allowance { return newTokenBucket(100, 5) }},
		{"b10", func() allowance { return newTokenBucket(100, 10) }},
		{"b20", func() allowance { return newTokenBucket(100, 20) }},
		{"b50", func() allowance { return newTokenBucket(100, 50) }},
		{"b100", func() allowance { return newTokenBucket(100, 100) }},
		{"fixed", func() allowance { return &fixedWindow{limit: 100, window: time.Second} }},
		{"fixed.5", func() allowance { return &fixedWindow{limit: 100, window: time.Second, offset: 500 * time.Millisecond} }},
		{"fixed.1", func() allowance { return &fixedWindow{limit: 10, window: time.Second / 10} }},
		{"sliding", func() allowance { return &slidingWindow{limit: 100, window: time.Second} }},
	}
	const seeds = 8
	for _, ra := range []time.Duration{0, time.Second} {
		for _, rate := range []float64{1000, 150, 100} {
			for _, u := range ups {
				var minA, sumA, maxT, sumT float64
				minA = 1e9
				okAll := true
				var cuts uint64
				for seed := range uint64(seeds) {
					s := simulation{config: transport.ThrottleConfig{Rate: rate}, upstream: u.mk, retryAfter: ra, workers: 32, calls: 800}
					r := s.run(t, seed)
					okAll = okAll && r.ok == 800
					minA = min(minA, r.perSecond())
					sumA += r.perSecond()
					maxT = max(maxT, r.perCall(800))
					sumT += r.perCall(800)
					cuts += r.stats.Cuts
				}
				t.Logf("ra=%v rate=%4.0f %-8s ok=%v acc/s mean %.1f min %.1f  att/call mean %.3f max %.3f cuts %.1f", ra, rate, u.name, okAll, sumA/seeds, minA, sumT/seeds, maxT, float64(cuts)/seeds)
			}
		}
	}
}
