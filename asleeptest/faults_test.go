package asleeptest_test

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// statuses makes n requests for a user and lists the answers.
func statuses(t *testing.T, s *asleeptest.Server, user string, n int) []int {
	t.Helper()
	var out []int
	for range n {
		out = append(out, get(t, s, "/ai/v1/users/"+user).status)
	}
	return out
}

func with(f asleeptest.Fault, change func(*asleeptest.Fault)) asleeptest.Fault {
	change(&f)
	return f
}

func TestFaultsMeetWhatTheyName(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 1})
	session := truth(s, "user-0001")[0]
	requests := map[string]func() int{
		"getUser 1": func() int { return get(t, s, "/ai/v1/users/user-0001").status },
		"getUser 2": func() int { return get(t, s, "/ai/v1/users/user-0002").status },
		"list 1":    func() int { return get(t, s, "/data/v1/sessions", "x-user-id: user-0001").status },
		"session 1": func() int { return get(t, s, "/data/v3/sessions/"+session, "x-user-id: user-0001").status },
	}
	for name, c := range map[string]struct {
		fault asleeptest.Fault
		meets []string
	}{
		"all":     {asleeptest.Fault{}, []string{"getUser 1", "getUser 2", "list 1", "session 1"}},
		"op":      {asleeptest.Fault{Op: asleeptest.GetUser}, []string{"getUser 1", "getUser 2"}},
		"user":    {asleeptest.Fault{User: "user-0001"}, []string{"getUser 1", "list 1", "session 1"}},
		"both":    {asleeptest.Fault{User: "user-0001", Op: asleeptest.ListSessions}, []string{"list 1"}},
		"session": {asleeptest.Fault{Session: session}, []string{"session 1"}},
		"path":    {asleeptest.Fault{Path: "/ai/v1/users/user-0002"}, []string{"getUser 2"}},
		"prefix":  {asleeptest.Fault{Path: "/data/*"}, []string{"list 1", "session 1"}},
		"method":  {asleeptest.Fault{Method: http.MethodDelete}, nil},
	} {
		c.fault.Status = http.StatusInternalServerError
		remove := s.Inject(c.fault)
		for request, send := range requests {
			if met := send() == http.StatusInternalServerError; met != slices.Contains(c.meets, request) {
				t.Errorf("%s: %s is met: %v", name, request, met)
			}
		}
		remove()
		remove()
	}
	if got := statuses(t, s, "user-0001", 1); got[0] != http.StatusOK {
		t.Error("a fault is still at work after it was taken away")
	}
}

func TestFaultsMeetAsOftenAsTheySay(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	s.Inject(asleeptest.Fault{Status: 500, Skip: 1, Times: 2})
	s.Inject(asleeptest.Fault{Status: 502, Times: 1})
	if got, want := statuses(t, s, "user-0001", 6), []int{502, 500, 500, 200, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	s.Inject(asleeptest.Fault{Name: "half", Status: 503, Probability: 0.5})
	statuses(t, s, "user-0001", 1000)
	if n := s.Stats().Failed["half"]; n < 420 || n > 580 {
		t.Errorf("met %d of 1000, want about 500", n)
	}
}

// A fault with a window begins and ends by the clock: an outage that nobody
// has to switch off.
func TestFaultsHaveTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		s.Inject(with(asleeptest.Unavailable(), func(f *asleeptest.Fault) { f.After, f.For = time.Minute, 30*time.Second }))
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 200}, {time.Minute - 1, 200}, {1, 503}, {30*time.Second - 1, 503}, {1, 200}, {time.Hour, 200}} {
			time.Sleep(step.wait)
			if got := statuses(t, s, "user-0001", 1)[0]; got != step.want {
				t.Errorf("after %s: %d, want %d", step.wait, got, step.want)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		time.Sleep(time.Millisecond)
		for want, change := range map[string]func(*asleeptest.Fault){
			"30":                            func(f *asleeptest.Fault) { f.RetryAfter = "30" },
			"9223372037":                    func(f *asleeptest.Fault) { f.RetryAfter = "9223372037" },
			"Sat, 01 Jan 2000 00:01:01 GMT": func(f *asleeptest.Fault) { f.RetryAt = time.Minute },
			"":                              func(*asleeptest.Fault) {},
		} {
			remove := s.Inject(with(asleeptest.RateLimited(), change))
			r := get(t, s, "/ai/v1/users/user-0001")
			if got := r.header.Get("Retry-After"); got != want || r.status != 403 || r.detail(t) != "Rate limit exceeded" {
				t.Errorf("Retry-After %q, want %q, with %d %s", got, want, r.status, r.body)
			}
			remove()
		}
	})
}

func TestOutageGoesBeforeEverything(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, RateLimit: asleeptest.RateLimit{Window: time.Hour, Burst: 1}})
	s.Inject(asleeptest.Fault{Status: 500, Skip: 1})
	s.StartOutage(asleeptest.BadGateway())
	if got, want := statuses(t, s, "user-0001", 2), []int{502, 502}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	s.EndOutage()
	if got, want := statuses(t, s, "user-0001", 2), []int{200, 500}; !slices.Equal(got, want) {
		t.Errorf("after: %v, want %v", got, want)
	}
	if n := s.Stats().Failed["outage"]; n != 2 {
		t.Errorf("counted %d", n)
	}
}

// The mix meets the share it is told, with every kind about as often as the
// next, and two servers of one seed alike.
func TestFlaky(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := func(seed uint64) map[string]int {
			s := asleeptest.New(asleeptest.Config{Users: 1, Seed: seed})
			remove := s.Flaky(0.26)
			for range 5000 {
				get(t, s, "/ai/v1/users/user-0001")
			}
			failed := s.Stats().Failed
			remove()
			if got := statuses(t, s, "user-0001", 20); slices.ContainsFunc(got, func(status int) bool { return status != 200 }) {
				t.Errorf("after: %v", got)
			}
			return failed
		}
		failed, total := run(1), 0
		for _, kind := range asleeptest.FlakyKinds() {
			if n := failed[kind]; n < 60 || n > 140 {
				t.Errorf("%s met %d of 5000, want about 100", kind, n)
			}
			total += failed[kind]
		}
		if total < 1150 || total > 1450 {
			t.Errorf("%d of 5000 requests met, want about 1300", total)
		}
		a, b := run(1), run(2)
		if !equalCounts(failed, a) || equalCounts(failed, b) {
			t.Errorf("seed 1: %v and %v, seed 2: %v", failed, a, b)
		}
	})
}

func equalCounts(a, b map[string]int) bool {
	for _, kind := range asleeptest.FlakyKinds() {
		if a[kind] != b[kind] {
			return false
		}
	}
	return true
}

func TestFlakyAlwaysWithOneKind(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	s.Flaky(1, "garbage", "500")
	for range 20 {
		if r := get(t, s, "/ai/v1/users/user-0001"); r.status == 200 && json.Valid([]byte(r.body)) {
			t.Errorf("an answer came through: %s", r.body)
		}
	}
}

// Orders that make no sense change nothing and are seen by the test.
func TestBadOrdersAreViolations(t *testing.T) {
	t.Parallel()
	for want, order := range map[string]func(*asleeptest.Server){
		"op \"fly\"":       func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 500, Op: "fly"})() },
		"probability 7":    func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 500, Probability: 7}) },
		"probability NaN":  func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 500, Probability: math.NaN()}) },
		"status 99":        func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 99}) },
		"times -1":         func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 500, Times: -1}) },
		"negative":         func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Latency: -1}) },
		"reset \"never\"":  func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Reset: "never"}) },
		"cut \"off\"":      func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Cut: "off"}) },
		"want one":         func(s *asleeptest.Server) { s.Inject(asleeptest.Fault{Status: 500, RetryAfter: "1", RetryAt: 1}) },
		"status 12":        func(s *asleeptest.Server) { s.StartOutage(asleeptest.Fault{Status: 12}) },
		"called \"x\"":     func(s *asleeptest.Server) { s.Flaky(0.5, "500", "x") },
		"share 2":          func(s *asleeptest.Server) { s.Flaky(2) },
		"rate -3":          func(s *asleeptest.Server) { s.SetRateLimit(asleeptest.RateLimit{Rate: -3}) },
		"status 500":       func(s *asleeptest.Server) { s.SetRateLimit(asleeptest.RateLimit{Rate: 1, Status: 500}) },
		"and no burst":     func(s *asleeptest.Server) { s.SetRateLimit(asleeptest.RateLimit{Window: 1}) },
		"form \"minutes\"": func(s *asleeptest.Server) { s.SetRateLimit(asleeptest.RateLimit{Rate: 1, RetryAfter: "minutes"}) },
	} {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		order(s)
		if v := s.Violations(); len(v) != 1 || !strings.Contains(v[0].String(), want) {
			t.Errorf("want %s: %v", want, v)
		}
		if got := statuses(t, s, "user-0001", 1); got[0] != 200 {
			t.Errorf("%s had an effect: %v", want, got)
		}
	}
}

func TestEveryKindIsValid(t *testing.T) {
	t.Parallel()
	for _, name := range asleeptest.Kinds() {
		f, err := asleeptest.Kind(name)
		if err != nil || f.Validate() != nil || f.Name != name {
			t.Errorf("%s: %+v, %v, %v", name, f, err, f.Validate())
		}
	}
	if _, err := asleeptest.Kind("nonsense"); err == nil || !strings.Contains(err.Error(), "reset_after") {
		t.Errorf("unknown kind: %v", err)
	}
	for want, f := range map[string]asleeptest.Fault{
		"403_quota_exceeded": asleeptest.QuotaExceeded(), "403_plan_expired": asleeptest.PlanExpired(), "403_rate_limit": asleeptest.RateLimited(),
		"403_token_invalid": asleeptest.TokenInvalid(), "403_gateway_message": asleeptest.Forbidden(), "429_gateway_message": asleeptest.TooManyRequests(),
		"503_empty": asleeptest.Unavailable(), "502": asleeptest.BadGateway(), "500": asleeptest.ServerError(),
	} {
		if f.Name != want {
			t.Errorf("%s is called %s", want, f.Name)
		}
	}
}

// Changing a fault that was injected, or one that Kind gave, changes no other.
func TestFaultsAreCopies(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	f := asleeptest.Fault{Status: 500, Header: http.Header{"X-Test": {"a"}}}
	s.Inject(f)
	f.Header.Set("X-Test", "b")
	if got := get(t, s, "/ai/v1/users/user-0001").header.Get("X-Test"); got != "a" {
		t.Errorf("header %q", got)
	}
	with(asleeptest.RateLimited(), func(f *asleeptest.Fault) { f.Status = 599 })
	if asleeptest.RateLimited().Status != http.StatusForbidden {
		t.Error("a kind was changed")
	}
}
