package transport_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// crowd is an upstream that takes so many requests at a time.
type crowd struct{ limit, inside int }

func (c *crowd) allow(time.Duration) bool {
	if c.inside >= c.limit {
		return false
	}
	c.inside++
	return true
}

func (c *crowd) leave() { c.inside-- }

// penalty is an upstream that means what it says: whoever comes during the time it
// asked for is refused, and the time begins anew.
type penalty struct {
	allowance
	asked time.Duration
	until time.Duration
}

func penaltyOf(rate, burst float64, asked time.Duration) func() allowance {
	return func() allowance { return &penalty{allowance: newTokenBucket(rate, burst), asked: asked} }
}

func (p *penalty) allow(now time.Duration) bool {
	if now < p.until {
		p.until = now + p.asked
		return false
	}
	if p.allowance.allow(now) {
		return true
	}
	p.until = now + p.asked
	return false
}

// storm is a batch against an upstream that answers with Retry-After.
type storm struct {
	config   transport.ThrottleConfig
	upstream allowance
	latency  time.Duration // of an accepted request; a refusal takes a quarter of it
	asked    func(now time.Duration) time.Duration
	workers  int
	calls    int
}

type weathered struct {
	perSecond, attempts float64 // accepted per second, attempts per call
}

// run plays the storm in virtual time. Whoever is told to wait does so.
func (s storm) run(t *testing.T, seed uint64) (out weathered) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, s.config)
		start := time.Now()
		var mu sync.Mutex
		judge := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return s.upstream.allow(time.Since(start))
		}
		leave := func() {
			if c, ok := s.upstream.(interface{ leave() }); ok {
				mu.Lock()
				defer mu.Unlock()
				c.leave()
			}
		}
		attempt := func(rng *rand.Rand) (told time.Duration) {
			g, err := throttle.Take(t.Context())
			if err != nil {
				t.Error(err)
			}
			time.Sleep(s.latency/10 + upTo(rng, s.latency/10))
			if !judge() {
				asked := s.asked(time.Since(start))
				time.Sleep(s.latency / 20)
				throttle.Feedback(g, transport.Feedback{Limited: true, RetryAfter: asked})
				return asked + upTo(rng, 50*time.Millisecond)
			}
			time.Sleep(s.latency*6/10 + upTo(rng, s.latency/10))
			leave()
			time.Sleep(s.latency / 10)
			throttle.Feedback(g, transport.Feedback{})
			return 0
		}
		var next, attempts atomic.Int64
		var wg sync.WaitGroup
		for i := range s.workers {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			wg.Go(func() {
				for next.Add(1) <= int64(s.calls) {
					for attempts.Add(1); ; attempts.Add(1) {
						told := attempt(rng)
						if told == 0 {
							break
						}
						time.Sleep(told)
					}
				}
			})
		}
		wg.Wait()
		n := float64(s.calls)
		out = weathered{n / time.Since(start).Seconds(), float64(attempts.Load()) / n}
	})
	return out
}

func oneSecond(time.Duration) time.Duration { return time.Second }

// aDate asks for a time of day about a second from now, which the header knows without
// its fraction.
func aDate(now time.Duration) time.Duration {
	return (now + 3*time.Second/2).Truncate(time.Second) - now
}

// TestLookingInEarlyPays: where a Retry-After means "a little slower", one request that
// looks in early saves most of the pause; where it means "nobody", looking costs
// little. Each upstream, with the header as seconds and as a date, at three latencies,
// against a throttle that keeps the whole gate shut.
func TestLookingInEarlyPays(t *testing.T) {
	t.Parallel()
	const seeds = 4
	for _, up := range []struct {
		name string
		make func() allowance
		gain float64 // accepted per second against the whole gate, at least

		attempts float64 // per call, at most
		least    float64 // accepted per second
	}{
		{"bucket of 20", bucketOf(100, 20), 1, 1.05, 80},
		{"bucket of 100", bucketOf(100, 100), 0.9, 1.05, 95},
		{"sliding second", slidingOf(100, time.Second), 0.8, 1.05, 0},
		{"fixed second", fixedOf(100, time.Second, 0), 0.75, 1.05, 0},
		{"8 at a time", func() allowance { return &crowd{limit: 8} }, 0.9, 1.09, 0},
		{"nobody for a second", penaltyOf(100, 20, time.Second), 0.6, 1.09, 0},
	} {
		for _, latency := range []time.Duration{5, 20, 200} {
			for header, asked := range map[string]func(time.Duration) time.Duration{"1": oneSecond, "date": aDate} {
				for _, rate := range []float64{150, 1e6} {
					t.Run(fmt.Sprintf("%s/%d ms/Retry-After %s/rate %v", up.name, latency, header, rate), func(t *testing.T) {
						t.Parallel()
						var mean [2]weathered
						for i, whole := range []bool{true, false} {
							for seed := range uint64(seeds) {
								r := storm{
									config:   transport.ThrottleConfig{Rate: rate, WholeGate: whole},
									upstream: up.make(), latency: latency * time.Millisecond, asked: asked, workers: 32, calls: 800,
								}.run(t, seed)
								mean[i].perSecond += r.perSecond / seeds
								mean[i].attempts += r.attempts / seeds
							}
						}
						whole, early := mean[0], mean[1]
						t.Logf("whole gate: %.1f accepted per second at %.3f attempts; early look: %.1f at %.3f",
							whole.perSecond, whole.attempts, early.perSecond, early.attempts)
						if early.perSecond < up.gain*whole.perSecond {
							t.Errorf("%.1f accepted per second, want at least %v of %.1f", early.perSecond, up.gain, whole.perSecond)
						}
						if early.attempts > max(up.attempts, whole.attempts) {
							t.Errorf("%.3f attempts per call, want at most %v or what the whole gate takes, %.3f", early.attempts, up.attempts, whole.attempts)
						}
						if early.perSecond < up.least {
							t.Errorf("%.1f accepted per second, want at least %v", early.perSecond, up.least)
						}
					})
				}
			}
		}
	}
}
