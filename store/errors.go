package store

import (
	"errors"
	"fmt"
	"time"
)

// What backends answer; match them with errors.Is.
var (
	// ErrNotFound: there is no such session, partial night or event.
	ErrNotFound = errors.New("store: not found")

	// ErrInvalid: the argument can never be stored. The error names the member.
	ErrInvalid = errors.New("store: invalid")

	// ErrUnavailable: the backend could not do it now; nothing was written.
	ErrUnavailable = errors.New("store: unavailable")

	// ErrBusy: somebody else holds the database, or too many writes are waiting.
	ErrBusy = fmt.Errorf("%w: busy", ErrUnavailable)

	// ErrFull: the disk or a quota is full.
	ErrFull = fmt.Errorf("%w: disk full", ErrUnavailable)

	// ErrReadOnly: the database was opened, or is, read-only.
	ErrReadOnly = fmt.Errorf("%w: read-only", ErrUnavailable)

	// ErrClosed: the store was closed.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)

	// ErrLeaseLost: the event was given to another claim, settled or erased.
	ErrLeaseLost = errors.New("store: lease lost")

	// ErrOwned: another process owns the inbox of this database.
	ErrOwned = errors.New("store: inbox owned by another process")

	// ErrNewerSchema: a newer version of this program has changed the database.
	ErrNewerSchema = errors.New("store: database has a newer schema")

	// ErrSealed: a payload is encrypted with a key that is not at hand, or was
	// tampered with, or moved from one row to another.
	ErrSealed = errors.New("store: payload cannot be decrypted")

	// ErrCorrupt: the database is damaged, or is not one of ours.
	ErrCorrupt = errors.New("store: database is damaged")
)

// RetryAfter is in how long the backend, or what guards it, asks to be tried again,
// if the error says so by a method RetryAfter() time.Duration.
func RetryAfter(err error) (after time.Duration, ok bool) {
	var e interface {
		error
		RetryAfter() time.Duration
	}
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.RetryAfter(), true
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
