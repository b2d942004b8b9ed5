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
	"github.com/asleep-sdk/asleep/internal/standstill"
)

const ms = time.Millisecond

// slack is what a busy machine may add to a budget, and less than what anything costs that
// has no budget: a client that waits, a poll.
const slack = 400 * ms

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
	return over(tb, open(tb, url+mark+"read_timeout=1m&write_timeout=1m&pool_timeout=1m&dial_timeout=1m"), time.Minute)
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
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Minute)
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

// starved is for how long at a stretch the machine let this process stand still, when it
// is asked. What was measured meanwhile says nothing if that is much.
func starved(tb testing.TB) func() time.Duration {
	tb.Helper()
	watch, begun := standstill.For(tb), time.Now()
	return func() time.Duration { return watch.Longest(begun) }
}

// busy skips a test whose measures were spoilt by a machine that stood still.
func busy(t *testing.T, late time.Duration) {
	t.Helper()
	if late > 60*ms {
		t.Skipf("the machine stood still for %v: nothing can be measured", late)
	}
}
