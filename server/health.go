package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Health is how the service is. It names parts and says nothing about their
// insides.
type Health struct {
	Status        Status          `json:"status"`
	Version       string          `json:"version"`
	UptimeSeconds float64         `json:"uptime_seconds"`
	Timestamp     time.Time       `json:"timestamp"`
	Checks        map[string]Part `json:"checks"`
}

// Part is how one part is.
type Part struct {
	Status Status `json:"status"`
}

// Health asks the checks; it takes a second at most, and costs nothing where the
// answers are fresh.
func (s *Service) Health(ctx context.Context) Health {
	h := Health{
		Status: Healthy, Version: s.version, Timestamp: time.Now().UTC(),
		UptimeSeconds: time.Since(s.begun).Round(time.Millisecond).Seconds(),
		Checks:        make(map[string]Part, len(s.monitors)),
	}
	found := s.find(ctx, func(Check) bool { return true })
	for i, m := range s.monitors {
		h.Checks[m.check.Name] = Part{Status: found[i]}
		h.Status = worse(h.Status, found[i])
	}
	return h
}

// find asks those checks that are wanted, side by side.
func (s *Service) find(ctx context.Context, wanted func(Check) bool) []Status {
	found := make([]Status, len(s.monitors))
	var wg sync.WaitGroup
	for i, m := range s.monitors {
		if wanted(m.check) {
			wg.Go(func() { found[i] = m.find(ctx) })
		}
	}
	wg.Wait()
	return found
}

func worse(a, b Status) Status {
	for _, s := range []Status{Unhealthy, Degraded} {
		if a == s || b == s {
			return s
		}
	}
	return Healthy
}

func (s *Service) health(w http.ResponseWriter, r *http.Request) {
	h := s.Health(r.Context())
	status := http.StatusOK
	if h.Status == Unhealthy {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, h)
}

// noteHealth logs that a part changed.
func (s *Service) noteHealth(name string, from, to Status, err error) {
	level := slog.LevelWarn
	if to == Healthy {
		level = slog.LevelInfo
	}
	s.log.LogAttrs(context.Background(), level, "health changed",
		slog.String("check", name), slog.String("from", string(from)), slog.String("to", string(to)), slog.Any("error", err))
}

// phase is how far the service has come in its life.
type phase int32

const (
	starting phase = iota
	serving
	stopping
)

func (p phase) String() string { return [...]string{"starting", "ready", "stopping"}[p] }

// live tells that the process answers.
func (s *Service) live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "live"})
}

// readiness is an answer of /ready.
type readiness struct {
	Status string   `json:"status"`
	Parts  []string `json:"parts,omitempty"` // that are unhealthy
}

// readyTime is how long /ready waits for news of a part before it tells what it knew
// last: less than those who ask are used to wait.
const readyTime = 300 * time.Millisecond

// ready tells whether events should be sent here: the service is neither beginning nor
// ending, and what it cannot do without works.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	p := phase(s.phase.Load())
	answered := readiness{Status: p.String()}
	if p == serving {
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		if answered.Parts = s.broken(ctx); len(answered.Parts) > 0 {
			answered.Status = string(Unhealthy)
		}
	}
	status := http.StatusOK
	if answered.Status != serving.String() {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, answered)
}

// broken are the critical parts that do not work.
func (s *Service) broken(ctx context.Context) (names []string) {
	found := s.find(ctx, func(c Check) bool { return c.Critical })
	for i, m := range s.monitors {
		if found[i] == Unhealthy {
			names = append(names, m.check.Name)
		}
	}
	return names
}
