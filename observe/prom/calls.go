package prom

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asleep-sdk/asleep/client"
)

// Calls counts the calls of a client and the attempts that they take:
//
//	asleep_api_calls_total{op,result}             result "ok" or what it failed of
//	asleep_api_call_duration_seconds{op}          with all attempts and waits
//	asleep_api_attempts_total{op,class}           requests on the wire
//	asleep_api_attempt_duration_seconds{op}
//	asleep_api_events_total{kind}                 retries, waits, rate limits, changes of the breaker
//	asleep_api_calls_in_progress
type Calls struct {
	group

	calls, attempts, events *prometheus.CounterVec
	callTime, attemptTime   *prometheus.HistogramVec
	running                 prometheus.Gauge
}

// NewCalls makes one. It may serve several clients.
func NewCalls() *Calls {
	const api = "api"
	c := &Calls{
		calls:       counters(api, "calls_total", "Calls to the service that have ended, by their result.", "op", "result"),
		attempts:    counters(api, "attempts_total", "Requests sent to the service, by what the answer meant.", "op", "class"),
		events:      counters(api, "events_total", "What happened between the attempts of calls.", "kind"),
		callTime:    histograms(api, "call_duration_seconds", "How long calls took, attempts and waits together.", slow, "op"),
		attemptTime: histograms(api, "attempt_duration_seconds", "How long single requests took.", quick, "op"),
		running:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: api, Name: "calls_in_progress", Help: "Calls under way."}),
	}
	c.group = group{c.calls, c.attempts, c.events, c.callTime, c.attemptTime, c.running}
	return c
}

// Hooks are those to give to the client.
func (c *Calls) Hooks() client.Hooks {
	return client.Hooks{
		OperationStart: func(context.Context, *client.Operation) context.Context {
			c.running.Inc()
			return nil
		},
		OperationEnd: func(_ context.Context, op *client.Operation) {
			c.running.Dec()
			result := op.ErrorType
			if result == "" {
				result = "ok"
			}
			c.calls.WithLabelValues(op.Op, result).Inc()
			c.callTime.WithLabelValues(op.Op).Observe(op.Duration.Seconds())
		},
		AttemptEnd: func(_ context.Context, op *client.Operation, a *client.Attempt) {
			c.attempts.WithLabelValues(op.Op, a.Class).Inc()
			c.attemptTime.WithLabelValues(op.Op).Observe(a.Duration.Seconds())
		},
		Event: func(_ context.Context, _ *client.Operation, e client.Event) {
			c.events.WithLabelValues(e.Kind).Inc()
		},
	}
}

// NewPolicies reads the breakers, the throttle, the bulkhead and the retry budget
// of a client:
//
//	asleep_breaker_state{breaker,state}            1 for the state that it is in
//	asleep_breaker_opened_total{breaker}
//	asleep_breaker_refused_total{breaker}
//	asleep_throttle_rate                           and _waiting, _cuts_total, _closed_seconds
//	asleep_bulkhead_in_flight                      and _limit, _queued{lane}
//	asleep_retry_budget_tokens                     and _refused_total
func NewPolicies(stats func() client.Stats) prometheus.Collector {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	figures := []figure{
		{gauge, "breaker_state", "1 for the state that the breaker is in.", []string{"breaker", "state"}},
		{counter, "breaker_opened_total", "Times that the breaker opened.", []string{"breaker"}},
		{counter, "breaker_refused_total", "Calls that the open breaker refused.", []string{"breaker"}},
		{gauge, "throttle_rate", "Attempts a second that may leave now.", nil},
		{gauge, "throttle_waiting", "Attempts that wait for their token.", nil},
		{counter, "throttle_cuts_total", "Times that the rate was cut.", nil},
		{gauge, "throttle_closed_seconds", "How long the service has asked to be left alone.", nil},
		{gauge, "bulkhead_in_flight", "Attempts under way.", nil},
		{gauge, "bulkhead_limit", "The most attempts under way.", nil},
		{gauge, "bulkhead_queued", "Calls that wait for a slot.", []string{"lane"}},
		{gauge, "retry_budget_tokens", "Retries that can be paid now.", nil},
		{counter, "retry_budget_refused_total", "Retries that could not be paid.", nil},
	}
	return newSnapshot("", figures, func(put func(int, float64, ...string)) {
		s := stats()
		for _, b := range s.Breakers {
			for _, state := range breakerStates {
				put(0, one(b.State == state), b.Name, state)
			}
			put(1, float64(b.Opened), b.Name)
			put(2, float64(b.Refused), b.Name)
		}
		put(3, s.Throttle.Rate)
		put(4, float64(s.Throttle.Waiting))
		put(5, float64(s.Throttle.Cuts))
		put(6, max(0, time.Until(s.Throttle.GateUntil).Seconds()))
		put(7, float64(s.Bulkhead.InFlight))
		put(8, float64(s.Bulkhead.Limit))
		put(9, float64(s.Bulkhead.QueuedInteractive), "interactive")
		put(9, float64(s.Bulkhead.QueuedBatch), "batch")
		put(10, s.Budget.Tokens)
		put(11, float64(s.Budget.Refused))
	})
}

var breakerStates = []string{"closed", "half_open", "open", "forced_open", "forced_closed"}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
