package client

import (
	"container/list"
	"sync"
)

// Revalidation keeps answers that the service has put a validator on (ETag or
// Last-Modified), and asks whether they still hold before they are sent anew: a 304
// costs a round trip but no body. Every call still asks the service; nothing is ever
// answered from memory alone (that is a cache's). An answer is held for the very same
// request only: the same API key, user, timezone, path, query and headers.
//
// It is off by default, as the contract of the service documents no validators: it
// would hold health data in memory for nothing. Answers with Cache-Control: no-store
// are never held, those that are gone (404, 410) no longer, and whatever changes
// something for a user drops all that is held of that user. The zero value is off.
type Revalidation struct {
	// MaxBytes bounds what is held; what was not asked for longest goes first.
	MaxBytes int
}

// WithRevalidation lets the client ask whether what it was answered before still holds.
func WithRevalidation(r Revalidation) Option { return func(s *settings) { s.revalidation = r } }

// RevalidationStats is what [Revalidation] holds and did so far.
type RevalidationStats struct {
	On      bool
	Entries int
	Bytes   int
	Used    uint64 // answers of 304 that an answer held stood in for
}

// memory holds answers that can be asked about, the last used first. All methods are
// safe for concurrent use; a nil memory holds nothing.
type memory struct {
	limit int

	mu     sync.Mutex
	order  list.List // of *entry
	places map[identity]*list.Element
	bytes  int
	hits   uint64
}

// entry is an answer held for a user.
type entry struct {
	heldAnswer

	id   identity
	user string
	size int
}

// entryOverhead is what an entry takes besides its texts, roughly, in bytes.
const entryOverhead = 512

func newMemory(limit int) *memory {
	if limit <= 0 {
		return nil
	}
	return &memory{limit: limit, places: map[identity]*list.Element{}}
}

// find returns what is held for a request, nil if nothing is.
func (m *memory) find(id identity) *heldAnswer {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	place, ok := m.places[id]
	if !ok {
		return nil
	}
	m.order.MoveToFront(place)
	e, _ := place.Value.(*entry)
	return &e.heldAnswer
}

// keep holds a copy of an answer, in the place of an older one; one without
// validators only makes that older one go.
func (m *memory) keep(id identity, user string, v validators, a *answer) {
	if m == nil {
		return
	}
	size := len(a.body) + len(v.etag) + len(v.modified) + len(user) + entryOverhead
	for name, values := range a.Header {
		size += len(name)
		for _, value := range values {
			size += len(value)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.places[id])
	if v.none() || size > m.limit {
		return
	}
	e := &entry{heldAnswer{v, a.Header.Clone(), append([]byte(nil), a.body...)}, id, user, size}
	m.places[id] = m.order.PushFront(e)
	m.bytes += size
	for m.bytes > m.limit {
		m.drop(m.order.Back())
	}
}

// drop takes an entry out; nil is none. mu is held.
func (m *memory) drop(place *list.Element) {
	if place == nil {
		return
	}
	e, _ := m.order.Remove(place).(*entry)
	delete(m.places, e.id)
	m.bytes -= e.size
}

func (m *memory) forget(id identity) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.places[id])
}

// forgetUser drops all that is held of a user.
func (m *memory) forgetUser(user string) {
	if m == nil || user == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for place := m.order.Front(); place != nil; {
		next := place.Next()
		if e, _ := place.Value.(*entry); e.user == user {
			m.drop(place)
		}
		place = next
	}
}

func (m *memory) used() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hits++
}

func (m *memory) stats() RevalidationStats {
	if m == nil {
		return RevalidationStats{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return RevalidationStats{On: true, Entries: m.order.Len(), Bytes: m.bytes, Used: m.hits}
}
