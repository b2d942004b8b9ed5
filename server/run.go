package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Handler is what ADDR serves: deliveries, /live and /ready. It may be mounted in
// a server of the program's own, which then calls [Service.Start] and
// [Service.Stop].
func (s *Service) Handler() http.Handler { return s.public }

// AdminHandler is what ADMIN_ADDR serves: health, figures, the breaker, the inbox. It
// must not be reachable from outside.
func (s *Service) AdminHandler() http.Handler { return s.admin }

// Start begins to work events, and makes the service ready. Of the context the
// values are kept, its end means nothing.
func (s *Service) Start(ctx context.Context) {
	if s.worker != nil {
		s.worker.start(ctx)
	}
	s.phase.Store(int32(serving))
}

// Stop makes the service unready at once, lets the work under way finish, and hands
// the rest back, as long as ctx lasts. What was acknowledged and is not
// done yet is worked after the next start.
func (s *Service) Stop(ctx context.Context) error {
	s.phase.Store(int32(stopping))
	var err error
	if s.worker != nil {
		err = s.worker.end(ctx)
	}
	return errors.Join(err, s.upstream.close())
}

// Addresses are where a service listens.
type Addresses struct {
	Public, Admin net.Addr
}

// ListenError says that an address cannot be listened on.
type ListenError struct {
	Setting string // ADDR or ADMIN_ADDR
	Addr    string
	Err     error
}

// Error names the address and what is wrong with it.
func (e *ListenError) Error() string {
	return fmt.Sprintf("%s %q cannot be listened on: %v", e.Setting, e.Addr, e.Err)
}

// Unwrap is what the system says.
func (e *ListenError) Unwrap() error { return e.Err }

// Run listens on both addresses, calls announce, which may be nil, once they are
// bound, and serves until ctx ends. Then it is unready from the first moment,
// takes no more connections, lets the requests and the work under way finish within
// [Config].ShutdownTimeout, and returns nil if all of them did. ADMIN_ADDR
// answers to the end. Run can be called once.
//
// It also returns when serving fails, or announce does. A [ListenError] means that
// nothing was begun.
func (s *Service) Run(ctx context.Context, announce func(Addresses) error) error {
	public, err := listen(ctx, "ADDR", s.cfg.Addr)
	if err != nil {
		return err
	}
	admin, err := listen(ctx, "ADMIN_ADDR", s.cfg.AdminAddr)
	if err != nil {
		_ = public.Close()
		return err
	}
	ends := make(chan error, 2)
	sites := []*site{s.newSite(public, s.public), s.newSite(admin, s.admin)}
	for _, one := range sites {
		go func() { ends <- one.server.Serve(one.listener) }()
	}
	s.Start(ctx)
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("addr", public.Addr().String()),
		slog.String("admin_addr", admin.Addr().String()), slog.String("version", s.version))
	if announce != nil {
		err = announce(Addresses{Public: public.Addr(), Admin: admin.Addr()})
	}
	if err == nil {
		select {
		case err = <-ends:
			err = fmt.Errorf("serving has ended: %w", err)
		case <-ctx.Done():
		}
	}
	return errors.Join(err, s.shutdown(ctx, sites[0], sites[1]))
}

// shutdown ends what is at work, the way in and the workers side by side, the
// operators' last.
func (s *Service) shutdown(ctx context.Context, public, admin *site) error {
	s.phase.Store(int32(stopping))
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	s.log.InfoContext(ctx, "stopping", "within", s.cfg.ShutdownTimeout)
	var way, work error
	var both sync.WaitGroup
	both.Go(func() { way = public.end(ctx) })
	both.Go(func() { work = s.Stop(ctx) })
	both.Wait()
	err := errors.Join(way, work)
	if err != nil {
		s.log.ErrorContext(ctx, "stopped before everything had ended", "error", err, "after", time.Since(begun))
	} else {
		s.log.InfoContext(ctx, "stopped", "after", time.Since(begun))
	}
	_ = admin.server.Close() // whoever asks now has had the answers
	return err
}

// site is a server and where it listens.
type site struct {
	server   *http.Server
	listener net.Listener
}

// How long other things than reading a request may take, and how large a header may
// be: large enough for thousands of signatures to be refused as what they are.
const (
	headerTime = 5 * time.Second // to read the header
	writeTime  = time.Minute     // from the end of reading to the end of the answer
	idleTime   = 2 * time.Minute // between two requests of a connection
	maxHeader  = 512 << 10       // bytes
)

func (s *Service) newSite(l net.Listener, h http.Handler) *site {
	return &site{listener: l, server: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(headerTime, s.cfg.ReadTimeout),
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.ReadTimeout + writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // of broken connections
	}}
}

// end refuses new connections and waits for the requests under way.
func (p *site) end(ctx context.Context) error {
	if err := p.server.Shutdown(ctx); err != nil {
		return errors.Join(errors.New("requests under way were cut off"), p.server.Close())
	}
	return nil
}

func listen(ctx context.Context, setting, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, &ListenError{Setting: setting, Addr: addr, Err: err}
	}
	return l, nil
}
