package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// Lazy is a handler that makes its service when the first request asks for more
// than /live: for functions that are started for a request and live as long as
// requests come. One request makes it while the others wait; where that fails they are
// answered 503, and a later one tries again.
//
// Such a process may be frozen between requests, and work behind the inbox only
// goes on while it is not: a function for readers sets [Webhooks].Enabled false. Make
// one with [NewLazy].
type Lazy struct {
	open  func(context.Context) (*Service, error)
	log   *slog.Logger
	first http.Handler // of requests while there is no service

	opening chan struct{} // held by who makes the service
	service atomic.Pointer[Service]
	failed  atomic.Int64 // when opening failed last, in nanoseconds since begun; 0: never
	begun   time.Time
	ending  sync.Once
}

// openAgain is how long after a failure it is tried again.
const openAgain = time.Second

// NewLazy makes a handler. open makes a service over a store that it opens; its context
// is that of the request, without its end. Failures of it are logged to log, which may
// be nil, and answered without their text.
func NewLazy(open func(context.Context) (*Service, error), log *slog.Logger) *Lazy {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Lazy{open: open, log: log, opening: make(chan struct{}, 1), begun: time.Now()}
	l.first = chain(http.HandlerFunc(l.begin), []layer{
		{"request id", identify},
		{"headers", secure},
		{"process time", timeProcess},
	})
	return l
}

// ServeHTTP answers as [Service.Handler] does.
func (l *Lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s := l.service.Load(); s != nil {
		s.Handler().ServeHTTP(w, r)
		return
	}
	l.first.ServeHTTP(w, r)
}

// begin answers a request that came before the service was there.
func (l *Lazy) begin(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/live" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		answer(w, http.StatusOK, map[string]string{"status": "live"})
		return
	}
	s := l.make(r.Context())
	if s == nil {
		w.Header().Set("Retry-After", "1")
		webhook.WriteProblem(w, r, http.StatusServiceUnavailable, codeUnavailable, "the server could not be started: try again later")
		return
	}
	s.Handler().ServeHTTP(w, r)
}

// make makes the service, or waits for it; nil if it cannot be had now.
func (l *Lazy) make(ctx context.Context) *Service {
	select {
	case l.opening <- struct{}{}:
		defer func() { <-l.opening }()
	case <-ctx.Done():
		return nil
	}
	if s := l.service.Load(); s != nil {
		return s
	}
	if at := l.failed.Load(); at != 0 && time.Since(l.begun)-time.Duration(at) < openAgain {
		return nil
	}
	s, err := l.open(context.WithoutCancel(ctx))
	if err != nil {
		l.failed.Store(int64(max(1, time.Since(l.begun))))
		l.log.ErrorContext(ctx, "the service could not be made", "error", err)
		return nil
	}
	s.Start(ctx)
	l.service.Store(s)
	return s
}

// Stop ends the service as [Service.Stop] does, if there is one.
func (l *Lazy) Stop(ctx context.Context) (err error) {
	l.ending.Do(func() {
		if s := l.service.Load(); s != nil {
			err = s.Stop(ctx)
		}
	})
	return err
}
