package cachetest

import (
	"maps"
	"sync"

	"github.com/asleep-sdk/asleep/cache"
)

// Map is a near tier without a bound and without a goroutine: the oracle of
// [RunNear], and what tests use that must not depend on room. The zero value is
// ready.
type Map struct {
	mu      sync.Mutex
	entries map[cache.Key]*cache.Entry
}

var _ cache.Near = (*Map)(nil)

// Get implements [cache.Near].
func (m *Map) Get(key cache.Key) *cache.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[key]
}

// Set implements [cache.Near].
func (m *Map) Set(e *cache.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = make(map[cache.Key]*cache.Entry)
	}
	m.entries[e.Key] = e
}

// Drop implements [cache.Near].
func (m *Map) Drop(key cache.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
}

// DropOwner implements [cache.Near].
func (m *Map) DropOwner(owner cache.Owner, scope cache.Scope) {
	m.drop(func(e *cache.Entry) bool { return e.Owner == owner && scope.Covers(e.Class) })
}

// Flush implements [cache.Near].
func (m *Map) Flush(scope cache.Scope) {
	m.drop(func(e *cache.Entry) bool { return scope.Covers(e.Class) })
}

func (m *Map) drop(which func(*cache.Entry) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.entries, func(_ cache.Key, e *cache.Entry) bool { return which(e) })
}

// Stats implements [cache.Near].
func (m *Map) Stats() cache.NearStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return cache.NearStats{Entries: int64(len(m.entries))}
}
