package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/guarded"
	"github.com/asleep-sdk/asleep/webhook"
)

// Service is a receiver with what stands around it. Make one with [New].
type Service struct {
	cfg      Config
	log      *slog.Logger
	version  string
	begun    time.Time
	file     string       // what fileID says of the database
	phase    atomic.Int32 // a phase
	token    atomic.Pointer[Secret]
	monitors []*monitor

	reloading sync.Mutex

	front    *guarded.Store // the store, for who waits for an answer
	db       store.Store    // without its guard, for what works in the background and waits itself
	inbox    store.Inbox    // of db; nil without webhooks
	upstream *upstream
	verifier *webhook.Verifier
	receiver *webhook.Receiver
	worker   *worker
	figures  *figures

	reads         *readAPI
	public, admin http.Handler
}

// Option configures a [Service]. Of the same one the last wins, but
// [WithCheck] and [WithSteps] add.
type Option func(*settings)

type settings struct {
	log      *slog.Logger
	version  string
	checks   []Check
	notifier webhook.Notifier
	steps    []webhook.Step
	file     string
	cache    *cache.Cache
	verifier TokenVerifier
	limits   LimitsMaker
}

// WithLogger has the service log what happens: exchanges, changes of its health,
// and what its parts do. Neither bodies nor secrets are in any line, and user ids as
// digests, unless [Config].LogUserIDs says otherwise. Nil, the default, is
// silent.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithVersion is what /health calls the version of the program.
func WithVersion(version string) Option { return func(s *settings) { s.version = version } }

// WithCheck adds a part to the health.
func WithCheck(c Check) Option { return func(s *settings) { s.checks = append(s.checks, c) } }

// WithFile tells the file of the database, where there is one: the room on its disk
// becomes part of the health, and requests about another inbox are refused.
func WithFile(path string) Option { return func(s *settings) { s.file = path } }

// WithCache answers calls to the service from c in place of 32 MB of memory, if
// [Config].Caching allows it, and takes back what c has of a user, in every process that
// shares it, when news of that user has been stored. Events are never confirmed from it.
// It remains the caller's to close, after the service has ended.
func WithCache(c *cache.Cache) Option { return func(s *settings) { s.cache = c } }

// WithNotifier hands notifications to n, such as a function of the program,
// instead of posting them to [Config].Notify.
func WithNotifier(n webhook.Notifier) Option { return func(s *settings) { s.notifier = n } }

// WithSteps adds steps of the program to what is done about every event, between the
// store and the notification.
func WithSteps(steps ...webhook.Step) Option {
	return func(s *settings) { s.steps = append(s.steps, steps...) }
}

// New makes a service over an open store, whose inbox it takes. It sends nothing
// and does no work before [Service.Run] or [Service.Start]. The store remains
// the caller's to close, after the service has ended.
//
// Requests reach the store through a [guarded.Store]: the one that is given, if db
// is one, else one with a bound of three seconds on every call, or half of
// [Reading].Timeout on a read if that is less.
//
// All problems of the configuration are told at once, each by the name of its variable,
// before anything is opened. Errors of the inbox are those of [store.Store].Inbox, such as [store.ErrOwned].
func New(cfg Config, db store.Store, opts ...Option) (*Service, error) {
	given := settings{log: slog.New(slog.DiscardHandler), version: "unknown"}
	for _, o := range opts {
		if o != nil {
			o(&given)
		}
	}
	if err := cfg.problems(db); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if given.log == nil {
		given.log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, log: given.log, version: given.version, begun: time.Now()}
	s.front, s.db = inFront(cfg, db, given.log)
	s.token.Store(&cfg.AdminToken)
	if err := s.assemble(given); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return s, nil
}

// inFront puts the guard in front of a store that has none.
func inFront(cfg Config, db store.Store, log *slog.Logger) (front *guarded.Store, bare store.Store) {
	if g, ok := db.(*guarded.Store); ok {
		return g, g.Unwrap()
	}
	reads := storeTime
	if t := cfg.Reading.Timeout; t > 0 {
		reads = min(reads, t/2) // so that there is time left for others to stand in
	}
	return guarded.New(db, guarded.Config{Timeout: storeTime, ReadTimeout: reads, LongTimeout: reads, Logger: log}), db
}

func (s *Service) assemble(given settings) (err error) {
	if s.cfg.Metrics {
		if s.figures, err = newFigures(); err != nil {
			return err
		}
	}
	if s.upstream, err = newUpstream(s.cfg, s.figures.hooks(), s.log, given.cache); err != nil {
		return err
	}
	s.openReads(given.verifier)
	if s.cfg.Webhooks.Enabled {
		if err := s.openReceiver(given); err != nil {
			return err
		}
	}
	if given.file != "" {
		s.file = fileID(given.file)
		if c, ok := diskCheck(given.file); ok {
			given.checks = append(given.checks, c)
		}
	}
	for _, c := range append(s.checks(), given.checks...) {
		if c.Name == "" || c.Ask == nil {
			return fmt.Errorf("WithCheck: the check %q lacks a Name or Ask: give both", c.Name)
		}
		s.monitors = append(s.monitors, newMonitor(c, s.noteHealth))
	}
	routes := s.publicRoutes()
	entrance, err := s.entrance(given.limits)
	if err != nil {
		return err
	}
	s.public = chain(routes, s.layers(routes, entrance...))
	desk := s.adminRoutes()
	s.admin = chain(s.guard(desk), s.layers(desk))
	return s.figures.read(s)
}

// checks are the parts that every service has.
func (s *Service) checks() []Check {
	list := []Check{
		{Name: "database", Critical: true, Ask: s.front.Ping},
		s.upstream.check(),
		s.upstream.breakerCheck(),
	}
	if s.inbox != nil {
		list = append(list, Check{Name: "inbox", Ask: s.checkInbox})
	}
	return list
}

// checkInbox finds so many events waiting that the receiver refuses more.
func (s *Service) checkInbox(ctx context.Context) error {
	d, err := s.inbox.Depth(ctx)
	switch limit := s.cfg.Webhooks.Backlog; {
	case err != nil:
		return err
	case limit > 0 && d.Backlog() >= limit:
		return fmt.Errorf("%d events wait, the limit is %d: more are refused", d.Backlog(), limit)
	}
	return nil
}
