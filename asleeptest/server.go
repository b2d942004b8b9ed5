package asleeptest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/api"
)

// Server is a fake of the service. Its methods may be called at any time from
// any goroutine, also while requests are being answered. Make one with [New]
// or [NewServer]. It runs no goroutine unless it is started on a socket.
type Server struct {
	// URL is the base URL of a started server, such as http://127.0.0.1:4711,
	// without a slash at the end. Empty otherwise.
	URL string

	config  Config
	keys    map[[32]byte]bool
	zones   []*zone
	state   *state
	faults  *faults
	limiter limiter
	journal *journal
	binding api.ServerInterfaceWrapper
	shifts  atomic.Int64
	etags   atomic.Bool
	conns   atomic.Uint64

	mu      sync.Mutex
	running *http.Server
	stopped chan struct{} // closed when running serves no more
}

// New returns a server without a listener: use its [Server.Transport] or
// serve it as the http.Handler it is. It never fails; see [Config.Validate].
// Inside a synctest bubble, call New inside the bubble.
func New(config Config) *Server {
	config = config.withDefaults()
	s := &Server{
		config:  config,
		keys:    digests(config.APIKeys),
		zones:   loadZones(config.Zones),
		state:   newState(config.Seed),
		faults:  &faults{rand: random(config.Seed, saltFaults)},
		journal: newJournal(config.LogSize),
	}
	s.limiter.set(config.RateLimit)
	s.etags.Store(config.ETags)
	s.binding = api.ServerInterfaceWrapper{Handler: (*service)(s), ErrorHandlerFunc: rejectParameter}
	return s
}

// Start serves on a free port of the loopback interface, sets URL and returns
// it. Close ends it.
func (s *Server) Start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.URL, nil
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.running = s.HTTPServer()
	s.URL = "http://" + l.Addr().String()
	s.stopped = make(chan struct{})
	go func(srv *http.Server, stopped chan<- struct{}) {
		defer close(stopped)
		_ = srv.Serve(l) // until Close
	}(s.running, s.stopped)
	return s.URL, nil
}

// Close ends a started server and breaks its connections. It does nothing to
// one that was not started.
func (s *Server) Close() error {
	s.mu.Lock()
	srv, stopped := s.running, s.stopped
	s.running = nil
	s.mu.Unlock()
	if srv == nil {
		return nil
	}
	err := srv.Close()
	<-stopped
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// HTTPServer returns an http.Server that serves s on a listener of the
// caller's, tells its connections apart in the log, and is set up to break
// them. The caller runs and closes it.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			s.journal.connected()
			return context.WithValue(ctx, connKey{}, s.conns.Add(1))
		},
		// What goes wrong with a connection is what this server is for.
		ErrorLog: discardLog(),
	}
}

type connKey struct{}

// Inject sets a fault to work. Faults are tried in the order in which they
// were injected: delays add up, and the first other one that meets a request
// decides. A fault that is not valid does nothing and is listed among the
// [Server.Violations]. The function returned takes the fault away; it may be
// called several times.
func (s *Server) Inject(f Fault) (remove func()) {
	id, err := s.inject(f)
	if err != nil {
		s.journal.violated(Violation{Time: time.Now(), Problem: err.Error()})
		return func() {}
	}
	return func() { s.faults.remove(id) }
}

func (s *Server) inject(f Fault) (id int, err error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	f.Name, f.Header = f.name(), f.Header.Clone()
	return s.faults.add(f), nil
}

// Flaky meets the share p (0 to 1) of all requests with a fault of a kind
// drawn at random, each as likely as the next: [FlakyKinds], or those named.
// The draws follow Config.Seed. A share or a kind that is not valid does
// nothing and is listed among the [Server.Violations].
func (s *Server) Flaky(p float64, kinds ...string) (remove func()) {
	if err := checkFlaky(p, kinds); err != nil {
		s.journal.violated(Violation{Time: time.Now(), Problem: err.Error()})
		return func() {}
	}
	if len(kinds) == 0 {
		kinds = flakyKinds
	}
	var removes []func()
	for i, name := range kinds {
		f, err := Kind(name)
		if f.Probability = share(p, i, len(kinds)); err == nil && f.Probability > 0 {
			removes = append(removes, s.Inject(f))
		}
	}
	return func() {
		for _, remove := range removes {
			remove()
		}
	}
}

func checkFlaky(p float64, kinds []string) error {
	if math.IsNaN(p) || p < 0 || p > 1 {
		return fmt.Errorf("asleeptest: flaky share %v: want 0 to 1", p)
	}
	for _, name := range kinds {
		if _, err := Kind(name); err != nil {
			return err
		}
	}
	return nil
}

// share is the probability that the i-th of n faults in a row needs in order
// to meet p/n of all requests, given that those before it did not.
func share(p float64, i, n int) float64 {
	each := p / float64(n)
	return min(each/(1-each*float64(i)), 1)
}

// StartOutage answers every request with f, such as Unavailable(), until
// EndOutage. It goes before all other faults and the rate limit.
func (s *Server) StartOutage(f Fault) {
	if err := f.Validate(); err != nil {
		s.journal.violated(Violation{Time: time.Now(), Problem: err.Error()})
		return
	}
	f.Name = "outage"
	s.faults.outage(&f)
}

// EndOutage ends what StartOutage began.
func (s *Server) EndOutage() { s.faults.outage(nil) }

// ClearFaults takes all faults away, and ends an outage. The rate limit stays.
func (s *Server) ClearFaults() { s.faults.clear() }

// SetRateLimit replaces the rate limit; the zero value lifts it. One that is
// not valid changes nothing and is listed among the [Server.Violations].
func (s *Server) SetRateLimit(limit RateLimit) {
	if err := limit.validate(); err != nil {
		s.journal.violated(Violation{Time: time.Now(), Problem: err.Error()})
		return
	}
	s.limiter.set(limit)
}

// ShiftLists makes each of the next n pages of a list be followed by a new
// session of its user, so that the list shifts under offset paging. Empty
// pages do not count.
func (s *Server) ShiftLists(n int) { s.shifts.Store(int64(n)) }
