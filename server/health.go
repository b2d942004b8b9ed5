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
	found := make([]Status, len(s.monitors))
	var wg sync.WaitGroup
	for i, m := range s.monitors {
		wg.Go(func() { found[i] = m.find(ctx) })
	}
	wg.Wait()
	for i, m := range s.monitors {
		h.Checks[m.check.Name] = Part{Status: found[i]}
		h.Status = worse(h.Status, found[i])
	}
	return h
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

// ready tells whether events should be sent here.
func (s *Service) ready(w http.ResponseWriter, _ *http.Request) {
	status, p := http.StatusOK, phase(s.phase.Load())
	if p != serving {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]string{"status": p.String()})
}
