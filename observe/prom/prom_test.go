package prom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/observe/prom"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// registered is a registry of what is to be looked at.
func registered(t *testing.T, list ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range list {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// has wants lines among those of a registry, in the text format.
func has(t *testing.T, r *prometheus.Registry, lines ...string) {
	t.Helper()
	page := page(r)
	for _, line := range lines {
		if !strings.Contains("\n"+page, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, page)
		}
	}
}

func page(c prometheus.Gatherer) string {
	families, err := c.Gather()
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			fmt.Fprintf(&b, "%s %v\n", name, value)
		}
	}
	return b.String()
}

func TestCallsAreCountedByWhatTheyCameTo(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	calls := prom.NewCalls()
	c, err := client.New("key", client.WithBaseURL(srv.URL), client.WithHooks(calls.Hooks()),
		client.WithRetry(client.Retry{Attempts: 2, Base: time.Millisecond, Max: time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	r := registered(t, calls, prom.NewPolicies(c.Stats))
	srv.Inject(asleeptest.Fault{Status: http.StatusBadGateway, Times: 1})
	for _, user := range []string{"user-0001", "user-0404"} {
		_, _ = c.User(t.Context(), user)
	}
	has(t, r,
		`asleep_api_calls_total{op="getUser",result="ok"} 1`,
		`asleep_api_calls_total{op="getUser",result="terminal"} 1`,
		`asleep_api_attempts_total{class="transient",op="getUser"} 1`,
		`asleep_api_attempts_total{class="ok",op="getUser"} 1`,
		`asleep_api_events_total{kind="retry"} 1`,
		`asleep_api_calls_in_progress 0`,
		`asleep_api_call_duration_seconds{op="getUser"} 2`,
		`asleep_api_attempt_duration_seconds{op="getUser"} 3`,
		`asleep_breaker_state{breaker="upstream",state="closed"} 1`,
		`asleep_breaker_state{breaker="upstream",state="open"} 0`,
		`asleep_throttle_rate 10`,
		`asleep_bulkhead_limit 16`,
	)
	if text := page(r); strings.Contains(text, "user-0") {
		t.Errorf("a label names a user:\n%s", text)
	}
}

func TestWebhooksAreCountedFromTheDeliveryToTheEnd(t *testing.T) {
	t.Parallel()
	inbox, err := memory.New().Inbox()
	if err != nil {
		t.Fatal(err)
	}
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{"new", "old"}, Keys: []string{"key"}})
	if err != nil {
		t.Fatal(err)
	}
	deliveries, work := prom.NewDeliveries(), prom.NewWork()
	receiver, err := webhook.NewReceiver(inbox, v, webhook.WithObserver(deliveries.Observe))
	if err != nil {
		t.Fatal(err)
	}
	worked := make(chan struct{})
	processor, err := webhook.NewProcessor(inbox, []webhook.Step{webhook.Handle("mine", webhook.HandlerFunc(func(context.Context, *webhook.Task) error { return nil }))},
		webhook.WithProcessorObserver(func(o webhook.Observation) {
			if work.Observe(o); o.Moment == webhook.EventEnded {
				close(worked)
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	r := registered(t, deliveries, work, prom.NewReceiver(receiver.Stats), prom.NewProcessor(processor.Stats), prom.NewInbox(inbox.Depth))
	for secret, status := range map[string]int{"old": http.StatusOK, "foreign": http.StatusUnauthorized} {
		request, err := webhook.Sender{Key: "key", Secret: secret}.NewRequest(t.Context(), "http://x/", `{"event":"X","user_id":"user-0001"}`)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, request); w.Code != status {
			t.Fatalf("answered %d", w.Code)
		}
	}
	has(t, r, `asleep_inbox_up 1`, `asleep_inbox_events{state="ready"} 1`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- processor.Run(ctx) }()
	<-worked
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	has(t, r,
		`asleep_webhook_deliveries_total{code="stored",kind="other",scheme="signature",status="200"} 1`,
		`asleep_webhook_deliveries_total{code="unauthorized",kind="",scheme="",status="401"} 1`,
		`asleep_webhook_delivery_duration_seconds 2`,
		`asleep_webhook_credential_accepted_total{place="0",type="secret"} 0`,
		`asleep_webhook_credential_accepted_total{place="1",type="secret"} 1`,
		`asleep_webhook_in_flight 0`,
		`asleep_pipeline_steps_total{kind="other",outcome="ok",step="mine"} 1`,
		`asleep_pipeline_events_total{kind="other",outcome="done"} 1`,
		`asleep_pipeline_event_age_seconds 1`,
		`asleep_pipeline_closed{step="mine"} 0`,
		`asleep_pipeline_inbox_away 0`,
		`asleep_inbox_events{state="ready"} 0`,
	)
	if text := page(r); strings.Contains(text, "user-0001") {
		t.Errorf("a label names a user:\n%s", text)
	}
}

func TestAnInboxThatDoesNotAnswerLeavesItsFiguresOut(t *testing.T) {
	t.Parallel()
	var bounded bool
	r := registered(t, prom.NewInbox(func(ctx context.Context) (store.Depth, error) {
		_, bounded = ctx.Deadline()
		return store.Depth{Ready: 7}, errors.New("away")
	}))
	if text := page(r); text != "asleep_inbox_up 0\n" || !bounded {
		t.Errorf("%s, bounded: %v", text, bounded)
	}
}

func TestTheNamesFollowTheRulesOfPrometheus(t *testing.T) {
	t.Parallel()
	requests := prom.NewRequests()
	requests.Begin("GET", "/x/{id}")(200)
	requests.Begin("GET", "/y")
	requests.Decided("sessions", "refused", "shared")
	deliveries, work := prom.NewDeliveries(), prom.NewWork()
	deliveries.Observe(webhook.Delivery{Status: 200})
	work.Observe(webhook.Observation{Moment: webhook.StepEnded})
	work.Observe(webhook.Observation{Moment: webhook.EventEnded, Outcome: "done"})
	work.Observe(webhook.Observation{Moment: webhook.GateClosed})
	r := registered(t, requests, deliveries, work, prom.NewCalls(),
		prom.NewPolicies(func() client.Stats {
			return client.Stats{Breakers: []client.BreakerStats{{Name: "upstream", State: "open"}}}
		}),
		prom.NewReceiver(func() webhook.ReceiverStats { return webhook.ReceiverStats{} }),
		prom.NewProcessor(func() webhook.ProcessorStats { return webhook.ProcessorStats{Lanes: make([]webhook.LaneStats, 1)} }),
		prom.NewInbox(func(context.Context) (store.Depth, error) {
			return store.Depth{Oldest: time.Now().Add(-time.Minute)}, nil
		}))
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	has(t, r, `http_requests_total{method="GET",route="/x/{id}",status="200"} 1`, `http_requests_in_progress{method="GET",route="/x/{id}"} 0`, `http_requests_in_progress{method="GET",route="/y"} 1`,
		`http_request_limit_decisions_total{decision="refused",limit="sessions",scope="shared"} 1`,
		`asleep_breaker_state{breaker="upstream",state="open"} 1`)
}

func TestAPageIsARegistryOfItsOwn(t *testing.T) {
	t.Parallel()
	one, other := prom.NewPage(), prom.NewPage()
	calls := prom.NewCalls()
	for _, p := range []*prom.Page{one, other} {
		if err := p.Register(calls); err != nil {
			t.Error(err)
		}
	}
	if err := one.Register(prom.NewRequests(), calls); err == nil {
		t.Error("twice the same is no error")
	}
	w := httptest.NewRecorder()
	one.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"go_goroutines", "asleep_api_calls_in_progress 0"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n, err := testutil.GatherAndCount(prometheus.DefaultGatherer, "asleep_api_calls_in_progress"); err != nil || n != 0 {
		t.Errorf("the global registry has it %d times, %v", n, err)
	}
}
