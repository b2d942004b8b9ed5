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
//	http_requests_in_progress
type Requests struct {
	group

	answers *prometheus.CounterVec
	took    *prometheus.HistogramVec
	running prometheus.Gauge
}

// NewRequests makes one.
func NewRequests() *Requests {
	r := &Requests{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests that were answered."}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "How long requests took to be answered.", Buckets: quick,
		}, []string{"method", "route"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_requests_in_progress", Help: "Requests under way."}),
	}
	r.group = group{r.answers, r.took, r.running}
	return r
}

// Begin notes that a request came. Every Begin has its End.
func (r *Requests) Begin() { r.running.Inc() }

// End notes that it was answered. Route is a template, never the path, and
// method one of those of HTTP: both are the caller's to keep few.
func (r *Requests) End(method, route string, status int, took time.Duration) {
	r.running.Dec()
	r.answers.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	r.took.WithLabelValues(method, route).Observe(took.Seconds())
}
