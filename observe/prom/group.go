package prom

import "github.com/prometheus/client_golang/prometheus"

const namespace = "asleep"

// group is several collectors as one.
type group []prometheus.Collector

// Describe implements [prometheus.Collector].
func (g group) Describe(out chan<- *prometheus.Desc) {
	for _, c := range g {
		c.Describe(out)
	}
}

// Collect implements [prometheus.Collector].
func (g group) Collect(out chan<- prometheus.Metric) {
	for _, c := range g {
		c.Collect(out)
	}
}

func counters(subsystem, name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

func histograms(subsystem, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets,
	}, labels)
}

// The buckets of what takes seconds, in seconds.
var (
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	slow  = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1800, 7200}
)

// snapshot is a collector that reads its figures when it is asked.
type snapshot struct {
	descs []*prometheus.Desc
	read  func(put func(at int, value float64, labels ...string))
	kinds []prometheus.ValueType
}

// figure is one line of a snapshot.
type figure struct {
	kind   prometheus.ValueType
	name   string
	help   string
	labels []string
}

// newSnapshot reads figures, which read puts by their places.
func newSnapshot(subsystem string, figures []figure, read func(put func(at int, value float64, labels ...string))) *snapshot {
	s := &snapshot{read: read}
	for _, f := range figures {
		s.descs = append(s.descs, prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, f.name), f.help, f.labels, nil))
		s.kinds = append(s.kinds, f.kind)
	}
	return s
}

// Describe implements [prometheus.Collector].
func (s *snapshot) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *snapshot) Collect(out chan<- prometheus.Metric) {
	s.read(func(at int, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(s.descs[at], s.kinds[at], value, labels...)
	})
}
