package prom

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Page is a registry of its own and the page that Prometheus reads of it, in the
// text format or in OpenMetrics.
type Page struct {
	registry *prometheus.Registry
	handler  http.Handler
}

// scrapes bounds how many readers are served at once.
const scrapes = 4

// NewPage makes a page with the figures of the Go runtime and of the process.
func NewPage() *Page {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Page{registry: r, handler: promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapes, EnableOpenMetrics: true,
	})}
}

// Register adds collectors to the page. The error tells of those that were
// there before, or have the names of others; the rest is added.
func (p *Page) Register(list ...prometheus.Collector) error {
	var problems []error
	for _, c := range list {
		problems = append(problems, p.registry.Register(c))
	}
	return errors.Join(problems...)
}

// ServeHTTP serves the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
