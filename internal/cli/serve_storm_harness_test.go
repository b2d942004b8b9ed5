//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

const stormKey = "storm-read-key-0123456789abcdef"

// How long answers may take in a storm: what the settings below say, and a little on a
// machine that runs all parts at once. What the machine stands still is not counted, and
// one answer in a hundred may be later.
const (
	stormRead = 2 * time.Second // READ_API_TIMEOUT; statistics and summaries take twice that
	stormPut  = 4 * time.Second // the receiver's
	leeway    = 2 * time.Second
)

// storm is `asleep serve` with all its parts: PostgreSQL, Redis, and a fake of the
// service.
type storm struct {
	*service

	tb       testing.TB
	watch    *standstill.Watch
	fake     *asleeptest.Server
	postgres *dbtest.Cluster
	redis    *dbtest.Server
	database string
	routes   []stormRoute
	since    atomic.Pointer[time.Time] // answers to earlier questions are not counted

	mu      sync.Mutex
	seen    map[string]*stormTally // by route
	acked   []string
	answers int
	late    []string // those that took too long
	stop    chan struct{}
	ending  sync.Once
	senders sync.WaitGroup
}

// stormRoute is what one reader asks for, again and again.
type stormRoute struct {
	name, path string
	within     time.Duration
}

// stormTally is what came of a route since the storm's last phase began.
type stormTally struct {
	statuses map[int]int
	sources  map[string]int
	took     []time.Duration
}

func newStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{tb: t, watch: standstill.For(t), stop: make(chan struct{})}
	s.fake = asleeptest.NewServer(t, asleeptest.Config{Users: 3, SessionsPerUser: 3, Ordinary: true})
	s.postgres, s.redis = dbtest.Postgres(t), dbtest.Redis(t)
	s.database = s.postgres.Database(t)
	stored := s.keep(t, "user-0001")
	cached := s.fake.Sessions("user-0002")[0].ID
	s.routes = []stormRoute{
		{"stored night", "/api/sessions/" + stored, stormRead},
		{"stored list", "/api/users/user-0001/sessions", stormRead},
		{"stored statistics", "/api/statistics?user_id=user-0001&period=daily", 2 * stormRead},
		{"cached night", "/api/users/user-0002/sessions/" + cached, stormRead},
		{"list of the service", "/api/users/user-0003/sessions?source=upstream", stormRead},
	}
	s.service = newSite(t, "DATABASE_URL="+s.database, "REDIS_URL=redis://"+s.redis.Addr, "ASLEEP_BASE_URL="+s.fake.URL,
		"READ_API_KEYS="+stormKey, "READ_API_TIMEOUT="+stormRead.String(), "RATE_LIMIT_ENABLED=false", "CACHE_TTL_SECONDS=1",
		"CIRCUIT_BREAKER_RESET_TIMEOUT=1s", "LOG_LEVEL=warn").serve(t, "--rate", "1000")
	s.phase()
	s.begin()
	t.Cleanup(s.end) // before the parts are stopped
	return s
}

// keep puts the nights of a user into the database.
func (s *storm) keep(t *testing.T, user string) (id string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), s.database, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, n := range s.fake.Sessions(user) {
		report, _ := s.fake.Report(n.ID, "UTC")
		session, err := store.FromReport(user, report, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Sessions().Put(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		id = n.ID
	}
	return id
}

// stormPace is how often each sender comes: enough to have the parts used all the
// time, and not so much that the machine is what is measured.
const stormPace = 10 * time.Millisecond

// begin sends: two readers a route, eight who deliver, and one each who asks whether it
// lives and how it is.
func (s *storm) begin() {
	for _, r := range s.routes {
		for range 2 {
			s.every(stormPace, s.reader(r))
		}
	}
	var n atomic.Int64
	for range 8 {
		s.every(stormPace, s.deliverer(&n))
	}
	s.every(100*time.Millisecond, s.prober("/live", s.url+"/live", time.Second))
	s.every(100*time.Millisecond, s.prober("/ready", s.url+"/ready", time.Second))
	s.every(100*time.Millisecond, s.prober("/health", s.admin+"/health", time.Second))
	s.every(100*time.Millisecond, s.prober("/circuit-breaker/status", s.admin+"/circuit-breaker/status", time.Second))
}

func (s *storm) every(pace time.Duration, do func()) {
	s.senders.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				do()
			}
		}
	})
}

// end stops the senders; no answer is missing then. It may be called again.
func (s *storm) end() {
	s.ending.Do(func() { close(s.stop) })
	s.senders.Wait()
}

// phase begins to count anew.
func (s *storm) phase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.since.Store(&now)
	s.seen = map[string]*stormTally{}
}

// passes waits for a part of the storm to pass.
func (s *storm) passes(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func (s *storm) tally(route string) stormTally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.seen[route]; t != nil {
		return stormTally{statuses: maps.Clone(t.statuses), sources: maps.Clone(t.sources), took: slices.Clone(t.took)}
	}
	return stormTally{}
}

func (t stormTally) all() (n int) {
	for _, of := range t.statuses {
		n += of
	}
	return n
}

// most is the time within which nine in ten were answered.
func (t stormTally) most() time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(t.took))
	return took[len(took)*9/10]
}

// report says what came of every route.
func (s *storm) report(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.seen)) {
		t := s.seen[name]
		s.tb.Logf("%-8s %-24s %v %v, 90 %% within %v", phase, name, t.statuses, t.sources, t.most().Round(time.Millisecond))
	}
}

func (s *storm) note(route string, begun time.Time, status int, source string) {
	if begun.Before(*s.since.Load()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.seen[route]
	if t == nil {
		t = &stormTally{statuses: map[int]int{}, sources: map[string]int{}}
		s.seen[route] = t
	}
	t.statuses[status]++
	if source != "" {
		t.sources[source]++
	}
	t.took = append(t.took, s.watch.Took(begun))
}

// exchange sends a request and judges what every answer has to be, whatever else is the
// matter: there, in time, of the one form. A service that stood still with its machine
// may have hung up meanwhile, or have given up.
func (s *storm) exchange(route string, c *http.Client, r *http.Request, within time.Duration, statuses ...int) (status int) {
	begun := time.Now()
	answer, err := c.Do(r)
	if err != nil {
		select {
		case <-s.stop:
		default:
			if s.watch.Since(begun) < stoodStill {
				s.tb.Errorf("%s: no answer: %v", route, err)
			}
		}
		return 0
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	took, stood := s.watch.Took(begun), s.watch.Since(begun) >= stoodStill
	s.note(route, begun, answer.StatusCode, answer.Header.Get("X-Source"))
	switch {
	case err != nil && stood, stood && answer.StatusCode == http.StatusRequestTimeout:
	case err != nil:
		s.tb.Errorf("%s: the answer broke off: %v", route, err)
	case !slices.Contains(statuses, answer.StatusCode):
		s.tb.Errorf("%s: answered %d: %.300s", route, answer.StatusCode, body)
	default:
		s.mu.Lock()
		s.answers++
		if took > within+leeway {
			s.late = append(s.late, fmt.Sprintf("%s: answered %d after %v: %.300s", route, answer.StatusCode, took, body))
		}
		s.mu.Unlock()
		if flaw := formOf(answer, body); flaw != "" {
			s.tb.Errorf("%s: %d has %s: %v %.300s", route, answer.StatusCode, flaw, answer.Header, body)
		}
	}
	return answer.StatusCode
}

// formOf says what is wrong with the form of an answer.
func formOf(answer *http.Response, body []byte) string {
	var p struct{ Code, Message, Timestamp, RequestID, Status string }
	h := answer.Header
	switch {
	case h.Get("X-Request-Id") == "" || h.Get("X-Content-Type-Options") != "nosniff":
		return "not all headers"
	case answer.StatusCode == http.StatusNotModified:
		return ""
	case h.Get("Content-Type") != "application/json":
		return "another content type"
	case json.Unmarshal([]byte(strings.ReplaceAll(string(body), `"request_id"`, `"RequestID"`)), &p) != nil:
		return "no JSON"
	case answer.StatusCode < 400 || p.Status != "":
		return "" // /ready and /health tell in their own form
	case p.Code == "" || p.Message == "" || p.Timestamp == "" || p.RequestID != h.Get("X-Request-Id"):
		return "no problem in the one form"
	case answer.StatusCode >= 503 && h.Get("Retry-After") == "":
		return "no Retry-After"
	}
	return ""
}

func (s *storm) reader(r stormRoute) func() {
	h := newHook(s.tb, "")
	return func() {
		request, _ := http.NewRequest(http.MethodGet, s.url+r.path, http.NoBody)
		request.Header.Set("X-Api-Key", stormKey)
		s.exchange(r.name, h.client, request, r.within, 200, 502, 503, 504)
	}
}

func (s *storm) deliverer(next *atomic.Int64) func() {
	h := newHook(s.tb, hookSecret)
	return func() {
		n := next.Add(1)
		session := fmt.Sprintf("storm-%d", n)
		request, err := h.sender.NewRequest(s.tb.Context(), s.url+"/webhook", completed(fmt.Sprintf("sleeper-%d", n%50), session))
		if err != nil {
			return // the test has ended
		}
		if s.exchange("delivery", h.client, request, stormPut, 200, 503) == http.StatusOK {
			s.mu.Lock()
			s.acked = append(s.acked, session)
			s.mu.Unlock()
		}
	}
}

func (s *storm) prober(route, url string, within time.Duration) func() {
	h := newHook(s.tb, "")
	return func() {
		request, _ := http.NewRequest(http.MethodGet, url, http.NoBody)
		statuses := []int{200, 503}
		if route == "/live" || route == "/circuit-breaker/status" {
			statuses = statuses[:1]
		}
		s.exchange(route, h.client, request, within, statuses...)
	}
}

// stored are the sessions in the database.
func (s *storm) stored(t *testing.T) map[string]bool {
	t.Helper()
	db, err := postgres.Open(t.Context(), s.database, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string]bool{}
	for session, err := range store.All(t.Context(), db.Sessions(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[session.ID] = true
	}
	return all
}

// resident is the most memory that the service has held, in MB; 0 where that is not known.
func (p *service) resident() float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kb float64
	_, _ = fmt.Sscan(rest, &kb)
	return kb / 1000
}
