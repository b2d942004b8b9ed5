package prom

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// Deliveries counts what a [webhook.Receiver] answered:
//
//	asleep_webhook_deliveries_total{status,code,kind,scheme}
//	asleep_webhook_delivery_duration_seconds
//	asleep_webhook_delivery_bytes_total
type Deliveries struct {
	group

	answers *prometheus.CounterVec
	took    *prometheus.HistogramVec
	bytes   *prometheus.CounterVec
}

// NewDeliveries makes one.
func NewDeliveries() *Deliveries {
	d := &Deliveries{
		answers: counters("webhook", "deliveries_total", "Deliveries that were answered.", "status", "code", "kind", "scheme"),
		took:    histograms("webhook", "delivery_duration_seconds", "How long deliveries took to be answered.", quick),
		bytes:   counters("webhook", "delivery_bytes_total", "Bytes of bodies that were read."),
	}
	d.group = group{d.answers, d.took, d.bytes}
	return d
}

// Observe is for [webhook.WithObserver].
func (d *Deliveries) Observe(o webhook.Delivery) {
	d.answers.WithLabelValues(strconv.Itoa(o.Status), o.Code, string(o.Kind), string(o.Scheme)).Inc()
	d.took.WithLabelValues().Observe(o.Duration.Seconds())
	d.bytes.WithLabelValues().Add(float64(o.Bytes))
}

// NewReceiver reads a receiver:
//
//	asleep_webhook_in_flight
//	asleep_webhook_backlog                                   upper estimate
//	asleep_webhook_credential_accepted_total{type,place}     place 0 is the first of the configuration
func NewReceiver(stats func() webhook.ReceiverStats) prometheus.Collector {
	figures := []figure{
		{prometheus.GaugeValue, "in_flight", "Deliveries under way.", nil},
		{prometheus.GaugeValue, "backlog", "Events that are not done, estimated from above.", nil},
		{prometheus.CounterValue, "credential_accepted_total", "Deliveries that a secret or key made authentic; when an old one stands still, it can go.", []string{"type", "place"}},
	}
	return newSnapshot("webhook", figures, func(put func(int, float64, ...string)) {
		s := stats()
		put(0, float64(s.InFlight))
		put(1, float64(s.Backlog))
		for i, use := range s.Verifier.Secrets {
			put(2, float64(use.Accepted), "secret", strconv.Itoa(i))
		}
		for i, use := range s.Verifier.Keys {
			put(2, float64(use.Accepted), "key", strconv.Itoa(i))
		}
	})
}

// Work counts what a [webhook.Processor] does:
//
//	asleep_pipeline_steps_total{step,kind,outcome}
//	asleep_pipeline_step_duration_seconds{step}
//	asleep_pipeline_events_total{kind,outcome}
//	asleep_pipeline_event_age_seconds        from receipt to done
//	asleep_pipeline_incidents_total{moment,step}
type Work struct {
	group

	steps, events, incidents *prometheus.CounterVec
	stepTime, age            *prometheus.HistogramVec
}

// NewWork makes one.
func NewWork() *Work {
	const pipeline = "pipeline"
	w := &Work{
		steps:     counters(pipeline, "steps_total", "Steps that have ended.", "step", "kind", "outcome"),
		events:    counters(pipeline, "events_total", "Events that were worked, by what became of them.", "kind", "outcome"),
		incidents: counters(pipeline, "incidents_total", "Outages and other incidents of the workers.", "moment", "step"),
		stepTime:  histograms(pipeline, "step_duration_seconds", "How long steps took.", quick, "step"),
		age:       histograms(pipeline, "event_age_seconds", "How old events were when they were done.", slow),
	}
	w.group = group{w.steps, w.events, w.incidents, w.stepTime, w.age}
	return w
}

// Observe is for [webhook.WithProcessorObserver].
func (w *Work) Observe(o webhook.Observation) {
	switch o.Moment {
	case webhook.StepEnded:
		w.steps.WithLabelValues(o.Step, string(o.Kind), o.Outcome).Inc()
		w.stepTime.WithLabelValues(o.Step).Observe(o.Duration.Seconds())
	case webhook.EventEnded:
		w.events.WithLabelValues(string(o.Kind), o.Outcome).Inc()
		if o.Outcome == "done" {
			w.age.WithLabelValues().Observe(o.Age.Seconds())
		}
	default:
		w.incidents.WithLabelValues(string(o.Moment), o.Step).Inc()
	}
}

// NewProcessor reads a processor:
//
//	asleep_pipeline_held{lane}       events in hand; "" is the lane of all steps without a schedule
//	asleep_pipeline_stuck
//	asleep_pipeline_closed{step}     1 while what the step needs is away
//	asleep_pipeline_inbox_away       1 while the inbox cannot be used
func NewProcessor(stats func() webhook.ProcessorStats) prometheus.Collector {
	figures := []figure{
		{prometheus.GaugeValue, "held", "Events in the hands of workers.", []string{"lane"}},
		{prometheus.GaugeValue, "stuck", "Steps that did not return when they had to.", nil},
		{prometheus.GaugeValue, "closed", "1 while what the step needs is away.", []string{"step"}},
		{prometheus.GaugeValue, "inbox_away", "1 while the inbox cannot be used.", nil},
	}
	return newSnapshot("pipeline", figures, func(put func(int, float64, ...string)) {
		s := stats()
		for _, l := range s.Lanes {
			put(0, float64(l.Held), l.Step)
		}
		put(1, float64(s.Stuck))
		for _, g := range s.Gates {
			put(2, one(g.Closed), g.Step)
		}
		put(3, one(!s.Away.IsZero()))
	})
}

// depthTime bounds how long a page waits for the inbox.
const depthTime = time.Second

// NewInbox reads how full an inbox is, within a second:
//
//	asleep_inbox_up                       0 if it does not answer; the others are missing then
//	asleep_inbox_events{state}            ready, delayed, leased, dead
//	asleep_inbox_oldest_seconds           age of the oldest that is neither done nor dead
func NewInbox(depth func(context.Context) (store.Depth, error)) prometheus.Collector {
	figures := []figure{
		{prometheus.GaugeValue, "up", "1 if the inbox answers.", nil},
		{prometheus.GaugeValue, "events", "Events in the inbox that are not done.", []string{"state"}},
		{prometheus.GaugeValue, "oldest_seconds", "Age of the oldest event that is neither done nor dead.", nil},
	}
	return newSnapshot("inbox", figures, func(put func(int, float64, ...string)) {
		ctx, cancel := context.WithTimeout(context.Background(), depthTime)
		defer cancel()
		d, err := depth(ctx)
		put(0, one(err == nil))
		if err != nil {
			return
		}
		put(1, float64(d.Ready), "ready")
		put(1, float64(d.Delayed), "delayed")
		put(1, float64(d.Leased), "leased")
		put(1, float64(d.Dead), "dead")
		age := 0.0
		if !d.Oldest.IsZero() {
			age = max(0, time.Since(d.Oldest).Seconds())
		}
		put(2, age)
	})
}
