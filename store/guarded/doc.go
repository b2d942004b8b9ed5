// Package guarded keeps a program answering while its database does not: it puts a
// breaker, deadlines and a bound on calls in front of any [store.Store].
//
//	db = guarded.New(db, guarded.Config{})
//
// # The model
//
// A call that goes to a database that hangs would wait for it, and with it the
// request that it serves; soon all requests would. A [Store] gives every call a
// deadline, admits so many at once, and stops asking a database that has failed
// [Config.Failures] times in a row: for [Config.Pause] every call fails within
// microseconds with [ErrOpen]. Then one call is let through as a probe. If it is
// answered the breaker closes, else it stays open for another pause. Reads and
// writes have a breaker each, which sessions and inbox share: a database that is
// locked or has lost its disk for writing is often read as before, and its answers to
// readers would hide from writers that it hangs. [Store.Breakers] shows both. A
// [store.Inbox] Wake is never held up.
//
// Failures are what matches [store.ErrUnavailable], the deadline of the guard
// included. A database that answers, be it that it is busy, full, read-only or
// closed, or that the caller's argument is wrong, is not down: what goes on being
// possible is not stopped. Busy is a failure all the same if it took half of
// [Config.Timeout] to say so, as those who would wait as long pile up. A call whose
// caller went away says nothing either way.
//
// # Deadlines
//
// A call ends at the caller's deadline or at the guard's, whichever is sooner:
// [Config.Timeout] for the calls of the hot path, [Config.LongTimeout] for those
// that may have much to do (EraseUser, Expire, Sweep, Stats, and pages of lists).
// The guard's deadline is an [store.ErrUnavailable]; what a write that it ended
// has done is unknown, as package store says, and repeating it is safe. Callers are
// answered then also by a store that does not heed its context; such a call counts
// among [Config.Calls] until it returns.
//
// # Who needs no guard
//
// Work that nobody waits for, such as a [github.com/asleep-sdk/asleep/webhook]
// processor's, has a patience of its own, longer than a request's. Give it what
// [Store.Unwrap] returns: an open breaker then does not stop it, and what it does
// says nothing about how requests fare.
//
// # Failures
//
// [ErrOpen] and too many calls at once ([store.ErrBusy]) are matched by
// [store.ErrUnavailable], so a server that answers that with 503 needs nothing
// else; [RetryAfter] says in how long the next probe is due. Nothing was done by
// such a call.
package guarded
