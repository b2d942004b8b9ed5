package cache

import "time"

// Class says how long a value stays true.
type Class uint8

// The classes.
const (
	Forbidden  Class = iota // not to be kept
	Durable                 // never changes; may still be deleted
	Mutable                 // a change is announced by Invalidate, or found out in minutes
	Unfinished              // changes soon
	Absent                  // there is no such thing, as yet or any more
)

// String names the class: forbidden, durable, mutable, unfinished, absent.
func (c Class) String() string {
	switch c {
	case Durable:
		return "durable"
	case Mutable:
		return "mutable"
	case Unfinished:
		return "unfinished"
	case Absent:
		return "absent"
	case Forbidden:
	}
	return "forbidden"
}

// Kind says how values of one kind are handled. All functions are required, must
// be pure and are called from many goroutines.
type Kind[T any] struct {
	// Name and Schema are part of every key of the kind. Raise Schema when T, or
	// what Decode makes of the same bytes, changes.
	Name   string
	Schema int
	// Decode reads what a far tier kept. It may keep raw, which nobody changes.
	Decode func(key Key, raw string) (T, error)
	// Clone makes a deep copy that shares nothing that can be changed.
	Clone func(T) T
	// Size is the memory that a value holds on to, in bytes.
	Size func(T) int
	// Class judges a value. It is asked again of values that come back from a far
	// tier.
	Class func(key Key, v T) Class
}

// Keep says how long values are kept, by class. A zero duration keeps none of
// the class.
type Keep struct {
	// Durable bounds the age of a durable value in both tiers. It could be kept
	// for ever: the bound is for data protection.
	Durable time.Duration
	// Mutable is the greatest age of a mutable value.
	Mutable time.Duration
	// Unfinished and Absent are the same for values that are kept near only.
	Unfinished, Absent time.Duration
	// Backstop bounds the age of a durable value near when there is a far tier:
	// so long may a value be shown here that another process has erased, if the
	// bus fails. 0 keeps durable values near as long as far.
	Backstop time.Duration
	// StaleIfError is how long after its time a mutable value may still answer
	// for a load that failed because the service is in trouble. 0 is off. What was
	// taken back is never shown.
	StaleIfError time.Duration
}

// DefaultKeep is 30 days for durable values, 5 minutes for mutable ones and for
// the backstop, 5 seconds for unfinished and absent ones; no stale answers.
func DefaultKeep() Keep {
	return Keep{
		Durable: 30 * 24 * time.Hour, Mutable: 5 * time.Minute,
		Unfinished: 5 * time.Second, Absent: 5 * time.Second, Backstop: 5 * time.Minute,
	}
}
