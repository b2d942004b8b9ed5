package server_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

// against is a configuration whose service is a fake.
func against(srv *asleeptest.Server) server.Config {
	cfg := configured()
	cfg.Upstream.BaseURL = srv.URL
	return cfg
}

func TestHealthNamesThePartsAndNothingOfTheirInsides(t *testing.T) {
	t.Parallel()
	b := newBench(t, against(asleeptest.NewServer(t, asleeptest.Config{Users: 1})), server.WithFile(t.TempDir()+"/asleep.db"),
		server.WithCheck(server.Check{Name: "redis", Ask: func(context.Context) error { return errors.New("dial tcp 10.1.2.3:6379") }}))
	w := b.admin(http.MethodGet, "/health", "")
	text := w.Body.String()
	h := decode[server.Health](t, w.Body)
	if w.Code != http.StatusOK || h.Status != server.Degraded || h.Version != "v1.2.3" || h.Timestamp.IsZero() || h.UptimeSeconds < 0 {
		t.Errorf("%d %+v", w.Code, h)
	}
	for name, want := range map[string]server.Status{
		"database": server.Healthy, "redis": server.Degraded, "upstream": server.Healthy, "breaker": server.Healthy, "disk": server.Healthy, "inbox": server.Healthy,
	} {
		if h.Checks[name].Status != want {
			t.Errorf("%s is %q, want %q", name, h.Checks[name].Status, want)
		}
	}
	if strings.Contains(text, "10.1.2.3") {
		t.Errorf("it tells %s", text)
	}
	if !strings.Contains(b.log.String(), "10.1.2.3") {
		t.Error("the log does not say what is wrong with Redis")
	}
}

func TestADatabaseThatIsAwayIsUnhealthy(t *testing.T) {
	t.Parallel()
	db := memory.New()
	s, err := server.New(configured(), db)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w := ask(s.AdminHandler(), http.MethodGet, "http://localhost/health", "")
	if h := decode[server.Health](t, w.Body); w.Code != http.StatusServiceUnavailable || h.Status != server.Unhealthy || h.Checks["database"].Status != server.Unhealthy {
		t.Errorf("%d %+v", w.Code, h)
	}
}

func TestTroubleOfTheServiceOnlyDegrades(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]asleeptest.Fault{
		"down":        {Status: http.StatusServiceUnavailable},
		"hanging":     {Latency: time.Hour},
		"no answer":   {Reset: asleeptest.ResetBefore},
		"plan over":   asleeptest.PlanExpired(),
		"quota used":  asleeptest.QuotaExceeded(),
		"key refused": {Status: http.StatusUnauthorized, Body: `{"detail":"Unauthorized"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
			srv.Inject(fault)
			b := newBench(t, against(srv))
			h := b.Health(t.Context())
			if h.Status != server.Degraded || h.Checks["upstream"].Status != server.Degraded {
				t.Errorf("%+v", h)
			}
			if w := b.admin(http.MethodGet, "/health", ""); w.Code != http.StatusOK {
				t.Errorf("answered %d", w.Code)
			}
			if strings.Contains(b.log.String(), apiKey) {
				t.Error("the key is in the log")
			}
		})
	}
}

func TestAskingForTheHealthInALoopLoadsNobody(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	b := newBench(t, against(srv))
	for range 500 {
		_ = b.admin(http.MethodGet, "/health", "")
	}
	if n := srv.Stats().Requests; n > 3 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestTheServiceIsReadyFromItsStartToItsStop(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	ready := func(want int, say string) {
		t.Helper()
		for _, h := range []http.Handler{b.Handler(), b.AdminHandler()} {
			if w := ask(h, http.MethodGet, "http://localhost/ready", ""); w.Code != want || !strings.Contains(w.Body.String(), say) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, want, say)
			}
			if w := ask(h, http.MethodGet, "http://localhost/live", ""); w.Code != http.StatusOK {
				t.Errorf("not live: %d", w.Code)
			}
		}
	}
	ready(503, "starting")
	b.Start(t.Context())
	ready(200, "ready")
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	ready(503, "stopping")
}

func TestTheBreakerIsShown(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	cfg := against(srv)
	cfg.Upstream.BreakerFailures = 1
	srv.Inject(asleeptest.Fault{Status: http.StatusBadGateway})
	b := newBench(t, cfg)
	_ = b.Health(t.Context())
	status := decode[struct{ Breakers []server.Breaker }](t, b.admin(http.MethodGet, "/circuit-breaker/status", "").Body)
	if len(status.Breakers) != 3 || status.Breakers[0].State != "open" || status.Breakers[0].Opened != 1 || status.Breakers[0].Until.IsZero() {
		t.Errorf("%+v", status)
	}
	if w := b.admin(http.MethodGet, "/metrics", ""); !strings.Contains(w.Body.String(), `asleep_breaker_state{breaker="upstream",state="open"} 1`) {
		t.Error("the figures do not show it")
	}
}
