package cache

import "time"

// Entry is a decoded value in a near tier. It is never changed once it was set.
type Entry struct {
	Key   Key       // in full; judged by the reader
	Owner Owner     // of Key
	Class Class     // never Forbidden
	Value any       // of the kind's own type; nil for Absent
	Note  string    // for Absent: what the service said
	Size  int       // bytes that Value holds on to
	Told  time.Time // when the service was asked for it
	// Fresh is until when the entry answers by itself, Until when it is of no use
	// any more: a tier may forget it then. The reader judges both.
	Fresh, Until time.Time
}

// Scope says which values of an owner are meant.
type Scope uint8

// The scopes.
const (
	// Changing: all but the durable values.
	Changing Scope = iota + 1
	// Everything: the durable values too.
	Everything
)

// String names the scope: changing, everything.
func (s Scope) String() string {
	switch s {
	case Changing:
		return "changing"
	case Everything:
		return "everything"
	}
	return "none"
}

// Covers reports whether values of the class are meant.
func (s Scope) Covers(c Class) bool { return s == Everything || s == Changing && c != Durable }

// Near is a tier in the process: decoded values under their keys, bounded. It is
// safe for concurrent use, never blocks on anything outside the process, and may
// forget any entry at any time. After a method that drops entries has returned, no
// later Get returns one that was set before it was called.
type Near interface {
	// Get returns the entry under key, nil if there is none. It may return one
	// whose Until has passed.
	Get(key Key) *Entry
	// Set keeps an entry under its key, in place of an earlier one. One too large
	// for the tier is not kept, and the earlier one goes nevertheless.
	Set(e *Entry)
	// Drop forgets one entry.
	Drop(key Key)
	// DropOwner forgets the entries of an owner in scope.
	DropOwner(owner Owner, scope Scope)
	// Flush forgets all entries in scope.
	Flush(scope Scope)
	// Stats counts.
	Stats() NearStats
}

// NearStats counts a near tier.
type NearStats struct {
	Entries, Bytes, MaxBytes int64
	Evicted                  uint64 // for want of room
}
