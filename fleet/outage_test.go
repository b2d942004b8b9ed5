//go:build unix

package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
)

// traffic reserves from throttles, as processes that use every token would, and notes
// when the tokens were used.
type traffic struct {
	watch *standstill.Watch

	mu   sync.Mutex
	sent []time.Time
	late time.Duration // by which a token was used after its instant, at most: answer, scheduler, timer
	slow []time.Duration
	errs []error
	stop chan struct{}
	wg   sync.WaitGroup
}

func drive(t *testing.T, throttles ...*fleet.Throttle) *traffic {
	t.Helper()
	tr := &traffic{watch: standstill.For(t), stop: make(chan struct{})}
	for _, th := range throttles {
		for range 2 {
			tr.wg.Go(func() { tr.caller(t, th) })
		}
	}
	return tr
}

func (tr *traffic) caller(t *testing.T, th *fleet.Throttle) {
	for {
		begin := time.Now()
		wait, ok, err := th.Reserve(t.Context(), 1, time.Minute)
		took := tr.watch.Took(begin)
		due := begin.Add(wait) // its instant, or somewhat before
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-tr.stop:
			timer.Stop()
			return
		}
		tr.mu.Lock()
		if took > 20*ms+slack {
			tr.slow = append(tr.slow, took)
		}
		if err != nil || !ok {
			tr.errs = append(tr.errs, err)
		} else {
			now := time.Now()
			tr.sent, tr.late = append(tr.sent, now), max(tr.late, now.Sub(due))
		}
		tr.mu.Unlock()
	}
}

func (tr *traffic) end() {
	close(tr.stop)
	tr.wg.Wait()
	slices.SortFunc(tr.sent, time.Time.Compare)
}

// since is how many tokens were used since then, per second.
func (tr *traffic) since(from time.Time) float64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, at := range tr.sent {
		if at.After(from) {
			n++
		}
	}
	return float64(n) / time.Since(from).Seconds()
}

// kept is how late a token may be used without outdoing the limit: what is earned in that
// time is taken from the burst.
const kept = 25 * ms

// judge looks at traffic that has ended: no call failed or waited for Redis, and the limit was
// kept. What is booked keeps it exactly, which the histories in memory show; here tokens are
// used when the machine gets round to it, and for every moment that the worst of them was
// later than is provided for an interval may hold what is earned in that.
func (tr *traffic) judge(t *testing.T, rate float64, burst int, overlap float64) {
	t.Helper()
	over, from, to := excess(tr.sent, rate, burst)
	allowed := overlap + rate*max(0, tr.late-kept).Seconds()
	t.Logf("%d tokens used, up to %v late; worst interval %+.1f over rate*t + burst, %.1f may be; %d slow", len(tr.sent), tr.late, over, allowed, len(tr.slow))
	if over > allowed {
		t.Errorf("%.1f more than rate*t + burst in %v from %v on, %.1f may be", over, to.Sub(from), from.Sub(tr.sent[0]), allowed)
	}
	if len(tr.errs) > 0 {
		t.Errorf("%d calls failed: %v", len(tr.errs), tr.errs[0])
	}
	if len(tr.slow) > 1+len(tr.sent)/50 {
		t.Errorf("%d reservations took longer than the budget, up to %v", len(tr.slow), slices.Max(tr.slow))
	}
}

// trouble is what can befall a Redis, and how it ends.
var troubles = []struct {
	name    string
	args    []string
	away    bool // it is of no use meanwhile
	lost    bool // with what was booked there: what processes have booked may overlap
	begin   func(*testing.T, *dbtest.Server, redis.UniversalClient)
	recover func(*testing.T, *dbtest.Server, redis.UniversalClient)
}{
	{
		name: "stalled", away: true,
		begin:   func(_ *testing.T, s *dbtest.Server, _ redis.UniversalClient) { s.Stall() },
		recover: func(_ *testing.T, s *dbtest.Server, _ redis.UniversalClient) { s.Resume() },
	},
	{
		name: "killed and restarted empty", lost: true, away: true,
		begin:   func(_ *testing.T, s *dbtest.Server, _ redis.UniversalClient) { s.Kill() },
		recover: func(t *testing.T, s *dbtest.Server, _ redis.UniversalClient) { t.Helper(); s.Restart(t) },
	},
	{
		name: "full without eviction", lost: true, args: []string{"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"}, away: true,
		begin:   fill,
		recover: func(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) { t.Helper(); c.FlushAll(t.Context()) },
	},
	{
		name: "full with eviction", lost: true, args: []string{"--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random"},
		begin: func(t *testing.T, s *dbtest.Server, c redis.UniversalClient) {
			t.Helper()
			for range 5 {
				fill(t, s, c)
			}
		},
		recover: func(*testing.T, *dbtest.Server, redis.UniversalClient) {},
	},
	{
		name: "flushed", lost: true,
		begin: func(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
			t.Helper()
			for range 5 {
				c.FlushAll(t.Context())
				pause(t, 100*ms)
			}
		},
		recover: func(*testing.T, *dbtest.Server, redis.UniversalClient) {},
	},
	{
		name: "scripts flushed",
		begin: func(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
			t.Helper()
			for range 20 {
				c.ScriptFlush(t.Context())
				pause(t, 20*ms)
			}
		},
		recover: func(*testing.T, *dbtest.Server, redis.UniversalClient) {},
	},
	{
		name: "holding foreign values", lost: true, begin: corrupt,
		recover: func(*testing.T, *dbtest.Server, redis.UniversalClient) {},
	},
	{
		name: "read only", away: true,
		begin: func(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
			t.Helper()
			c.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1")
		},
		recover: func(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
			t.Helper()
			c.Do(t.Context(), "REPLICAOF", "NO", "ONE")
		},
	},
}

// fill writes until the server is full to the last byte, and beyond.
func fill(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
	t.Helper()
	for _, size := range []int{100_000, 1000, 10} {
		for i := range 60 {
			c.Set(t.Context(), fmt.Sprintf("filler:%d:%d", size, i), make([]byte, size), 0)
		}
	}
}

// corrupt puts all kinds of values where the fleet keeps its own.
func corrupt(t *testing.T, _ *dbtest.Server, c redis.UniversalClient) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		for _, key := range c.Keys(t.Context(), "asleep:*").Val() {
			switch r.IntN(6) {
			case 0:
				junk := make([]byte, r.IntN(100))
				for i := range junk {
					junk[i] = byte(r.Uint32())
				}
				c.Set(t.Context(), key, junk, 0)
			case 1:
				c.Set(t.Context(), key, "1 0123456789abcdef 1700000000000000 -99999999999999 99999999999 1 0 0 0 deadbeef", 0)
			case 2:
				c.Del(t.Context(), key)
				c.RPush(t.Context(), key, "a", "b")
			case 3:
				c.Del(t.Context(), key)
				c.ZAdd(t.Context(), key, redis.Z{Score: 1e300, Member: "foreign"})
			case 4:
				raw, _ := c.Get(t.Context(), key).Bytes()
				if len(raw) > 0 {
					raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
					c.Set(t.Context(), key, raw, 0)
				}
			default:
				c.Del(t.Context(), key)
			}
		}
		pause(t, 10*ms)
	}
}

func TestAThrottleOutlivesWhateverBefallsRedis(t *testing.T) {
	alone(t)
	t.Parallel()
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.Redis(t, trouble.args...)
			url := "redis://" + s.Addr
			admin := open(t, url+"?read_timeout=1m&write_timeout=1m&pool_timeout=1m&dial_timeout=1m")
			rate := fleet.Rate{PerSecond: 200, Burst: 40}
			all := make([]*fleet.Throttle, 4)
			for i := range all {
				all[i] = throttle(t, hasty(t, url), rate)
			}
			joined(t, 4, all...)
			late := starved(t)
			tr := drive(t, all...)
			pause(t, 500*ms)
			trouble.begin(t, s, admin)
			alone := rate.PerSecond
			if trouble.away {
				for _, th := range all {
					await(t, "it is away", func() bool { return th.Stats().Away })
				}
				from := time.Now()
				pause(t, time.Second)
				alone = tr.since(from)
			}
			trouble.recover(t, s, admin)
			for _, th := range all {
				await(t, "it is back", func() bool { s := th.Stats(); return !s.Away && !s.Settling && s.Members == 4 })
			}
			from := time.Now()
			pause(t, time.Second)
			together := tr.since(from)
			tr.end()
			busy(t, late())
			if alone < 150 || together < 170 {
				t.Errorf("%.0f tokens/s by the shares and %.0f afterwards, want about 200", alone, together)
			}
			overlap := 0.0
			if trouble.lost {
				overlap = overlapping
			}
			tr.judge(t, rate.PerSecond, rate.Burst, overlap)
		})
	}
}

// A client that is not ours may heed no context, repeat, and wait for seconds.
func TestAClientThatWaitsCostsNoMoreThanTheBudget(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	plain := redis.NewClient(&redis.Options{Addr: s.Addr, ReadTimeout: 500 * ms, MaxRetries: 1})
	t.Cleanup(func() { _ = plain.Close() })
	th := throttle(t, over(t, plain, 0), fleet.Rate{PerSecond: 1000})
	joined(t, 1, th)
	s.Stall()
	defer s.Resume()
	for range 20 {
		reserve(t, th, patient)
	}
	if !th.Stats().Away {
		t.Errorf("%+v", th.Stats())
	}
}
