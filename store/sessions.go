package store

import (
	"context"
	"time"
)

// Outcome says what a put did.
type Outcome uint8

// The outcomes.
const (
	Unchanged Outcome = iota + 1 // the store had this news already, or newer
	Created                      // the first news of the session
	Updated                      // newer than what was stored, which it replaced
	Erased                       // refused: a tombstone covers it
	Foreign                      // refused: the session id belongs to another user
)

// String names the outcome in lower case.
func (o Outcome) String() string {
	names := [...]string{Unchanged: "unchanged", Created: "created", Updated: "updated", Erased: "erased", Foreign: "foreign"}
	if int(o) < len(names) && o > 0 {
		return names[o]
	}
	return "no outcome"
}

// Sessions keeps sessions. Users of it read a night only under the user or the
// session id that they name; nothing is ever matched by case, prefix or pattern.
type Sessions interface {
	// Put stores news of sessions in one commit: all of it, or on error none. The
	// outcomes stand in the order of the arguments; a session that is named twice
	// ends as its newest news. Putting a settled report removes the partial night
	// of its session. CreatedAt and UpdatedAt of the argument are ignored:
	// CreatedAt is set once, UpdatedAt with every change and by nothing else.
	//
	// Errors: [ErrInvalid] if one of them is; [ErrUnavailable].
	Put(ctx context.Context, sessions ...Session) ([]Outcome, error)

	// Get returns one session, or [ErrNotFound].
	Get(ctx context.Context, id string) (Session, error)

	// List returns one page of sessions, newest first by Start, then by ID,
	// descending; see [All] for all pages. No match is an empty page.
	List(ctx context.Context, q Query) ([]Session, error)

	// Stats sums up the figures of a user's sessions, buckets in ascending order,
	// without empty ones. It is computed from what is stored when it is asked
	// for, so that duplicates and late news never count twice.
	Stats(ctx context.Context, q StatsQuery) ([]Bucket, error)

	// PutWindow stores windows of sessions that are still recorded, in one commit.
	// A window with a number that is there replaces it when it was observed
	// later. Windows of a session whose settled report is stored are
	// [Unchanged]: the report is newer. Outcomes and errors are as Put's.
	PutWindow(ctx context.Context, windows ...Window) ([]Outcome, error)

	// Partial assembles the windows of a session, or returns [ErrNotFound].
	Partial(ctx context.Context, sessionID string) (Partial, error)

	// Partials lists the partial nights of a user that no session is stored of, those
	// with the newest window first, then by SessionID, descending; without their epochs,
	// and [MaxLimit] of them at most. The error matches [ErrInvalid] without a user.
	Partials(ctx context.Context, user string) ([]Partial, error)

	// Delete removes one session of a user and its windows and events, and
	// refuses news of it that was observed or had begun until then; found is
	// false if nothing was stored, in which case the tombstone is set all the
	// same. A session of another user stays. A tombstone never moves back.
	Delete(ctx context.Context, user, id string, until time.Time) (found bool, err error)

	// EraseUser removes everything about a user: sessions, windows, events with
	// their bodies and history, and makes the bytes unreadable where the backend
	// controls them (not in backups, which are the operator's to erase). What
	// was observed, received or had begun until then is refused from now on,
	// also when a put races with the erasure. As late events bear no time of
	// their own, until should lie as far ahead as they may arrive. A tombstone
	// never moves back.
	EraseUser(ctx context.Context, user string, until time.Time) (Erasure, error)

	// Expire removes the oldest sessions that began before the instant, or whose
	// start is not known and that were created before it, and windows of that
	// age, at most limit of each, and returns how many sessions went. A limit
	// below 1 is [ErrInvalid].
	Expire(ctx context.Context, before time.Time, limit int) (int, error)
}

// Erasure counts what an erasure removed.
type Erasure struct{ Sessions, Windows, Events int }
