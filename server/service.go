package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// Service is a receiver with what stands around it. Make one with [New].
type Service struct {
	cfg      Config
	log      *slog.Logger
	version  string
	begun    time.Time
	phase    atomic.Int32 // a phase
	token    atomic.Pointer[Secret]
	monitors []*monitor

	db       store.Store
	inbox    store.Inbox // nil without webhooks
	upstream *upstream
	verifier *webhook.Verifier
	receiver *webhook.Receiver
	worker   *worker
	figures  *figures

	public, admin http.Handler
}

// Option configures a [Service]. Of the same one the last wins, but of
// [WithCheck], which adds.
type Option func(*settings)

type settings struct {
	log      *slog.Logger
	version  string
	checks   []Check
	notifier webhook.Notifier
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

// WithNotifier hands notifications to n, such as a function of the program,
// instead of posting them to [Config].Notify.
func WithNotifier(n webhook.Notifier) Option { return func(s *settings) { s.notifier = n } }

// New makes a service over an open store, whose inbox it takes. It sends nothing
// and does no work before [Service.Run] or [Service.Start]. The store remains
// the caller's to close, after the service has ended.
//
// All problems of the configuration are told at once. Errors of the inbox are
// those of [store.Store].Inbox, such as [store.ErrOwned].
func New(cfg Config, db store.Store, opts ...Option) (*Service, error) {
	given := settings{log: slog.New(slog.DiscardHandler), version: "unknown"}
	for _, o := range opts {
		o(&given)
	}
	if given.log == nil {
		given.log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, log: given.log, version: given.version, begun: time.Now(), db: db}
	s.token.Store(&cfg.AdminToken)
	s.figures = newFigures(s)
	var err error
	if s.upstream, err = newUpstream(cfg.Upstream, s.log, s.figures.calls); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if cfg.Webhooks.Enabled {
		if err := s.openReceiver(given.notifier); err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	for _, c := range append(s.checks(), given.checks...) {
		s.monitors = append(s.monitors, newMonitor(c, s.noteHealth))
	}
	s.public, s.admin = chain(s.publicRoutes(), s.layers()), chain(s.guard(s.adminRoutes()), s.layers())
	return s, nil
}
