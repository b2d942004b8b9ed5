package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkLayers measures what the layers add to a request, beside the bare
// handler.
func BenchmarkLayers(b *testing.B) {
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	f, err := newFigures()
	if err != nil {
		b.Fatal(err)
	}
	logging := &Service{log: slog.New(slog.NewJSONHandler(io.Discard, nil)), figures: f} //nolint:sloglint // what it costs to write is measured
	silent := &Service{log: slog.New(slog.DiscardHandler), figures: f}
	m := newRouter()
	m.all("/webhook", bare)
	for name, h := range map[string]http.Handler{"bare": bare, "silent": chain(m, silent.layers(m)), "logging": chain(m, logging.layers(m))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/webhook", http.NoBody))
			}
		})
	}
}

// BenchmarkHealth measures an answer of /health that nobody has to be asked for.
func BenchmarkHealth(b *testing.B) {
	s := &Service{log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"database", "disk", "inbox", "upstream", "breaker"} {
		c := Check{Name: name, Every: 1 << 60, Ask: func(context.Context) error { return nil }}
		s.monitors = append(s.monitors, newMonitor(c, s.noteHealth))
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Health(b.Context())
	}
}
