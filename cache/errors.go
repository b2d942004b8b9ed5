package cache

import (
	"errors"
	"fmt"
)

var (
	// ErrConfig says that an option is wrong; the text says which and what to do.
	ErrConfig = errors.New("wrong configuration")
	// ErrMiss says that nothing usable is kept, and nothing was to be loaded ([Only]).
	ErrMiss = errors.New("not in the cache")
	// ErrDeferred says that the far tier could not be told of an invalidation, which will be
	// made up for.
	ErrDeferred = errors.New("the shared tier could not be told yet")
	// ErrClosed says that the cache was closed while the call waited for a load.
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

// PanicError is a load that panicked. Those who joined it get it as an error; the
// call that began it panics with an error that wraps it.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where
}

func (e *PanicError) Error() string { return fmt.Sprintf("the load panicked: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// relayed is what the caller panics with: it shows where the load did.
type relayed struct{ *PanicError }

func (r relayed) Error() string { return r.PanicError.Error() + "\n\n" + string(r.Stack) }

func (r relayed) Unwrap() error { return r.PanicError }
