package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// sink is the reader's own service, which is notified.
type sink struct {
	URL string

	server *http.Server
	mu     sync.Mutex
	seen   map[string]int // by the id of the notification
}

func newSink(ctx context.Context) (*sink, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{URL: "http://" + l.Addr().String(), seen: map[string]int{}}
	s.server = &http.Server{Handler: s, ReadTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
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
