package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
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

// run plays the simulation in virtual time: workers make calls one after the other,
// each attempt takes a token, travels 2 to 6 ms, is judged, and is answered 20
// to 50 ms after it left. A rate-limited one is repeated as the retry
// layer does it: after Retry-After and a little more, or after an
// exponential backoff of 50 ms with jitter.
func (s simulation) run(t *testing.T, seed uint64) simulated {
	t.Helper()
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
			return up.allow(time.Since(start))
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

func bucketOf(rate, burst float64) func() allowance {
	return func() allowance { return newTokenBucket(rate, burst) }
}

func fixedOf(limit int, window, offset time.Duration) func() allowance {
	return func() allowance { return &fixedWindow{limit: limit, window: window, offset: offset} }
}

func slidingOf(limit int, window time.Duration) func() allowance {
	return func() allowance { return &slidingWindow{limit: limit, window: window} }
}

// goal is what is still right of a seed: attempts per call, and accepted calls per
// second with and without a Retry-After of one second. All seeds but one meet it: who
// comes first of those that come at the same instant is chance, and rarely bad luck, so
// of one in five half of it is asked.
type goal struct{ attempts, perSecond, afterPauses float64 }

// TestThrottleFindsAnUnknownLimit plays a batch of 800 calls from 32 workers
// against upstreams of every kind that allow 100 per second, without telling
// the throttle: configured far above, half above, and exactly. The ideal is a
// little over 100 per second, as the first burst is a gift.
//
// A Retry-After of 1 s has its price, whatever the client does: a bucket of burst b
// loses 100-b requests each time. One such pause bounds this batch to 92 per
// second for a burst of 20, two to 83; and one rejection alone does not tell
// the limit, so a second is the rule.
func TestThrottleFindsAnUnknownLimit(t *testing.T) {
	t.Parallel()
	const far, near, exact = 1000, 150, 100
	for _, tt := range []struct {
		upstream string
		make     func() allowance
		goals    map[float64]goal // by configured rate
	}{
		{"bucket of 1", bucketOf(100, 1), map[float64]goal{far: {1.10, 40, 15}, near: {1.05, 50, 20}, exact: {1.03, 60, 40}}},
		{"bucket of 5", bucketOf(100, 5), map[float64]goal{far: {1.08, 90, 25}, near: {1.03, 85, 30}, exact: {1.02, 98.05, 80}}},
		{"bucket of 10", bucketOf(100, 10), map[float64]goal{far: {1.05, 85, 55}, near: {1.03, 98, 60}, exact: {1.01, 98.05, 80}}},
		{"bucket of 20", bucketOf(100, 20), map[float64]goal{far: {1.05, 95, 60}, near: {1.03, 98, 60}, exact: {1, 98.05, 98.05}}},
		{"bucket of 50", bucketOf(100, 50), map[float64]goal{far: {1.05, 98, 75}, near: {1.02, 98, 80}, exact: {1, 98.05, 98.05}}},
		{"bucket of 100", bucketOf(100, 100), map[float64]goal{far: {1.05, 98, 85}, near: {1.02, 98, 98}, exact: {1, 98.05, 98.05}}},
		{"window of 1 s", fixedOf(100, time.Second, 0), map[float64]goal{far: {1.09, 80, 50}, near: {1.05, 80, 45}, exact: {1.02, 92, 50}}},
		{"window of 1 s, out of step", fixedOf(100, time.Second, time.Second/2), map[float64]goal{far: {1.09, 90, 45}, near: {1.05, 90, 65}, exact: {1, 98.05, 98.05}}},
		{"window of 100 ms", fixedOf(10, time.Second/10, 0), map[float64]goal{far: {1.08, 50, 15}, near: {1.04, 60, 15}, exact: {1.03, 60, 15}}},
		{"sliding second", slidingOf(100, time.Second), map[float64]goal{far: {1.06, 75, 60}, near: {1.05, 75, 45}, exact: {1.02, 80, 50}}},
	} {
		for _, rate := range []float64{far, near, exact} {
			for _, retryAfter := range []time.Duration{0, time.Second} {
				name := fmt.Sprintf("%s/rate %v/Retry-After %v", tt.upstream, rate, retryAfter)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s := simulation{
						config:   transport.ThrottleConfig{Rate: rate},
						upstream: tt.make, retryAfter: retryAfter, workers: 32, calls: 800,
					}
					want := tt.goals[rate]
					if retryAfter > 0 {
						want.perSecond = want.afterPauses
					}
					s.check(t, want)
				})
			}
		}
	}
}

// TestThrottleScales: nothing in the control law knows the scale of 100 per
// second.
func TestThrottleScales(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		limit, burst   float64
		rate           float64
		workers, calls int
		want           goal
	}{
		{"10 per second", 10, 10, 100, 16, 400, goal{1.08, 9, 0}},
		{"10 per second, rate known", 10, 10, 10, 16, 400, goal{1.01, 9.8, 0}},
		{"1000 per second", 1000, 100, 5000, 128, 8000, goal{1.05, 900, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			simulation{
				config:   transport.ThrottleConfig{Rate: tt.rate},
				upstream: bucketOf(tt.limit, tt.burst), workers: tt.workers, calls: tt.calls,
			}.check(t, tt.want)
		})
	}
}

// TestThrottleLongBatchWithRetryAfter: over 8000 calls the pauses that it takes to
// find the limit, and now and then to see that it has not moved, cost little.
func TestThrottleLongBatchWithRetryAfter(t *testing.T) {
	t.Parallel()
	for burst, want := range map[float64]float64{5: 55, 10: 75, 20: 85, 100: 95} {
		t.Run(fmt.Sprintf("bucket of %v", burst), func(t *testing.T) {
			t.Parallel()
			simulation{
				config:   transport.ThrottleConfig{Rate: 1000},
				upstream: bucketOf(100, burst), retryAfter: time.Second, workers: 32, calls: 8000,
			}.check(t, goal{1.02, want, 0})
		})
	}
}

// changing switches from one allowance to another.
type changing struct {
	before, after allowance
	at            time.Duration
}

func (c *changing) allow(now time.Duration) bool {
	if now < c.at {
		return c.before.allow(now)
	}
	return c.after.allow(now)
}

// TestThrottleFollowsALimitThatMoves: 2000 calls, the limit changes after 5 s.
func TestThrottleFollowsALimitThatMoves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		before, after float64
		want          goal // ideal: 5 s at the one rate, the rest at the other
	}{
		{"down", 100, 25, goal{1.05, 0.9 * 2000 / (5 + 1500/25.), 0}},
		{"up", 25, 100, goal{1.06, 0.75 * 2000 / (5 + 1875/100.), 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			simulation{
				config: transport.ThrottleConfig{Rate: 400},
				upstream: func() allowance {
					return &changing{newTokenBucket(tt.before, 20), newTokenBucket(tt.after, 20), 5 * time.Second}
				},
				workers: 32, calls: 2000,
			}.check(t, tt.want)
		})
	}
}

// check runs the simulation with some seeds and compares the worst results but one.
func (s simulation) check(t *testing.T, want goal) {
	t.Helper()
	const seeds = 5
	var speeds, attemptsOf []float64
	for seed := range uint64(seeds) {
		r := s.run(t, seed)
		if r.ok != s.calls {
			t.Errorf("seed %d: %d of %d calls succeeded", seed, r.ok, s.calls)
		}
		speed, attempts := float64(r.ok)/r.elapsed.Seconds(), float64(r.attempts)/float64(s.calls)
		speeds, attemptsOf = append(speeds, speed), append(attemptsOf, attempts)
	}
	slices.Sort(speeds)
	slices.Sort(attemptsOf)
	t.Logf("accepted per second: %.1f; attempts per call: %.3f", speeds, attemptsOf)
	if speeds[1] < want.perSecond || speeds[0] < want.perSecond/2 {
		t.Errorf("accepted per second: %.1f, want at least %.1f", speeds, want.perSecond)
	}
	if attemptsOf[seeds-2] > want.attempts || attemptsOf[seeds-1] > 2*want.attempts-1+1/float64(s.calls) {
		t.Errorf("attempts per call: %.3f, want at most %.3f", attemptsOf, want.attempts)
	}
}
