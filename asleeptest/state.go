package asleeptest

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep"
)

// state is what differs from the population: users that were made, changed or
// deleted, and sessions that were added or deleted.
type state struct {
	mu    sync.RWMutex
	users map[string]*user
	made  []string          // ids of users that are not of the population, in order
	owner map[string]string // user of each added session
	rand  *rand.Rand
}

// user is a user about whom something was changed.
type user struct {
	number   int
	habits   habits
	metadata *asleep.UserMetadata

	marked  bool      // to be deleted, by a test
	deleted time.Time // zero: not
	gone    bool      // for good

	added   []*recording // newest first
	removed map[string]bool
	emptied bool // of the sessions of the population
}

func newState(seed uint64) *state {
	return &state{users: map[string]*user{}, owner: map[string]string{}, rand: random(seed, saltIDs)}
}

// visible reports whether the user still reads.
func (u *user) visible(now time.Time, delay time.Duration) bool {
	return !u.gone && (u.deleted.IsZero() || now.Before(u.deleted.Add(delay)))
}

func (u *user) toBeDeleted() bool { return u.marked || !u.deleted.IsZero() }

// user returns what is known of a user: one of those that were changed, or a
// new value for one of the population. The lock is held.
func (s *Server) user(id string, now time.Time) (*user, bool) {
	if u, ok := s.state.users[id]; ok {
		return u, u.visible(now, s.config.DeletionDelay)
	}
	number, ok := userNumber(id)
	if !ok || number > s.config.Users {
		return nil, false
	}
	h := s.habits(number)
	return &user{number: number, habits: h, metadata: h.metadata}, true
}

// change runs f on a user that exists, and remembers that user if f says that
// it changed anything.
func (s *Server) change(id string, f func(*user) bool) bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	u, ok := s.user(id, time.Now())
	if !ok {
		return false
	}
	if !f(u) {
		return false
	}
	s.state.users[id] = u
	return true
}

// exists reports whether a user reads.
func (s *Server) exists(id string) bool {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	_, ok := s.user(id, time.Now())
	return ok
}

// recordings returns copies of all sessions of a user that exist at an
// instant, newest first.
func (s *Server) recordings(id string, now time.Time) []*recording {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	u, ok := s.user(id, now)
	if !ok {
		return nil
	}
	var out []*recording
	if u.number <= s.config.Users && !u.emptied {
		out = make([]*recording, 0, s.config.SessionsPerUser+len(u.added))
		for i := range s.config.SessionsPerUser {
			if r := s.recording(u.number, i, u.habits); !u.removed[r.id] {
				out = append(out, r)
			}
		}
	}
	for _, r := range u.added {
		if !r.start.After(now) || r.forced {
			c := *r
			out = append(out, &c)
		}
	}
	if len(u.added) > 0 {
		slices.SortStableFunc(out, newestFirst)
	}
	return out
}

func newestFirst(a, b *recording) int {
	return cmp.Or(b.start.Compare(a.start), cmp.Compare(b.id, a.id))
}

// session returns a copy of one session of a user.
func (s *Server) session(id, session string, now time.Time) (*recording, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	u, ok := s.user(id, now)
	if !ok {
		return nil, false
	}
	if i := u.index(session); i >= 0 {
		c := *u.added[i]
		return &c, !c.start.After(now) || c.forced
	}
	return s.original(u, session)
}

func (u *user) index(session string) int {
	return slices.IndexFunc(u.added, func(r *recording) bool { return r.id == session })
}

// original finds a session of the population that was not deleted.
func (s *Server) original(u *user, session string) (*recording, bool) {
	if u.number > s.config.Users || u.emptied || u.removed[session] {
		return nil, false
	}
	return s.find(u.number, session, u.habits)
}

// User is what a test reads back of a user.
type User struct {
	ID          string
	Zone        string // where most of the user's sessions are recorded
	Plan        Plan
	Metadata    *asleep.UserMetadata // nil: none was given
	ToBeDeleted bool
}

// Users ranges over the ids of all users that read: those of the population in
// order, then those that were made. Users may be changed meanwhile.
func (s *Server) Users() iter.Seq[string] {
	return func(yield func(string) bool) {
		for number := 1; number <= s.config.Users; number++ {
			if id := userName(number); s.exists(id) && !yield(id) {
				return
			}
		}
		s.state.mu.RLock()
		made := slices.Clone(s.state.made)
		s.state.mu.RUnlock()
		for _, id := range made {
			if s.exists(id) && !yield(id) {
				return
			}
		}
	}
}

// User returns a user that reads.
func (s *Server) User(id string) (User, bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	u, ok := s.user(id, time.Now())
	if !ok {
		return User{}, false
	}
	return User{
		ID: id, Zone: u.habits.zone.name, Plan: u.habits.plan, Metadata: cloneMetadata(u.metadata), ToBeDeleted: u.toBeDeleted(),
	}, true
}

// Sessions returns the sessions of a user, newest first; none for a user who
// does not exist.
func (s *Server) Sessions(userID string) []Session {
	now := time.Now()
	recordings := s.recordings(userID, now)
	out := make([]Session, len(recordings))
	for i, r := range recordings {
		out[i] = r.public(now)
	}
	return out
}

// Report returns the report that getSession answers with at this moment for
// the session, whoever its user is, rendered in the timezone: an IANA name, or
// empty for UTC. It is false for a session or a zone that does not exist.
func (s *Server) Report(sessionID, timezone string) (*asleep.Report, bool) {
	z := loadZone(cmp.Or(timezone, utc.name))
	userID, ok := s.Owner(sessionID)
	if !ok || z == nil {
		return nil, false
	}
	now := time.Now()
	r, ok := s.session(userID, sessionID, now)
	if !ok {
		return nil, false
	}
	report, err := asleep.ParseReport(string(appendReport(nil, r, now, z)))
	return report, err == nil
}

// Owner returns the user of a session.
func (s *Server) Owner(sessionID string) (userID string, ok bool) {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	userID, ok = s.state.owner[sessionID]
	if !ok {
		_, number, valid := parseSessionID(sessionID)
		if !valid || number < 1 || number > s.config.Users {
			return "", false
		}
		userID = userName(number)
	}
	u, ok := s.user(userID, time.Now())
	if !ok {
		return "", false
	}
	if u.index(sessionID) >= 0 {
		return userID, true
	}
	_, ok = s.original(u, sessionID)
	return userID, ok
}
