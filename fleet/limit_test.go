//go:build unix

package fleet_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

func inbound(tb testing.TB, f *fleet.Fleet, l fleet.Limit) *fleet.Inbound {
	tb.Helper()
	in, err := f.Inbound(l)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

func local(tb testing.TB, l fleet.Limit, maxKeys int) *fleet.Local {
	tb.Helper()
	in, err := fleet.NewLocal(l, maxKeys)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// Decisions in memory and in Redis are the same, figure by figure.
func TestBothKindsOfMemoryDecideAlike(t *testing.T) {
	t.Parallel()
	for _, l := range []fleet.Limit{
		{Requests: 10, Window: time.Second},
		{Requests: 3, Window: 7 * time.Second, Burst: 9},
		{Requests: 10, Window: time.Second, Sliding: true},
		{Requests: 100, Window: time.Minute, Sliding: true},
	} {
		type step struct {
			pass time.Duration
			cost int
		}
		r := rand.New(rand.NewPCG(uint64(l.Requests), uint64(l.Window)))
		steps := make([]step, 400)
		for i := range steps {
			steps[i] = step{time.Duration(r.Float64() * r.Float64() * float64(2*l.Window) / float64(l.Requests)).Truncate(time.Microsecond), 1 + r.IntN(2)*r.IntN(l.Requests+2)}
		}
		m := miniredis.RunT(t)
		shared := inbound(t, process(t, "redis://"+m.Addr()), l)
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		var want []fleet.Decision
		for _, s := range steps {
			now = now.Add(s.pass)
			m.SetTime(now)
			d := shared.Allow(t.Context(), "c", s.cost)
			if d.Local {
				t.Fatal("Redis was not asked")
			}
			want = append(want, d)
		}
		synctest.Test(t, func(t *testing.T) {
			alone := local(t, l, 0)
			denied := 0
			for i, s := range steps {
				time.Sleep(s.pass)
				got := alone.Allow(t.Context(), "c", s.cost)
				if l.Sliding { // the slots of the two clocks begin at different times
					got.Reset, got.RetryAfter, want[i].Reset, want[i].RetryAfter = 0, 0, 0, 0
				}
				if got != want[i] {
					t.Fatalf("%+v, step %d: in memory %+v, in Redis %+v", l, i, got, want[i])
				}
				if !got.Allowed {
					denied++
				}
			}
			if denied < 20 || denied > 380 {
				t.Errorf("%d of 400 denied: a weak test", denied)
			}
		})
	}
}

func TestABucketSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := local(t, fleet.Limit{Requests: 10, Window: time.Second, Burst: 3}, 0)
		allow := func(cost int) fleet.Decision { return in.Allow(t.Context(), "c", cost) }
		if d := allow(2); d != (fleet.Decision{Allowed: true, Limit: 3, Remaining: 1, Reset: 200 * ms}) {
			t.Errorf("%+v", d)
		}
		if d := allow(3); d != (fleet.Decision{Limit: 3, Remaining: 1, Reset: 200 * ms, RetryAfter: 200 * ms}) {
			t.Errorf("too much: %+v", d)
		}
		time.Sleep(200*ms - time.Microsecond)
		if allow(3).Allowed {
			t.Error("allowed before RetryAfter")
		}
		time.Sleep(time.Microsecond)
		if !allow(3).Allowed {
			t.Error("denied after RetryAfter")
		}
		if d := allow(4); d.Allowed || d.RetryAfter != 300*ms {
			t.Errorf("more than there can be: %+v", d)
		}
		if d := in.Allow(t.Context(), strings.Repeat("another ", 100), -5); !d.Allowed || d.Remaining != 2 {
			t.Errorf("another client: %+v", d)
		}
	})
}

func TestNoWindowWhateverHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := local(t, fleet.Limit{Requests: 20, Window: time.Second, Sliding: true}, 0)
		var allowed []time.Time
		r := rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			time.Sleep(time.Duration(r.ExpFloat64() * float64(20*ms)))
			d := in.Allow(t.Context(), "c", 1)
			if d.Allowed {
				allowed = append(allowed, time.Now())
				continue
			}
			if r.IntN(10) == 0 {
				time.Sleep(d.RetryAfter - time.Microsecond)
				if in.Allow(t.Context(), "c", 1).Allowed {
					t.Fatal("allowed before RetryAfter")
				}
				time.Sleep(time.Microsecond)
				if !in.Allow(t.Context(), "c", 1).Allowed {
					t.Fatal("denied after RetryAfter")
				}
				allowed = append(allowed, time.Now())
			}
		}
		for i := 20; i < len(allowed); i++ {
			if span := allowed[i].Sub(allowed[i-20]); span < time.Second {
				t.Fatalf("21 requests in %v", span)
			}
		}
		if rate := float64(len(allowed)) / allowed[len(allowed)-1].Sub(allowed[0]).Seconds(); rate < 17 {
			t.Errorf("%.1f/s of 20/s: the window holds too much back", rate)
		}
	})
}

func TestALocalLimitForgetsTheOldestClientFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := local(t, fleet.Limit{Requests: 1, Window: time.Hour}, 100)
		for i := range 1000 {
			if !in.Allow(t.Context(), strconv.Itoa(i), 1).Allowed {
				t.Fatal("a new client is denied")
			}
			if i > 0 && in.Allow(t.Context(), "0", 1).Allowed {
				t.Fatal("a client that keeps coming was forgotten")
			}
		}
		if in.Len() != 100 {
			t.Errorf("%d clients remembered, want 100", in.Len())
		}
		if !in.Allow(t.Context(), "1", 1).Allowed {
			t.Error("the oldest was not forgotten")
		}
	})
}

func TestProcessesKeepAnInboundLimitTogether(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  "redis://" + dbtest.Redis(t).Addr,
		"cluster": "redis://" + dbtest.RedisCluster(t, 3)[2].Addr + "?cluster=true",
	} {
		for _, sliding := range []bool{false, true} {
			t.Run(name+" "+strconv.FormatBool(sliding), func(t *testing.T) {
				t.Parallel()
				l := fleet.Limit{Name: strconv.FormatBool(sliding), Requests: 50, Window: time.Hour, Sliding: sliding}
				var allowed, alone atomic.Int64
				var wg sync.WaitGroup
				for range 4 {
					in := inbound(t, process(t, url), l)
					wg.Go(func() {
						for i := range 100 {
							d := in.Allow(t.Context(), strconv.Itoa(i%2), 1)
							if d.Allowed {
								allowed.Add(1)
							}
							if d.Local {
								alone.Add(1)
							}
						}
					})
				}
				wg.Wait()
				if n := allowed.Load(); n < 100 || n > 100+alone.Load() {
					t.Errorf("%d allowed, %d of them alone; two clients have 50 each", n, alone.Load())
				}
			})
		}
	}
}

func TestAnInboundLimitOutlivesWhateverBefallsRedis(t *testing.T) {
	t.Parallel()
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.Redis(t, trouble.args...)
			url := "redis://" + s.Addr
			for _, sliding := range []bool{false, true} {
				in := inbound(t, hasty(t, url), fleet.Limit{Requests: 3, Window: time.Hour, Sliding: sliding})
				next := 0
				allow := func() fleet.Decision {
					start := time.Now()
					d := in.Allow(t.Context(), strconv.Itoa(next), 1)
					if took := time.Since(start); took > 20*ms+slack {
						t.Errorf("a decision took %v", took)
					}
					return d
				}
				admin := open(t, url+"?read_timeout=2s")
				await(t, "Redis decides", func() bool { return !allow().Local })
				trouble.begin(t, s, admin)
				if trouble.away {
					await(t, "the process decides", func() bool { next++; return allow().Local })
					next++
					for i := range 4 { // and keeps the limit by itself
						if d := allow(); d.Allowed != (i < 3) || d.Limit != 3 {
							t.Errorf("request %d: %+v", i, d)
						}
					}
				}
				trouble.recover(t, s, admin)
				await(t, "Redis decides again", func() bool { next++; return !allow().Local })
			}
		})
	}
}

func TestWrongLimitsAreExplained(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]fleet.Limit{
		"Requests is 0":              {Window: time.Second},
		"Window is 0s":               {Requests: 1},
		"Burst is -1":                {Requests: 1, Window: time.Second, Burst: -1},
		"has no effect with Sliding": {Requests: 1, Window: time.Second, Burst: 1, Sliding: true},
	} {
		l.Name = "GET /x"
		if _, err := fleet.NewLocal(l, 0); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"GET /x"`) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := fleet.NewLocal(fleet.Limit{Requests: 1, Window: time.Second}, -1); err == nil {
		t.Error("-1 keys are taken")
	}
}

var _ interface {
	Allow(ctx context.Context, client string, cost int) fleet.Decision
} = (*fleet.Local)(nil)
