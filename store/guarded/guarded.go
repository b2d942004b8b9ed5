package guarded

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Config tunes a guard. Members that are zero have the defaults.
type Config struct {
	// Timeout bounds a call of the hot path; 3 s.
	Timeout time.Duration

	// LongTimeout bounds a call that may have much to do; 30 s.
	LongTimeout time.Duration

	// Failures in a row open the breaker; 5.
	Failures int

	// Pause is how long the breaker stays open before a probe; 1 s.
	Pause time.Duration

	// Calls is how many may be under way at once; 1024. More are refused with
	// [store.ErrBusy].
	Calls int

	// Logger hears when the breaker opens and closes. Nil is silent.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	set(&c.Timeout, 3*time.Second)
	set(&c.LongTimeout, max(30*time.Second, c.Timeout))
	set(&c.Failures, 5)
	set(&c.Pause, time.Second)
	set(&c.Calls, 1024)
	return c
}

func set[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Store is a store behind a guard. It has the methods of [store.Store] only: ask
// what [Store.Unwrap] returns for a [store.Backuper] and the like.
type Store struct {
	inner    store.Store
	b        *breaker
	sessions *sessions

	mu    sync.Mutex
	inbox store.Inbox
}

var _ store.Store = (*Store)(nil)

// New puts a guard in front of a store. Closing it closes the store.
func New(s store.Store, c Config) *Store {
	b := &breaker{cfg: c.withDefaults(), log: c.Logger}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return &Store{inner: s, b: b, sessions: &sessions{inner: s.Sessions(), b: b}}
}

// Unwrap returns the store without its guard.
func (s *Store) Unwrap() store.Store { return s.inner }

// Open reports whether the breaker is open, as a readiness check may ask.
func (s *Store) Open() bool {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return !s.b.until.IsZero()
}

// Sessions returns the guarded half that keeps sessions.
func (s *Store) Sessions() store.Sessions { return s.sessions }

// Inbox returns the guarded queue, a [store.Applier] if the store's is one. Errors
// are those of the store.
func (s *Store) Inbox() (store.Inbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox != nil {
		return s.inbox, nil
	}
	i, err := s.inner.Inbox()
	if err != nil {
		return nil, err
	}
	g := &inbox{inner: i, b: s.b}
	s.inbox = g
	if a, ok := i.(store.Applier); ok {
		s.inbox = &applying{inbox: g, inner: a}
	}
	return s.inbox, nil
}

// Ping asks the database, unless the breaker is open.
func (s *Store) Ping(ctx context.Context) error {
	_, err := call(ctx, s.b, s.b.cfg.Timeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Ping(ctx)
	})
	return err
}

// Close closes the store.
func (s *Store) Close() error { return s.inner.Close() }
