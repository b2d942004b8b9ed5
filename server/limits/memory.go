package limits

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// MaxClients is how many clients a [Memory] remembers.
const MaxClients = 1 << 16

// maxName is how many bytes of a client's name it keeps: longer ones are hashed.
const maxName = 64

// Memory keeps a rate in this process. It runs no goroutine.
type Memory struct {
	rate Rate
	idle int64 // microseconds after which a client has all its requests again
	base time.Time

	mu      sync.Mutex
	clients map[string]*list.Element
	recent  list.List // of *remembered, the latest first
}

type remembered struct {
	client string
	seen   int64
	tally  tally
}

// NewMemory makes empty limits of a rate; the error is that of [Rate.Check].
func NewMemory(r Rate) (*Memory, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return &Memory{rate: r, idle: r.Longest().Microseconds(), base: time.Now(), clients: map[string]*list.Element{}}, nil
}

// Allow implements [Limits]; the error is nil.
func (m *Memory) Allow(_ context.Context, client string) (Decision, error) {
	if len(client) > maxName { // what a client sends does not say how much is kept
		sum := sha256.Sum256([]byte(client))
		client = string(sum[:])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Since(m.base).Microseconds()
	return m.find(client, now).decide(m.rate, now), nil
}

func (m *Memory) find(client string, now int64) tally {
	if e, ok := m.clients[client]; ok {
		m.recent.MoveToFront(e)
		r := entry(e)
		r.seen = now
		return r.tally
	}
	// Two go for one that comes, so that a flood is forgotten when it is over.
	for range 2 {
		if oldest := m.recent.Back(); oldest != nil && (len(m.clients) >= MaxClients || now-entry(oldest).seen > m.idle) {
			delete(m.clients, entry(oldest).client)
			m.recent.Remove(oldest)
		}
	}
	r := &remembered{client: client, seen: now, tally: newTally(m.rate, now)}
	m.clients[client] = m.recent.PushFront(r)
	return r.tally
}

func entry(e *list.Element) *remembered {
	return e.Value.(*remembered) //nolint:forcetypeassert,errcheck // nothing else is put in
}

// Len is how many clients are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.clients)
}
