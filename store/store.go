package store

import "context"

// Store is an open database. All methods, and those of its halves, may be used
// from any number of goroutines at once.
type Store interface {
	// Sessions is the half that keeps sessions. It returns the same value always.
	Sessions() Sessions

	// Inbox is the half that queues webhook events. The first call takes
	// ownership where only one process can have it. It returns [ErrOwned] when
	// another process owns it, [errors.ErrUnsupported] when the backend has no
	// inbox at all, [ErrReadOnly] and [ErrUnavailable]. A later call after an
	// error tries again.
	Inbox() (Inbox, error)

	// Ping reports whether the database answers reads and, unless it was opened
	// read-only, would take a write. It changes nothing.
	Ping(ctx context.Context) error

	// Close waits for the writes that were accepted, refuses new ones with
	// [ErrClosed], frees the inbox and closes the database. Closing again
	// returns nil.
	Close() error
}

// Backuper is a [Store] that can write a consistent copy of itself while it is
// used, or says which tool can: then the error matches [errors.ErrUnsupported].
type Backuper interface {
	// Backup writes a copy to the new file path, readable by its owner only. It
	// refuses to replace a file (the error matches fs.ErrExist). What was
	// acknowledged before the call is in the copy.
	Backup(ctx context.Context, path string) error
}

// Checker is a [Store] that can verify its own integrity.
type Checker interface {
	// Check reads the whole database; the error matches [ErrCorrupt] when it is
	// damaged and says where.
	Check(ctx context.Context) error
}

// Resealer is a [Store] that can encrypt anew what is encrypted with an old key
// or not at all.
type Resealer interface {
	// Reseal rewrites the payloads that are not sealed with the current key and
	// returns how many rows it rewrote. It works in small commits beside other
	// writes and can be stopped and begun again at any time.
	Reseal(ctx context.Context) (rows int, err error)
}

// Sealer encrypts the payloads of a store: bodies, epochs and figures. User ids,
// session ids, states and times stay readable, as they are what is searched.
type Sealer interface {
	// Seal encrypts plain with the current key and binds it to additional, which
	// names the column and the row.
	Seal(plain, additional []byte) ([]byte, error)

	// Open decrypts what Seal made, with any of the keys.
	Open(sealed, additional []byte) ([]byte, error)

	// Current reports whether sealed was made with the current key.
	Current(sealed []byte) bool
}
