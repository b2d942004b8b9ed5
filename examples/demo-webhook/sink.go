package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// sink is the reader's own service, which is notified.
type sink struct {
	URL string

	server *http.Server
	mu     sync.Mutex
	seen   map[string]int // by the id of the notification
}

func newSink() *sink {
	s := &sink{seen: map[string]int{}}
	s.server = &http.Server{Handler: s} //nolint:gosec // for a moment, on this machine
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.URL = "http://127.0.0.1:0" // nobody will be told, and await says so
		return s
	}
	s.URL = "http://" + l.Addr().String()
	go func() { _ = s.server.Serve(l) }()
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[r.Header.Get("Webhook-Id")]++
	w.WriteHeader(http.StatusNoContent)
}

// Close ends it.
func (s *sink) Close() { _ = s.server.Close() }

// await waits for a number of different notifications.
func (s *sink) await(ctx context.Context, n int) error {
	return poll(ctx, "notifications", func() bool { return s.different() >= n })
}

func (s *sink) different() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *sink) all() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.seen {
		n += times
	}
	return n
}
