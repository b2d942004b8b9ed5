package memory

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/maypok86/otter/v2"

	"github.com/asleep-sdk/asleep/cache"
)

// DefaultMaxBytes is about 5,000 reports of a night.
const DefaultMaxBytes = 64 << 20

// Options bounds a tier.
type Options struct {
	// MaxBytes is the most memory that entries hold on to, their keys and the
	// tier's own records included; 0 means DefaultMaxBytes.
	MaxBytes int64
}

// Memory is a near tier. It is safe for concurrent use.
type Memory struct {
	entries *otter.Cache[cache.Key, *cache.Entry]
	owners  index
	max     int64
	evicted atomic.Uint64
}

var _ cache.Near = (*Memory)(nil)

// New makes an empty tier.
func New(o Options) (*Memory, error) {
	if o.MaxBytes < 0 {
		return nil, fmt.Errorf("asleep/cache/memory: MaxBytes is %d: give 0 or more", o.MaxBytes)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	m := &Memory{max: o.MaxBytes}
	entries, err := otter.New(&otter.Options[cache.Key, *cache.Entry]{
		MaximumWeight:    uint64(o.MaxBytes),
		Weigher:          func(_ cache.Key, e *cache.Entry) uint32 { return weight(e) },
		OnAtomicDeletion: m.deleted,
	})
	if err != nil {
		return nil, fmt.Errorf("asleep/cache/memory: %w", err)
	}
	m.entries = entries
	return m, nil
}

// overhead is what the records of an entry take, roughly: the entry itself, its
// key in the table and in the index, the nodes of both.
const overhead = 640

// weight is the memory that an entry holds on to.
func weight(e *cache.Entry) uint32 {
	k := &e.Key
	n := overhead + len(k.Tenant) + len(k.User) + len(k.ID) + len(k.Zone) + len(e.Owner) + len(e.Note) + max(0, e.Size)
	return uint32(min(n, math.MaxUint32))
}

// Get returns the entry under key, nil if there is none.
func (m *Memory) Get(key cache.Key) *cache.Entry {
	e, _ := m.entries.GetIfPresent(key)
	return e
}

// Set keeps an entry in place of an earlier one.
//
// The index is changed under the lock that the table holds on the key, here as
// in deleted, so that for every key the two always agree.
func (m *Memory) Set(e *cache.Entry) {
	if int64(weight(e)) > m.max {
		m.entries.Invalidate(e.Key)
		return
	}
	m.entries.Compute(e.Key, func(*cache.Entry, bool) (*cache.Entry, otter.ComputeOp) {
		m.owners.add(e)
		return e, otter.WriteOp
	})
}

// deleted follows what the table does.
func (m *Memory) deleted(d otter.DeletionEvent[cache.Key, *cache.Entry]) {
	if d.Cause == otter.CauseReplacement {
		return
	}
	m.owners.remove(d.Value)
	if d.WasEvicted() {
		m.evicted.Add(1)
	}
}

// Drop forgets one entry.
func (m *Memory) Drop(key cache.Key) { m.entries.Invalidate(key) }

// DropOwner forgets the entries of an owner in scope.
func (m *Memory) DropOwner(owner cache.Owner, scope cache.Scope) {
	for _, key := range m.owners.keys(owner) {
		m.drop(key, scope)
	}
}

// Flush forgets all entries in scope.
func (m *Memory) Flush(scope cache.Scope) {
	for key := range m.entries.Keys() {
		m.drop(key, scope)
	}
}

func (m *Memory) drop(key cache.Key, scope cache.Scope) {
	m.entries.ComputeIfPresent(key, func(e *cache.Entry) (*cache.Entry, otter.ComputeOp) {
		if scope.Covers(e.Class) {
			return nil, otter.InvalidateOp
		}
		return nil, otter.CancelOp
	})
}

// Stats counts.
func (m *Memory) Stats() cache.NearStats {
	return cache.NearStats{
		Entries: int64(m.entries.EstimatedSize()), Bytes: int64(m.entries.WeightedSize()), //nolint:gosec // bounded by MaxBytes
		MaxBytes: m.max, Evicted: m.evicted.Load(),
	}
}
