package webhook

import (
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

const (
	seenFor = time.Hour
	maxSeen = 50_000
)

// seenSessions remembers which sessions the API has confirmed not long ago, so
// that the windows of a night, one every five minutes, do not each cost a call.
type seenSessions struct {
	mu       sync.Mutex
	now, old map[store.Tombstone]struct{}
	turned   time.Time
}

func newSeenSessions() *seenSessions {
	return &seenSessions{now: map[store.Tombstone]struct{}{}, turned: time.Now()}
}

func (s *seenSessions) has(user, session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	key := store.SessionTombstone(user, session)
	_, young := s.now[key]
	_, old := s.old[key]
	return young || old
}

func (s *seenSessions) add(user, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	s.now[store.SessionTombstone(user, session)] = struct{}{}
}

// turn forgets the older half now and then, and whenever the younger is full.
func (s *seenSessions) turn() {
	if now := time.Now(); now.Sub(s.turned) >= seenFor || len(s.now) >= maxSeen {
		s.old, s.now, s.turned = s.now, map[store.Tombstone]struct{}{}, now
	}
}
