//go:build unix

package fleet_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/internal/transport"
	"github.com/asleep-sdk/asleep/server/limits"
)

// What the client takes by shape.
var (
	_ client.Limiter    = (*fleet.Throttle)(nil)
	_ transport.Quieter = (*fleet.Throttle)(nil)
	_ client.OpenHint   = (*fleet.Hint)(nil)
)

const patient = time.Duration(math.MaxInt64)

// reserve takes one token, which must cost no more than the budget.
func reserve(t *testing.T, th *fleet.Throttle, maxWait time.Duration) (time.Duration, bool) {
	t.Helper()
	watch, start := standstill.Begin(), time.Now()
	defer watch.End()
	wait, ok, err := th.Reserve(t.Context(), 1, maxWait)
	if err != nil {
		t.Fatalf("reserve: %v", err)
	}
	if took := watch.Took(start); took > 20*ms+slack {
		t.Errorf("a reservation took %v", took)
	}
	return wait, ok
}

func joined(t *testing.T, members int, throttles ...*fleet.Throttle) {
	t.Helper()
	await(t, "the processes know each other", func() bool {
		return !slices.ContainsFunc(throttles, func(th *fleet.Throttle) bool { return th.Stats().Members != members })
	})
}

func TestProcessesBookFromOneBucket(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  "redis://" + dbtest.Redis(t).Addr,
		"cluster": "redis://" + dbtest.RedisCluster(t, 3)[0].Addr + "?cluster=true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rate := fleet.Rate{PerSecond: 20, Burst: 1}
			a, b := throttle(t, process(t, url), rate), throttle(t, process(t, url), rate)
			joined(t, 2, a, b)
			var spoilt []time.Duration
			late := starved(t)
			start, last := time.Now(), time.Duration(0)
			for i := range 10 {
				wait, ok := reserve(t, []*fleet.Throttle{a, b}[i%2], patient)
				due := time.Since(start) + wait
				if i == 9 && due < 400*ms || !ok {
					t.Errorf("token %d is due after %v, %v", i, due, ok)
				}
				if i > 0 && due-last < 20*ms {
					spoilt = append(spoilt, due-last)
				}
				last = due
			}
			if busy(t, late()); len(spoilt) > 0 {
				t.Errorf("tokens are due %v after the one before, want 50ms", spoilt)
			}
			if _, ok := reserve(t, a, 100*ms); ok {
				t.Error("a token beyond the patience was granted")
			}
		})
	}
}

func TestReserveRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	f := process(t, "redis://"+dbtest.Redis(t).Addr)
	th := throttle(t, f, fleet.Rate{PerSecond: 100, Burst: 10})
	for _, cost := range []int{-1, 0, 11} {
		if _, ok, err := th.Reserve(t.Context(), cost, patient); ok || err == nil || !strings.Contains(err.Error(), "want 1 to 7") {
			t.Errorf("a cost of %d: %v, %v", cost, ok, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := th.Reserve(gone, 1, patient); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := th.Reserve(t.Context(), 1, patient); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	th.Feedback(true, time.Second)
	if _, err := f.Throttle(fleet.Rate{PerSecond: 1}); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("a throttle of a closed fleet: %v", err)
	}
}

func TestWrongFiguresAreAllNamed(t *testing.T) {
	t.Parallel()
	f := process(t, "redis://127.0.0.1:1")
	_, err := f.Throttle(fleet.Rate{PerSecond: math.NaN(), Burst: -1, Floor: 3, MaxQuiet: -1, Members: -2})
	for _, want := range []string{"PerSecond is NaN", "Burst is -1", "Floor 3 has no effect without Adaptive", "MaxQuiet is -1ns", "Members is -2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if _, err := fleet.New(nil, fleet.Options{Prefix: "a{b", Budget: -1}); err == nil || strings.Count(err.Error(), "fleet: ") != 3 {
		t.Errorf("New: %v", err)
	}
	if _, err := fleet.Open("redis://:hunter2@host/zero"); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("Open: %v", err)
	}
}

func TestTokensTakenAheadSaveRoundTripsAndGoBack(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	th := throttle(t, process(t, "redis://"+s.Addr), fleet.Rate{PerSecond: 100_000, Burst: 10_000})
	joined(t, 1, th)
	pause(t, 100*ms) // the bucket fills
	late := starved(t)
	const reservations = 10_000 // far more than it takes until the demand is known
	for range reservations {
		if wait, ok := reserve(t, th, patient); !ok || wait > 500*ms {
			t.Fatal("refused")
		}
	}
	then := th.Stats()
	await(t, "unused tokens go back", func() bool { return th.Stats().Ahead == 0 })
	busy(t, late()) // what is taken ahead is for 20 ms
	if then.Exchanges > reservations/2 {
		t.Errorf("%d reservations one after the other took %d exchanges, %d came from the stock", reservations, then.Exchanges, then.Stocked)
	}
	t.Logf("%d reservations took %d exchanges", reservations, then.Exchanges)
}

func TestARateLimitAnswerToOneQuietsAll(t *testing.T) {
	t.Parallel()
	url := "redis://" + dbtest.Redis(t).Addr
	rate := fleet.Rate{PerSecond: 100, Burst: 10, MaxQuiet: 2 * time.Second}
	a, b := throttle(t, process(t, url), rate), throttle(t, process(t, url), rate)
	joined(t, 2, a, b)
	pause(t, 100*ms) // both listen
	late, start := starved(t), time.Now()
	a.Feedback(true, time.Second)
	if a.Quiet().IsZero() {
		t.Error("the process that was told goes on")
	}
	await(t, "the other is quiet", func() bool { return !b.Quiet().IsZero() })
	heard := time.Since(start)
	var earliest, latest []time.Duration // that each token is due: the wait began in between
	for range 3 {
		asked := time.Since(start)
		wait, _ := reserve(t, b, patient)
		earliest, latest = append(earliest, asked+wait), append(latest, time.Since(start)+wait)
	}
	busy(t, late())
	if heard > slack {
		t.Errorf("the other was quiet after %v", heard)
	}
	if latest[0] < time.Second-ms || earliest[0] > time.Second+slack+50*ms || latest[2]-earliest[0] < 15*ms {
		t.Errorf("tokens after the quiet second are due between %v and %v", earliest, latest)
	}
	b.Feedback(true, time.Hour)
	await(t, "the cap of both", func() bool { return time.Until(a.Quiet()) > time.Second })
	if until := time.Until(a.Quiet()); until > 2*time.Second {
		t.Errorf("quiet for %v, capped at 2s", until)
	}
}

func TestAnAdaptiveRateIsFoundTogether(t *testing.T) {
	t.Parallel()
	url := "redis://" + dbtest.Redis(t).Addr
	rate := fleet.Rate{PerSecond: 100, Adaptive: true}
	all := make([]*fleet.Throttle, 10)
	for i := range all {
		all[i] = throttle(t, process(t, url), rate)
	}
	joined(t, 10, all...)
	late := starved(t)
	for _, th := range all { // one wave: ten answers, one cut
		th.Feedback(true, 0)
	}
	await(t, "all are cut", func() bool {
		return !slices.ContainsFunc(all, func(th *fleet.Throttle) bool { return th.Stats().Rate > 81 })
	})
	busy(t, late())
	if got := all[3].Stats().Rate; got < 79 {
		t.Errorf("cut to %v by one wave, want 80", got)
	}
	for range 160 { // two seconds' worth
		all[0].Feedback(false, 0)
	}
	await(t, "it grows for all", func() bool {
		return !slices.ContainsFunc(all, func(th *fleet.Throttle) bool { return th.Stats().Rate < 81.9 })
	})
	if got := all[3].Stats().Rate; got > 82.1 {
		t.Errorf("grown to %v in two seconds, want 82", got)
	}
}

func TestAProcessThatClosesLeavesTheOthersItsPart(t *testing.T) {
	t.Parallel()
	url := "redis://" + dbtest.Redis(t).Addr
	leaving := process(t, url)
	a, b := throttle(t, process(t, url), fleet.Rate{PerSecond: 100}), throttle(t, leaving, fleet.Rate{PerSecond: 100})
	joined(t, 2, a, b)
	if err := leaving.Close(); err != nil {
		t.Fatal(err)
	}
	joined(t, 1, a)
}

func TestNoKeyTellsASecretOrAClient(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	f := process(t, "redis://"+s.Addr)
	th := throttle(t, f, fleet.Rate{Name: "customer-name", PerSecond: 100})
	reserve(t, th, patient)
	hint, err := f.Hint(fleet.HintOptions{Name: "customer-name"})
	if err != nil {
		t.Fatal(err)
	}
	hint.Publish(time.Now().Add(time.Minute))
	in, err := f.Inbound("customer-name", limits.Rate{Requests: 1, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Allow(t.Context(), "198.51.100.7"); err != nil {
		t.Fatal(err)
	}
	c := open(t, "redis://"+s.Addr)
	var keys []string
	await(t, "all keys are there", func() bool {
		keys = c.Keys(t.Context(), "*").Val()
		return len(keys) == 4
	})
	channels := c.PubSubChannels(t.Context(), "*").Val()
	for _, key := range append(keys, channels...) {
		if !strings.HasPrefix(key, "asleep:") || strings.Contains(key, "customer") || strings.Contains(key, "198") || strings.Contains(key, canary.Key) {
			t.Errorf("key %s", key)
		}
		if ttl := c.PTTL(t.Context(), key).Val(); slices.Contains(keys, key) && ttl <= 0 {
			t.Errorf("key %s stays for ever: %v", key, ttl)
		}
	}
}

func TestAThrottleThatNeverSawRedisSaysSo(t *testing.T) {
	t.Parallel()
	f := hasty(t, "redis://127.0.0.1:1")
	th := throttle(t, f, fleet.Rate{PerSecond: 100})
	await(t, "it says so", func() bool {
		_, _, err := th.Reserve(t.Context(), 1, patient)
		return errors.Is(err, fleet.ErrAway)
	})
	known := throttle(t, f, fleet.Rate{Name: "known", PerSecond: 100, Members: 4})
	await(t, "it is away", func() bool { reserve(t, known, patient); return known.Stats().Away })
	if s := known.Stats(); s.Share != 25 {
		t.Errorf("a share of %v among 4, want 25", s.Share)
	}
}
