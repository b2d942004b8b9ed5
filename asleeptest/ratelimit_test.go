package asleeptest_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// accepted makes n requests and counts those that are not refused; it gives the
// last refusal.
func accepted(t *testing.T, s *asleeptest.Server, n int) (count int, refusal reply) {
	t.Helper()
	for range n {
		if r := get(t, s, "/ai/v1/users/user-0001"); r.status == http.StatusOK {
			count++
		} else {
			refusal = r
		}
	}
	return count, refusal
}

func TestTokenBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{
			Users: 1, RateLimit: asleeptest.RateLimit{Rate: 10, Burst: 5, RetryAfter: asleeptest.RetryAfterSeconds},
		})
		n, r := accepted(t, s, 8)
		if n != 5 || r.status != http.StatusForbidden || r.detail(t) != "Rate limit exceeded" || r.header.Get("Retry-After") != "1" {
			t.Errorf("%d accepted of a burst of 5, then %d %s %v", n, r.status, r.body, r.header)
		}
		time.Sleep(100*time.Millisecond - 1000)
		if n, _ := accepted(t, s, 1); n != 0 {
			t.Error("accepted before a token was there")
		}
		time.Sleep(1000)
		if n, _ := accepted(t, s, 2); n != 1 {
			t.Errorf("%d accepted for one token", n)
		}
		time.Sleep(time.Hour)
		if n, _ := accepted(t, s, 8); n != 5 {
			t.Errorf("%d accepted after an hour, want the burst", n)
		}
		total := 0
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			n, _ := accepted(t, s, 1)
			total += n
		}
		if total != 100 {
			t.Errorf("%d accepted in 10 s at 10/s", total)
		}
		st := s.Stats()
		if st.Accepted+st.Limited != st.Requests || st.Accepted != 5+1+5+100 {
			t.Errorf("counted %+v", st)
		}
	})
}

func TestFixedWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		s.SetRateLimit(asleeptest.RateLimit{
			Window: time.Minute, Burst: 3, Status: http.StatusTooManyRequests, RetryAfter: asleeptest.RetryAfterDate,
		})
		if n, _ := accepted(t, s, 2); n != 2 {
			t.Errorf("%d accepted", n)
		}
		time.Sleep(time.Minute - 1)
		n, r := accepted(t, s, 3)
		if n != 1 || r.status != http.StatusTooManyRequests || r.body != `{"message":"Too Many Requests"}` {
			t.Errorf("%d accepted at the end of the window, then %d %s", n, r.status, r.body)
		}
		if got := r.header.Get("Retry-After"); got != "Sat, 01 Jan 2000 00:01:00 GMT" {
			t.Errorf("Retry-After %q", got)
		}
		time.Sleep(1 * time.Nanosecond)
		if n, _ := accepted(t, s, 5); n != 3 {
			t.Errorf("%d accepted in the next window", n)
		}
		s.SetRateLimit(asleeptest.RateLimit{})
		if n, _ := accepted(t, s, 50); n != 50 {
			t.Errorf("%d of 50 accepted without a limit", n)
		}
	})
}

func TestRateLimitWithoutRetryAfter(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, RateLimit: asleeptest.RateLimit{Window: time.Hour, Burst: 1}})
	if n, r := accepted(t, s, 3); n != 1 || r.header.Values("Retry-After") != nil {
		t.Errorf("%d accepted, then %v", n, r.header)
	}
}

// Under a storm from many goroutines the bucket lets through what it should,
// and nothing races.
func TestRateLimitHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 3, RateLimit: asleeptest.RateLimit{Rate: 100, Burst: 100}})
		s.Inject(asleeptest.Fault{Latency: time.Millisecond, LatencyMax: 9 * time.Millisecond})
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 100 {
					get(t, s, "/data/v1/sessions", "x-user-id: user-0001")
				}
			})
		}
		start := time.Now()
		wg.Wait()
		st, most := s.Stats(), 100+int(time.Since(start).Seconds()*100)
		if st.Requests != 3200 || st.Accepted+st.Limited != 3200 || st.Accepted > most || st.Accepted < most-5 {
			t.Errorf("%+v, want %d accepted", st, most)
		}
		if st.Peak > 32 || st.Peak < 20 || st.InFlight != 0 {
			t.Errorf("peak %d, in flight %d", st.Peak, st.InFlight)
		}
	})
}
