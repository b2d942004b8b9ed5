package asleeptest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
)

// AddUser adds a user without sessions and returns the id: that of u, or one
// that the server makes as the service does. An id may be any text, also one
// that the service would not make. A user of that id who exists is replaced,
// sessions included. A Zone that is not known is UTC.
func (s *Server) AddUser(u User) (id string) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if id = u.ID; id == "" {
		id = s.newUserID()
	}
	z := loadZone(cmp.Or(u.Zone, utc.name))
	if z == nil {
		z = utc
	}
	s.forget(s.state.users[id])
	if !slices.Contains(s.state.made, id) {
		s.state.made = append(s.state.made, id)
	}
	added := &user{
		number: s.config.Users + len(s.state.made), habits: habits{zone: z, plan: u.Plan}, metadata: cloneMetadata(u.Metadata),
	}
	if number, ok := userNumber(id); ok && number <= s.config.Users {
		added.number, added.emptied = number, true
		s.state.made = slices.DeleteFunc(s.state.made, func(made string) bool { return made == id })
	}
	added.marked = u.ToBeDeleted
	s.state.users[id] = added
	return id
}

// forget drops the sessions of a user from the index. The lock is held.
func (s *Server) forget(u *user) {
	if u == nil {
		return
	}
	for _, r := range u.added {
		delete(s.state.owner, r.id)
	}
	u.added = nil
}

const madeIDLength = 20

// newUserID makes an id such as G-20260302081522-Qm4xTz9LbVr2KdHs7WpN. The
// lock is held.
func (s *Server) newUserID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for {
		b := []byte("G-")
		b = append(time.Now().UTC().AppendFormat(b, idLayout), '-')
		for range madeIDLength {
			b = append(b, letters[s.state.rand.IntN(len(letters))])
		}
		if _, taken := s.state.users[string(b)]; !taken {
			return string(b)
		}
	}
}

// AddSession adds a session to a user who exists and returns its id. It fails
// if the user or the zone does not exist, or another session has the id.
func (s *Server) AddSession(userID string, session Session) (id string, err error) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	u, ok := s.user(userID, time.Now())
	if !ok {
		return "", fmt.Errorf("asleeptest: no user %q to add a session to", userID)
	}
	r, err := s.newRecording(u, session)
	if err != nil {
		return "", err
	}
	s.state.users[userID] = u
	s.state.owner[r.id] = userID
	u.added = append(u.added, r)
	slices.SortStableFunc(u.added, newestFirst)
	return r.id, nil
}

func (s *Server) newRecording(u *user, session Session) (*recording, error) {
	now := time.Now().Truncate(time.Second)
	seed := s.state.rand.Uint64()
	r := &recording{
		zone: u.habits.zone, kind: session.Kind, scope: cmp.Or(session.Plan, u.habits.plan), seed: seed,
		notFoundFor: session.NotFoundFor, noPolling: session.NoRealtimePolling,
	}
	if session.Zone != "" {
		if r.zone = loadZone(session.Zone); r.zone == nil {
			return nil, fmt.Errorf("asleeptest: zone %q of a session is not known: want an IANA name such as Asia/Seoul", session.Zone)
		}
	}
	if r.length = session.Length.Truncate(time.Second); r.length <= 0 {
		r.length = usualLength(r.kind, random(seed))
	}
	r.plan = r.length
	if r.start = session.Start.UTC().Truncate(time.Second); session.Start.IsZero() {
		r.start = now.Add(-r.length).UTC()
	}
	if err := s.begin(r, session, now); err != nil {
		return nil, err
	}
	r.id = session.ID
	if r.id == "" {
		r.id = s.newSessionID(r.start, u.number)
	}
	if _, taken := s.state.owner[r.id]; taken {
		return nil, fmt.Errorf("asleeptest: there is a session %q already", r.id)
	}
	return r, nil
}

// begin sets where the session stands.
func (s *Server) begin(r *recording, session Session, now time.Time) error {
	switch state := cmp.Or(session.State, asleep.SessionStateComplete); {
	case session.Live:
		r.closed = r.end()
		r.complete = r.closed.Add(s.config.AnalysisTime)
	case state == asleep.SessionStateOpen:
	case state == asleep.SessionStateClosed:
		r.closed = r.end()
		if r.closed.After(now) {
			r.closed = now
		}
	case state == asleep.SessionStateComplete:
		r.closed, r.forced = r.end(), true
		r.complete = r.closed.Add(s.config.AnalysisTime)
	default:
		return fmt.Errorf("asleeptest: state %q of a session is not known: want OPEN, CLOSED or COMPLETE", session.State)
	}
	return nil
}

// newSessionID makes an id that no other session has. The lock is held.
func (s *Server) newSessionID(start time.Time, number int) string {
	for {
		id := sessionID(start, number)
		_, taken := s.state.owner[id]
		if _, owner, _ := parseSessionID(id); !taken && owner > s.config.Users {
			return id
		}
		// Not one of the numbers that belong to the population.
		number = s.config.Users + 1 + s.state.rand.IntN(idNumbers-s.config.Users-1)
	}
}

// Advance moves a session one state on: from OPEN to CLOSED, which ends it
// now, and from CLOSED to COMPLETE. It returns the state that the session then
// has, and false if there is no such session.
func (s *Server) Advance(userID, sessionID string) (state asleep.SessionState, ok bool) {
	now := time.Now()
	ok = s.change(userID, func(u *user) bool {
		if i := u.index(sessionID); i >= 0 {
			u.added[i].advance(now, s.config.AnalysisTime)
			state = u.added[i].state(now)
			return true
		}
		r, found := s.original(u, sessionID)
		if found {
			state = r.state(now)
		}
		return found
	})
	return state, ok
}

// DeleteSession deletes a session of a user, and reports whether there was
// such a session.
func (s *Server) DeleteSession(userID, sessionID string) bool {
	return s.change(userID, func(u *user) bool {
		if i := u.index(sessionID); i >= 0 {
			u.added = slices.Delete(u.added, i, i+1)
			delete(s.state.owner, sessionID)
			return true
		}
		if _, ok := s.original(u, sessionID); !ok {
			return false
		}
		if u.removed == nil {
			u.removed = map[string]bool{}
		}
		u.removed[sessionID] = true
		return true
	})
}

// DeleteAllSessions deletes all sessions of a user, and reports whether the
// user exists.
func (s *Server) DeleteAllSessions(userID string) bool {
	return s.change(userID, func(u *user) bool {
		s.forget(u)
		u.emptied, u.removed = true, nil
		return true
	})
}

// DeleteUser deletes a user with all sessions, as the operation does: at once,
// or after Config.DeletionDelay. It reports whether there was a user who was
// not deleted before.
func (s *Server) DeleteUser(id string) bool {
	return s.change(id, func(u *user) bool {
		if u.toBeDeleted() {
			return false
		}
		u.deleted = time.Now()
		if s.config.DeletionDelay == 0 {
			s.forget(u)
			u.gone, u.removed, u.metadata = true, nil, nil
		}
		return true
	})
}

// SetToBeDeleted marks a user as one whose deletion was asked for and who still
// reads, or takes the mark away. It reports whether the user exists.
func (s *Server) SetToBeDeleted(id string, marked bool) bool {
	return s.change(id, func(u *user) bool {
		u.marked = marked
		return true
	})
}

func cloneMetadata(m *asleep.UserMetadata) *asleep.UserMetadata {
	if m == nil {
		return nil
	}
	c := *m
	c.BirthYear, c.BirthMonth, c.BirthDay = clone(m.BirthYear), clone(m.BirthMonth), clone(m.BirthDay)
	c.Height, c.Weight = clone(m.Height), clone(m.Weight)
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
