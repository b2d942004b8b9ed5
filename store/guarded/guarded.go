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
	// Timeout bounds a call of the hot path; 0 means 3 s.
	Timeout time.Duration

	// ReadTimeout bounds a read of the hot path; 0 means Timeout. Let it be shorter than the
	// deadlines of readers: what those end says nothing about the database.
	ReadTimeout time.Duration

	// LongTimeout bounds a call that may have much to do; 0 means 30 s.
	LongTimeout time.Duration

	// Failures in a row open the breaker; 0 means 5.
	Failures int

	// Pause is how long the breaker stays open before a probe; 0 means 1 s.
	Pause time.Duration

	// Calls is how many reads, and how many writes, may be under way at once; 0 means
	// 1024. More are refused with [store.ErrBusy].
	Calls int

	// Logger hears when the breaker opens and closes. Nil is silent.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	set(&c.Timeout, 3*time.Second)
	set(&c.ReadTimeout, c.Timeout)
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
	inner         store.Store
	cfg           Config
	reads, writes *breaker
	sessions      *sessions

	mu    sync.Mutex
	inbox store.Inbox
}

var _ store.Store = (*Store)(nil)

// New puts a guard in front of a store. Closing it closes the store.
func New(s store.Store, c Config) *Store {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := &Store{inner: s, cfg: c.withDefaults()}
	g.reads, g.writes = &breaker{name: "reads", cfg: g.cfg, log: log}, &breaker{name: "writes", cfg: g.cfg, log: log}
	g.reads.cfg.Timeout = g.cfg.ReadTimeout
	g.sessions = &sessions{inner: s.Sessions(), reads: g.reads, writes: g.writes}
	return g
}

// Unwrap returns the store without its guard.
func (s *Store) Unwrap() store.Store { return s.inner }

// Breakers are those of reads and of writes.
func (s *Store) Breakers() []Breaker { return []Breaker{s.reads.snapshot(), s.writes.snapshot()} }

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
	g := &inbox{inner: i, reads: s.reads, writes: s.writes}
	s.inbox = g
	if a, ok := i.(store.Applier); ok {
		s.inbox = &applying{inbox: g, inner: a}
	}
	return s.inbox, nil
}

// Ping tells whether calls would be served: it fails with [ErrOpen] while a breaker
// refuses them, with [store.ErrFull] when the last write found no room and that is less than
// 10 s ago, as no server of a database tells how full it is, and asks the database itself
// otherwise. It neither opens nor closes a
// breaker, so that a database that answers to its name alone is not taken for
// a working one. Without other calls it is thus what finds a database that is back.
func (s *Store) Ping(ctx context.Context) error {
	for _, b := range []*breaker{s.reads, s.writes} {
		if err := b.ask(); err != nil {
			return err
		}
	}
	if err := s.writes.room(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	return s.inner.Ping(ctx)
}

// Close closes the store.
func (s *Store) Close() error { return s.inner.Close() }
