//go:build unix

package cli_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
)

// weather is what befalls the parts of a service under load, and what is to be seen of
// it.
type weather struct {
	strike, mend func(*testing.T, *storm)

	parts  map[string]server.Status // how the health is to see them
	status server.Status
	ready  int

	// served are routes of which every answer is 200 once the storm has been noticed.
	served []string
	// lost is how many of a hundred of these may be missed: those who probe.
	lost int
}

// What a storm usually takes to be noticed, for how long it is watched from then on, how
// often, at most, until a watch finds all as it should be, and what it takes to be over after the parts
// are back. The latter two have room for a machine that is busy with other tests.
const (
	stormNoticed = 4 * time.Second
	stormLasts   = 2 * time.Second
	stormWatches = 15
	stormOver    = 45 * time.Second
)

var stormParts = []string{"stored night", "stored list", "stored statistics", "cached night", "list of the service", "delivery"}

// weathered has a service under load go through weather, and judges it in the middle of
// it, after it, and by what is in the database in the end.
func weathered(t *testing.T, w weather) {
	t.Helper()
	s := newStorm(t)
	s.ride(t, w)
	s.over(t)
}

func (s *storm) ride(t *testing.T, w weather) {
	t.Helper()
	s.calm(t, "before it")
	goroutines := s.figure(t, "go_goroutines")
	w.strike(t, s)
	s.phase()
	s.passes(stormNoticed)
	s.report("at first")
	flaws := s.watched(t, w)
	for n := 1; len(flaws) > 0 && n < stormWatches; n++ {
		t.Logf("watched again: %q", flaws)
		flaws = s.watched(t, w)
	}
	for _, flaw := range flaws {
		t.Error(flaw)
	}
	w.mend(t, s)
	begun := time.Now()
	s.calm(t, "after it")
	if took := s.watch.Took(begun); took > stormOver {
		t.Errorf("all was well again after %v", took)
	} else {
		t.Logf("all was well again after %v", took.Round(10*time.Millisecond))
	}
	eventually(t, "there are no more goroutines than before", func() bool { return s.figure(t, "go_goroutines") <= goroutines+20 })
}

// watched says what is not as it should be for a while in the middle of a storm.
func (s *storm) watched(t *testing.T, w weather) (flaws []string) {
	t.Helper()
	s.phase()
	s.passes(stormLasts)
	flaws = s.look(t, w)
	s.report("later")
	for _, route := range w.served {
		if seen := s.tally(route); seen.all() == 0 || (seen.all()-seen.statuses[http.StatusOK])*100 > w.lost*seen.all() {
			flaws = append(flaws, fmt.Sprintf("%s: %v from %v", route, seen.statuses, seen.sources))
		}
	}
	if seen := s.tally("delivery"); seen.all() == 0 || seen.most() > time.Second {
		flaws = append(flaws, fmt.Sprintf("deliveries take %v: %v", seen.most(), seen.statuses))
	}
	return flaws
}

// look compares what the service says of itself with what it went through.
func (s *storm) look(t *testing.T, w weather) (flaws []string) {
	t.Helper()
	h := s.health(t)
	if h.Status != w.status {
		flaws = append(flaws, fmt.Sprintf("the health is %s, want %s: %+v", h.Status, w.status, h.Checks))
	}
	for part, want := range w.parts {
		if got := h.Checks[part].Status; got != want {
			flaws = append(flaws, fmt.Sprintf("%s is %s, want %s", part, got, want))
		}
	}
	if got := get(t, s.url+"/ready", ""); got != w.ready {
		flaws = append(flaws, fmt.Sprintf("/ready answers %d, want %d", got, w.ready))
	}
	return flaws
}

// calm waits until every part is healthy and for a while everything is answered.
func (s *storm) calm(t *testing.T, when string) {
	t.Helper()
	eventually(t, "calm "+when, func() bool {
		if s.health(t).Status != server.Healthy {
			return false
		}
		s.phase()
		s.passes(200 * time.Millisecond)
		eventually(t, "all are answered", func() bool {
			return !slices.ContainsFunc(stormParts, func(route string) bool { return s.tally(route).all() == 0 })
		})
		for _, route := range stormParts {
			if seen := s.tally(route); seen.all() == 0 || seen.all() != seen.statuses[http.StatusOK] {
				return false
			}
		}
		return s.tally("stored night").sources["store"] > 0
	})
}

// over ends the load and finds every event that was acknowledged in the database.
func (s *storm) over(t *testing.T) {
	t.Helper()
	s.end()
	t.Logf("%d of %d answers were late", len(s.late), s.answers)
	if len(s.late) > s.answers/100 {
		t.Errorf("late were %.3000s", strings.Join(s.late, "\n"))
	}
	begun := time.Now()
	s.drained(t)
	t.Logf("all was worked after %v", time.Since(begun).Round(10*time.Millisecond))
	stored := s.stored(t)
	for _, session := range s.acked {
		if !stored[session] {
			t.Fatalf("%s was acknowledged and is not stored: %.2000s", session, s.page(t, "/inbox?ids=true&state=dead&limit=5"))
		}
	}
	mb := s.resident()
	t.Logf("%d events were acknowledged, %d sessions are stored, %.0f MB at most", len(s.acked), len(stored), mb)
	if mb > 100 && !raceEnabled {
		t.Errorf("it took %.0f MB", mb)
	}
}

// The routes that need neither the service nor, in the second case, the database.
var (
	ofTheStore = []string{"stored night", "stored list", "stored statistics", "cached night", "delivery", "/live"}
	ofTheCache = []string{"cached night", "list of the service", "/live"}
)

func upstreamStorm(strike func(*asleeptest.Server)) weather {
	return weather{
		strike: func(_ *testing.T, s *storm) { strike(s.fake) },
		mend:   func(_ *testing.T, s *storm) { s.fake.ClearFaults() },
		status: server.Degraded, parts: map[string]server.Status{"upstream": server.Degraded, "database": server.Healthy, "redis": server.Healthy},
		ready: http.StatusOK, served: ofTheStore,
	}
}

func postgresStorm(strike, mend func(*testing.T, *storm)) weather {
	return weather{
		strike: strike, mend: mend,
		status: server.Unhealthy, parts: map[string]server.Status{"upstream": server.Healthy, "database": server.Unhealthy, "redis": server.Healthy},
		ready: http.StatusServiceUnavailable, served: ofTheCache, lost: 5,
	}
}

func redisStorm(strike, mend func(*testing.T, *storm)) weather {
	return weather{
		strike: strike, mend: mend,
		status: server.Degraded, parts: map[string]server.Status{"upstream": server.Healthy, "database": server.Healthy, "redis": server.Degraded},
		ready: http.StatusOK, served: stormParts,
	}
}

func TestAServiceThatIsSlowIsWeathered(t *testing.T) {
	weathered(t, upstreamStorm(func(f *asleeptest.Server) { f.Inject(asleeptest.Fault{Latency: 5 * time.Second}) }))
}

func TestAServiceThatFailsIsWeathered(t *testing.T) {
	weathered(t, upstreamStorm(func(f *asleeptest.Server) { f.Inject(asleeptest.Fault{Status: http.StatusInternalServerError}) }))
}

func TestAServiceThatLiesIsWeathered(t *testing.T) {
	w := upstreamStorm(func(f *asleeptest.Server) {
		f.Inject(asleeptest.Fault{Status: http.StatusOK, Body: `<html>{"result": [[[`})
	})
	w.status, w.parts = server.Healthy, nil // it answers; what it says is judged by who asked
	weathered(t, w)
}

func TestAStalledPostgresIsWeathered(t *testing.T) {
	weathered(t, postgresStorm(func(_ *testing.T, s *storm) { s.postgres.Stall() }, func(_ *testing.T, s *storm) { s.postgres.Resume() }))
}

func TestAKilledPostgresIsWeathered(t *testing.T) {
	weathered(t, postgresStorm(func(_ *testing.T, s *storm) { s.postgres.Kill() }, func(t *testing.T, s *storm) { t.Helper(); s.postgres.Restart(t) }))
}

func TestAStalledRedisIsWeathered(t *testing.T) {
	weathered(t, redisStorm(func(_ *testing.T, s *storm) { s.redis.Stall() }, func(_ *testing.T, s *storm) { s.redis.Resume() }))
}

func TestAKilledRedisIsWeathered(t *testing.T) {
	weathered(t, redisStorm(func(_ *testing.T, s *storm) { s.redis.Kill() }, func(t *testing.T, s *storm) { t.Helper(); s.redis.Restart(t) }))
}

func TestEverythingAtOnceIsWeathered(t *testing.T) { weathered(t, allStorm()) }

// TestTheMemoryOfAServiceInAStorm is the same again, where memory is that of the program
// alone.
func TestTheMemoryOfAServiceInAStorm(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("the race detector multiplies the memory")
	}
	weathered(t, allStorm())
}

func allStorm() weather {
	return weather{
		strike: func(_ *testing.T, s *storm) {
			s.fake.Inject(asleeptest.Fault{Latency: 5 * time.Second})
			s.redis.Stall()
			s.postgres.Stall()
		},
		mend: func(_ *testing.T, s *storm) {
			s.fake.ClearFaults()
			s.redis.Resume()
			s.postgres.Resume()
		},
		status: server.Unhealthy, parts: map[string]server.Status{"upstream": server.Degraded, "database": server.Unhealthy, "redis": server.Degraded},
		ready: http.StatusServiceUnavailable, served: []string{"cached night", "/live"}, lost: 5,
	}
}
