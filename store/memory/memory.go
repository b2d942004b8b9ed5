package memory

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Store is a store in memory. Make one with [New].
type Store struct {
	mu         sync.Mutex
	closed     bool
	sessions   map[string]store.Session
	windows    map[string]map[int]store.Window // session id -> number
	tombstones map[store.Tombstone]time.Time
	entries    []*entry // in the order of their receipt
	lastID     int
	wake       chan struct{}
}

// New returns an empty store.
func New() *Store {
	return &Store{
		sessions:   map[string]store.Session{},
		windows:    map[string]map[int]store.Window{},
		tombstones: map[store.Tombstone]time.Time{},
		wake:       make(chan struct{}, 1),
	}
}

// Backend answers to the URL memory: with a new store each time. A Sealer is of
// no use to it, as nothing leaves the process.
func Backend() store.Backend {
	return store.Backend{Name: "memory", Schemes: []string{"memory"}, Open: func(context.Context, *url.URL, store.Options) (store.Store, error) {
		return New(), nil
	}}
}

// Sessions returns the half that keeps sessions.
func (s *Store) Sessions() store.Sessions { return (*sessions)(s) }

// Inbox returns the half that queues events, a [store.Applier] too. It is never
// owned by another process.
func (s *Store) Inbox() (store.Inbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	return (*inbox)(s), nil
}

// Ping returns an error after Close.
func (s *Store) Ping(ctx context.Context) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// Close forgets everything.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.sessions, s.windows, s.tombstones, s.entries = nil, nil, nil, nil
	return nil
}

// lock begins a step.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, store.ErrClosed
	}
	return s.mu.Unlock, nil
}

// erased reports whether a tombstone covers something of a user and a session
// that dates from at.
func (s *Store) erased(user, session string, at time.Time) bool {
	for _, t := range []store.Tombstone{store.UserTombstone(user), store.SessionTombstone(user, session)} {
		if until, ok := s.tombstones[t]; ok && !at.After(until) {
			return true
		}
	}
	return false
}

func (s *Store) bury(t store.Tombstone, until time.Time) {
	if until = store.Milli(until); until.After(s.tombstones[t]) {
		s.tombstones[t] = until
	}
}
