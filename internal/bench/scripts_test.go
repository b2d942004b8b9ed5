package bench_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/bench"
)

// statuses plays a script at the given times.
func statuses(script bench.Script, at ...time.Duration) (got []int) {
	for i, t := range at {
		got = append(got, script(bench.Attempt{N: i + 1, Since: t, Path: "/payload"}).Status)
	}
	return got
}

func TestOutageBeginsAndEndsWhenItSays(t *testing.T) {
	t.Parallel()
	const s = time.Second
	got := statuses(bench.Outage(2*s, 5*s), 0, 2*s-1, 2*s, 5*s-1, 5*s, 9*s)
	want := []int{200, 200, 503, 503, 200, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("statuses %v, want %v", got, want)
		}
	}
}

func TestFlakyFailsItsShareAndRepeatsItself(t *testing.T) {
	t.Parallel()
	const n = 20000
	a, b := bench.Flaky(0.2, 1), bench.Flaky(0.2, 1)
	failed := 0
	for i := range n {
		x, y := a(bench.Attempt{N: i}).Status, b(bench.Attempt{N: i}).Status
		if x != y {
			t.Fatalf("attempt %d: %d and %d of the same seed", i, x, y)
		}
		if x == http.StatusServiceUnavailable {
			failed++
		}
	}
	if share := float64(failed) / n; math.Abs(share-0.2) > 0.01 {
		t.Errorf("share of failures %.4f, want 0.2", share)
	}
}

func TestLimitIsATokenBucket(t *testing.T) {
	t.Parallel()
	script := bench.Limit{Rate: 100, Burst: 20, Status: 403, RetryAfter: "1", Service: 5 * time.Millisecond}.Script()
	accepted := func(n int, at time.Duration) (taken int) {
		for range n {
			answer := script(bench.Attempt{Since: at})
			switch answer.Status {
			case http.StatusOK:
				taken++
				if answer.After != 5*time.Millisecond || answer.RetryAfter != "" {
					t.Errorf("accepted with %+v", answer)
				}
			case http.StatusForbidden:
				if answer.RetryAfter != "1" || answer.After != 0 {
					t.Errorf("refused with %+v", answer)
				}
			default:
				t.Errorf("status %d", answer.Status)
			}
		}
		return taken
	}
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 20}, {100 * time.Millisecond, 10}, {150 * time.Millisecond, 5}, {time.Minute, 20}} {
		if got := accepted(50, c.at); got != c.want {
			t.Errorf("at %v: %d accepted, want %d", c.at, got, c.want)
		}
	}
}

func TestOtherScripts(t *testing.T) {
	t.Parallel()
	if got := statuses(bench.FirstFails(), 0, 0, 0, 0); got[0] != 503 || got[1] != 200 || got[2] != 503 || got[3] != 200 {
		t.Errorf("FirstFails: %v", got)
	}
	split := bench.GoodAndBad()
	if good, bad := split(bench.Attempt{Path: "/good"}), split(bench.Attempt{Path: "/bad"}); good.Status != 200 || bad.Status != 503 {
		t.Errorf("GoodAndBad: %d and %d", good.Status, bad.Status)
	}
	if a := bench.Away(429, "30")(bench.Attempt{}); a.Status != 429 || a.RetryAfter != "30" {
		t.Errorf("Away: %+v", a)
	}
	if a := bench.Slow(time.Second)(bench.Attempt{}); a.Status != 200 || a.After != time.Second {
		t.Errorf("Slow: %+v", a)
	}
}
