//go:build unix

package fleet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/canary"
)

const ms = time.Millisecond

// slack is what a busy machine may add to a budget.
const slack = 150 * ms

func open(tb testing.TB, url string) redis.UniversalClient {
	tb.Helper()
	client, err := fleet.Open(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// process makes a fleet as another process would have it: with a client of its own. A
// machine that is busy with other tests is not taken for a Redis that is slow.
func process(tb testing.TB, url string) *fleet.Fleet {
	tb.Helper()
	mark := "?"
	if strings.Contains(url, "?") {
		mark = "&"
	}
	return over(tb, open(tb, url+mark+"read_timeout=2s&pool_timeout=2s"), 2*time.Second)
}

// hasty is a process with the budget that is the default.
func hasty(tb testing.TB, url string) *fleet.Fleet {
	tb.Helper()
	return over(tb, open(tb, url), 0)
}

func over(tb testing.TB, client redis.UniversalClient, budget time.Duration) *fleet.Fleet {
	tb.Helper()
	f, err := fleet.New(client, fleet.Options{Secret: canary.Key, Budget: budget})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func throttle(tb testing.TB, f *fleet.Fleet, r fleet.Rate) *fleet.Throttle {
	tb.Helper()
	t, err := f.Throttle(r)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// await polls until ok, for what only a real server decides.
func await(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(ms)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("it does not come about: %s", what)
		}
	}
}

// pause is a wait for what takes place in other processes.
func pause(tb testing.TB, d time.Duration) {
	tb.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-tb.Context().Done():
	}
}

// overlapping is by how many tokens the limit may be outdone when Redis has lost what was
// booked: those that others have booked since the first to come was there last.
const overlapping = 4

// excess is by how much what was sent at these times, in order, outdid rate*t + burst
// in the worst interval; it is negative if none did.
func excess(sent []time.Time, rate float64, burst int) (worst float64, from, to time.Time) {
	worst = float64(1 - burst)
	lowest, at := 0.0, 0
	for i, s := range sent {
		balance := float64(i) - rate*s.Sub(sent[0]).Seconds()
		if balance < lowest || i == 0 {
			lowest, at = balance, i
		}
		if over := balance - lowest + 1 - float64(burst); over > worst {
			worst, from, to = over, sent[at], s
		}
	}
	return worst, from, to
}

// starved is by how much the machine let a timer of this process be late until stop is
// called. What is measured meanwhile says nothing if that is much.
func starved(tb testing.TB) (stop func() time.Duration) {
	tb.Helper()
	done, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var most time.Duration
		tick := time.NewTicker(10 * ms)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-tick.C:
				most = max(most, time.Since(last)-10*ms)
				last = time.Now()
			case <-done:
				worst <- most
				return
			}
		}
	}()
	return func() time.Duration { close(done); return <-worst }
}

// busy skips a test whose measures were spoilt by a machine that stood still.
func busy(t *testing.T, late time.Duration) {
	t.Helper()
	if late > 60*ms {
		t.Skipf("the machine stood still for %v: nothing can be measured", late)
	}
}
