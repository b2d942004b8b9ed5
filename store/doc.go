// Package store says what it means to keep sleep sessions and to queue webhook
// events, and leaves the keeping to backends. It imports the standard library
// only; a program links the backends that it names:
//
//	db, err := store.Open(ctx, os.Getenv("DATABASE_URL"), store.Options{}, sqlite.Backend())
//
// # The model
//
// A [Store] has two halves. [Sessions] keeps the newest news of every session:
// one [Session] per session id, its raw body byte for byte, and a projection of
// its main figures ([Metrics]). [Inbox] keeps webhook events from the moment they
// are acknowledged until they are done: a durable queue that tells duplicates.
// Backends that have both in one database implement [Applier], which writes a
// session and marks the step of the event that brought it in one commit.
//
// # News and its order
//
// News of a session arrives late, twice and out of order. [Session.Rev] puts it
// in one order: a settled report (see [asleep.Report.Immutable]) is newer than
// anything unsettled, then the later observation is newer, then a report is
// newer than a list item, then the later state. Putting older or equal news
// changes nothing, so that the same puts in any order leave the same sessions.
//
// While a session is recorded, INFERENCE_COMPLETE events bring windows of its
// epochs. A [Window] is placed by its number, never appended; the windows of a
// session make a [Partial] night, which goes when the settled report comes.
//
// # Erasing
//
// Deleting is more than removing rows, for late events would bring them back.
// [Sessions.EraseUser] and [Sessions.Delete] leave a tombstone, a hash with an
// instant: what was observed or had begun by then is refused for good, in the
// inbox too.
//
// # Time
//
// Instants are kept in milliseconds of UTC, the least that every backend can
// tell apart, with the offset from UTC where the session was recorded. Ranges
// are half-open: from <= start < to. Ranges of dates are inclusive, as the
// service's are, and mean the date on which a session began where it was
// recorded, in spite of clock changes.
//
// # Memory
//
// Nothing is shared: a backend copies what it keeps of its arguments, and what
// it returns belongs to the caller. Bodies are strings, which nobody can change.
//
// # Failures
//
// A method that returns without an error has done what it says durably: after a
// kill or a power cut it is still done. One that returns an error has done
// nothing of it, with two exceptions: when the context ended while the commit was
// under way the outcome is unknown, and a commit that the disk failed to sync may
// come to light when the process is killed before it has recovered. The same call
// may be made again in any case, as all of them are idempotent or fenced by a
// [Token].
//
// Errors match by errors.Is: [ErrNotFound], [ErrInvalid] (the argument; never
// worth repeating) and [ErrUnavailable] (the backend; worth repeating later), of
// which [ErrBusy], [ErrFull], [ErrReadOnly] and [ErrClosed] are kinds. Reads go
// on as long as the file or server can be read, also while writes fail.
package store
