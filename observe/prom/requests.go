package prom

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts what a server answered, under the names that dashboards expect:
//
//	http_requests_total{method,route,status}
//	http_request_duration_seconds{method,route}
//	http_requests_in_progress{method,route}
//	http_request_limit_decisions_total{limit,decision,scope}
//
// Routes are templates, never paths, and methods those of HTTP: both are the caller's to
// keep few, whatever clients send. A limit, what it decided (allowed, refused, failed) and in
// which scope (shared, process) are its own words too.
type Requests struct {
	group

	answers, decisions *prometheus.CounterVec
	took               *prometheus.HistogramVec
	running            *prometheus.GaugeVec
}

// NewRequests makes one.
func NewRequests() *Requests {
	r := &Requests{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests that were answered."}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "How long requests took to be answered.", Buckets: quick,
		}, []string{"method", "route"}),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "http_requests_in_progress", Help: "Requests under way."}, []string{"method", "route"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_request_limit_decisions_total", Help: "What limits said to requests.",
		}, []string{"limit", "decision", "scope"}),
	}
	r.group = group{r.answers, r.took, r.running, r.decisions}
	return r
}

// Begin notes that a request came, and returns what notes its answer, which has to be
// called once.
func (r *Requests) Begin(method, route string) (end func(status int)) {
	begun := time.Now()
	running := r.running.WithLabelValues(method, route)
	running.Inc()
	return func(status int) {
		running.Dec()
		r.answers.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		r.took.WithLabelValues(method, route).Observe(time.Since(begun).Seconds())
	}
}

// Decided notes what a limit said to a request.
func (r *Requests) Decided(limit, decision, scope string) {
	r.decisions.WithLabelValues(limit, decision, scope).Inc()
}
