package cache

import (
	"errors"
	"fmt"
)

var (
	// ErrMiss: nothing usable is kept, and nothing was to be loaded ([Only]).
	ErrMiss = errors.New("not in the cache")
	// ErrDeferred: the far tier could not be told of an invalidation, which will be
	// made up for.
	ErrDeferred = errors.New("the shared tier could not be told yet")
	// ErrClosed: the cache was closed while the call waited for a load.
	ErrClosed = errors.New("the cache was closed")
)

// AbsentError says that there is no such thing. A [Load] returns it to have that
// kept for a while; [Get] returns it with Note alone when it was kept.
type AbsentError struct {
	// Note is what the service said, kept as text.
	Note string
	// Err is the load's own error, nil if the answer was kept.
	Err error
}

func (e *AbsentError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return "there is no such thing: " + e.Note
}

// Unwrap returns the load's own error.
func (e *AbsentError) Unwrap() error { return e.Err }

// PanicError is a load that panicked in a call that another one began.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where
}

func (e *PanicError) Error() string { return fmt.Sprintf("the load panicked: %v", e.Value) }
