package fleet

import (
	"container/list"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// DefaultMaxKeys is how many clients a [Local] remembers unless told otherwise.
const DefaultMaxKeys = 65_536

// Local is a [Limit] of one process, in memory: what an [Inbound] decides with Redis, this
// decides without. It runs no goroutine and is safe for concurrent use.
type Local struct {
	limit   Limit
	maxKeys int
	base    time.Time

	mu      sync.Mutex
	clients map[string]*list.Element
	recent  list.List // of *remembered, the latest first
}

type remembered struct {
	client string
	tally  tally
}

// NewLocal makes a limit for one process that remembers maxKeys clients, 0 for
// [DefaultMaxKeys]. Beyond that the client that was seen longest ago is forgotten, and
// begins anew.
func NewLocal(limit Limit, maxKeys int) (*Local, error) {
	if err := limit.check(); err != nil {
		return nil, err
	}
	if maxKeys < 0 {
		return nil, fmt.Errorf("fleet: limit %q: %d keys; want at least 1, or 0 for %d", limit.Name, maxKeys, DefaultMaxKeys)
	}
	if maxKeys == 0 {
		maxKeys = DefaultMaxKeys
	}
	return &Local{limit: limit, maxKeys: maxKeys, base: time.Now(), clients: map[string]*list.Element{}}, nil
}

// Allow decides on a request of a client. A cost below 1 counts as 1.
func (l *Local) Allow(_ context.Context, client string, cost int) Decision {
	if len(client) > sha256.Size { // what a client sends does not say how much is kept
		sum := sha256.Sum256([]byte(client))
		client = string(sum[:])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.base).Microseconds()
	return l.find(client, now).decide(l.limit, now, min(max(cost, 1), maxFigure))
}

func (l *Local) find(client string, now int64) tally {
	if e, ok := l.clients[client]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*remembered).tally //nolint:forcetypeassert,errcheck // nothing else is put in
	}
	if len(l.clients) >= l.maxKeys {
		oldest := l.recent.Back()
		delete(l.clients, l.recent.Remove(oldest).(*remembered).client) //nolint:forcetypeassert,errcheck // nothing else is put in
	}
	r := &remembered{client: client}
	if l.limit.Sliding {
		r.tally = newWindow(l.limit, now)
	} else {
		r.tally = newBucket(l.limit, now)
	}
	l.clients[client] = l.recent.PushFront(r)
	return r.tally
}

// Len is how many clients are remembered.
func (l *Local) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.clients)
}
