package limits

import (
	"context"
	"sync"
	"time"
)

// maxClients bounds the memory: about 10 MB.
const maxClients = 1 << 16

// Memory keeps buckets in this process.
type Memory struct {
	requests int
	interval time.Duration // in which one token comes back
	base     time.Time

	mu    sync.Mutex
	full  map[string]time.Duration // when the bucket will be full again, since base
	sweep time.Duration            // when full buckets are forgotten next
}

// NewMemory makes empty limits of a rate; the error is that of [Rate.Check].
func NewMemory(r Rate) (*Memory, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return &Memory{
		requests: r.Requests, interval: r.Window / time.Duration(r.Requests),
		base: time.Now(), full: map[string]time.Duration{},
	}, nil
}

// Allow implements [Limits]; the error is nil.
func (m *Memory) Allow(_ context.Context, client string) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Since(m.base)
	if now >= m.sweep {
		m.forget(now)
	}
	full, known := m.full[client]
	// The bucket as a single instant: the more tokens are missing, the later it is
	// full (the generic cell rate algorithm).
	next := max(full, now) + m.interval
	depth := m.interval * time.Duration(m.requests)
	if wait := next - now - depth; wait > 0 {
		return Decision{Limit: m.requests, Reset: full - now, RetryAfter: wait}, nil
	}
	if !known && len(m.full) >= maxClients {
		m.makeRoom(now)
	}
	m.full[client] = next
	return Decision{Allowed: true, Limit: m.requests, Remaining: int((depth - (next - now)) / m.interval), Reset: next - now}, nil
}

// forget drops full buckets, once in the time in which an empty one fills.
func (m *Memory) forget(now time.Duration) {
	for client, full := range m.full {
		if full <= now {
			delete(m.full, client)
		}
	}
	m.sweep = now + m.interval*time.Duration(m.requests)
}

// makeRoom drops a client, one with a full bucket if there is one among the first.
func (m *Memory) makeRoom(now time.Duration) {
	const looked = 16
	victim, n := "", 0
	for client, full := range m.full {
		victim = client
		if n++; full <= now || n == looked {
			break
		}
	}
	delete(m.full, victim)
}
