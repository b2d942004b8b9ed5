package store

import (
	"context"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
)

// DedupeWindow is how long after its receipt an event is at least remembered, so
// that its duplicates are known.
const DedupeWindow = 7 * 24 * time.Hour

// Event is one webhook delivery.
type Event struct {
	// Key tells duplicates among the events of one user and session: two with the
	// same Key are the same, or two revisions of it when their bodies differ.
	Key string

	Kind      asleep.WebhookEvent // may be one that this program does not know
	UserID    string              // may be empty
	SessionID string              // may be empty
	Body      string              // as it came
	Received  time.Time           // zero means now
}

// Normalize checks the event and rounds its instant; a zero Received becomes now.
// Backends call it first thing. The error matches [ErrInvalid].
func (e Event) Normalize(now time.Time) (Event, error) {
	if e.Key == "" {
		return Event{}, invalid("key of the event is empty")
	}
	for what, s := range map[string]string{"kind": string(e.Kind), "user id": e.UserID, "session id": e.SessionID} {
		if err := checkText(what, s); err != nil {
			return Event{}, err
		}
	}
	if e.Received.IsZero() {
		e.Received = now
	}
	if e.Received.UnixMilli() <= 0 || !inYears(e.Received) {
		return Event{}, invalid("the event was received before 1970 or after 9999")
	}
	e.Received = Milli(e.Received)
	return e, nil
}

// Receipt says what became of an event that was put.
type Receipt struct {
	ID       string // of the entry; "" for Refused
	Result   Result
	Revision int // 1 for the first body under a key
}

// Result is the kind of a [Receipt].
type Result uint8

// The results. All of them are to be acknowledged to the sender.
const (
	Stored    Result = iota + 1 // new, and queued
	Revised                     // a new body under a known key, queued as a revision
	Duplicate                   // known with this body; nothing was queued
	Refused                     // the user or session was erased; nothing was kept
)

// String names the result in lower case.
func (r Result) String() string {
	names := [...]string{Stored: "stored", Revised: "revised", Duplicate: "duplicate", Refused: "refused"}
	if int(r) < len(names) && r > 0 {
		return names[r]
	}
	return "no result"
}

// Token fences a claim: it is good until the event is settled or claimed again,
// also by the same worker. It is opaque.
type Token string

// Claim is an event that was handed to a worker.
type Claim struct {
	Token Token
	Event
	ID       string
	Revision int
	Attempts int       // failed ones so far
	Claims   int       // how often it was handed out, this time included
	Steps    []string  // those that are done
	Until    time.Time // when the lease ends
}

// Action is what a [Settlement] does to a claimed event.
type Action uint8

// The actions. All but StepDone end the claim.
const (
	StepDone Action = iota + 1 // mark Step as done; the claim goes on
	Finish                     // done: the body is dropped, the key remembered
	Retry                      // one attempt has failed: hand it out again from At on
	Bury                       // dead, with Reason; kept until it is replayed or purged
	Release                    // hand it out again from At on; no attempt is burnt
)

// Settlement is what a worker reports of a claimed event.
type Settlement struct {
	Token  Token
	Action Action
	Step   string    // for StepDone: letters, digits, '_' and '-'
	At     time.Time // for Retry and Release; zero or past means at once
	Reason string    // for Retry, Bury and Release: goes to the history, cut to 1 KiB
}

// Normalize checks the settlement. Backends call it first thing. The error
// matches [ErrInvalid].
func (s Settlement) Normalize() (Settlement, error) {
	if s.Action < StepDone || s.Action > Release {
		return s, invalid("action %d of a settlement is not known", s.Action)
	}
	if s.Action == StepDone && !IsStep(s.Step) {
		return s, invalid("step %.40q: want 1 to 40 letters, digits, '_' or '-'", s.Step)
	}
	const maxReason = 1 << 10
	s.Reason = strings.ReplaceAll(strings.ToValidUTF8(s.Reason, "\uFFFD"), "\x00", "\uFFFD")
	if len(s.Reason) > maxReason {
		s.Reason = strings.ToValidUTF8(s.Reason[:maxReason], "")
	}
	return s, nil
}

// IsStep reports whether s can name a step.
func IsStep(s string) bool {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", r) {
			return false
		}
	}
	return s != "" && len(s) <= 40
}

// EntryState is where an event stands.
type EntryState uint8

// The states.
const (
	Ready  EntryState = iota + 1 // waits to be claimed, maybe for its time to come
	Leased                       // in the hands of a worker
	Done                         // only its key is remembered
	Dead                         // given up; kept until it is replayed or purged
)

// String names the state in lower case.
func (s EntryState) String() string {
	names := [...]string{Ready: "ready", Leased: "leased", Done: "done", Dead: "dead"}
	if int(s) < len(names) && s > 0 {
		return names[s]
	}
	return "no state"
}

// Entry is an event as the inbox sees it.
type Entry struct {
	ID string
	Event
	State    EntryState
	Revision int
	Attempts int
	Claims   int
	Steps    []string
	Due      time.Time // Ready: when it may be claimed; Leased: when the lease ends
	History  []Note    // oldest first; filled in by Get only
}

// Note is one line of an entry's history.
type Note struct {
	At     time.Time
	What   string // "retry", "bury", "release", "replay"
	Reason string
}

// InboxQuery selects entries, in the order in which they came.
type InboxQuery struct {
	State  EntryState // 0 selects all
	UserID string     // "" selects all
	After  string     // the ID of the entry to continue behind
	Limit  int        // as in [Query]
}

// Normalize checks the query and fills in the limit.
func (q InboxQuery) Normalize() (InboxQuery, error) {
	if q.State > Dead {
		return q, invalid("state %d of an event is not known", q.State)
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return q, invalid("limit %d is not between 0 and %d", q.Limit, MaxLimit)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	return q, nil
}

// Depth is how full the inbox is.
type Depth struct {
	Ready   int       // may be claimed now
	Delayed int       // waits for its time
	Leased  int       // in the hands of workers
	Dead    int       // given up
	Oldest  time.Time // receipt of the oldest that is neither done nor dead; zero if none
}

// Backlog is how many events are not done yet.
func (d Depth) Backlog() int { return d.Ready + d.Delayed + d.Leased }

// Inbox is a durable queue that tells duplicates. Every event is handed out until
// it is settled, so it may be handed out twice, after a crash or a lease that ran
// out, but never to two claims that can both settle it.
type Inbox interface {
	// Put stores events in one commit: when it returns without an error they
	// survive a power cut. Duplicates are remembered for [DedupeWindow] at least.
	Put(ctx context.Context, events ...Event) ([]Receipt, error)

	// Claim hands out events that are due, at most limit, those that are due
	// first coming first, for the length of the lease. It returns at once, with
	// none when there is none. Events whose body cannot be decrypted stay leased
	// and out of the way; only when there is no other the error is [ErrSealed].
	Claim(ctx context.Context, limit int, lease time.Duration) ([]Claim, error)

	// Extend lengthens leases to last from now on, and returns the tokens that
	// are no longer good.
	Extend(ctx context.Context, lease time.Duration, tokens ...Token) (lost []Token, err error)

	// Settle carries out settlements in their order and in one commit, and
	// returns the tokens that were no longer good; nothing was done about those.
	// A lease that ran out is still good while nobody else has claimed the event.
	Settle(ctx context.Context, settlements ...Settlement) (lost []Token, err error)

	// List returns one page of entries, in the order of their receipt.
	List(ctx context.Context, q InboxQuery) ([]Entry, error)

	// Get returns an entry with its history, or [ErrNotFound].
	Get(ctx context.Context, id string) (Entry, error)

	// Replay makes dead events ready again, with no attempts burnt, their steps
	// and history kept, and returns how many; others are passed over.
	Replay(ctx context.Context, ids ...string) (int, error)

	// Purge removes dead events and returns how many; others are passed over.
	Purge(ctx context.Context, ids ...string) (int, error)

	// Sweep forgets at most limit events that are done and were received before
	// the instant; those within [DedupeWindow] stay in any case. It returns how
	// many went. A limit below 1 is [ErrInvalid].
	Sweep(ctx context.Context, before time.Time, limit int) (int, error)

	// Depth counts. Its cost grows with what is not done, not with what is.
	Depth(ctx context.Context) (Depth, error)

	// Wake receives a value soon after something became claimable through this
	// Inbox. It is a hint: values are merged, and events whose time comes, or
	// which another process put, need a poll.
	Wake() <-chan struct{}
}

// Write is what an event brings to the sessions.
type Write struct {
	Sessions []Session
	Windows  []Window
}

// Applier is an [Inbox] that shares its database with [Sessions].
type Applier interface {
	// Apply stores the write and marks the step as done in one commit, so that it
	// happens once however often the event is handed out. If the step is marked
	// already, nothing is written and there are no outcomes. Outcomes are those of
	// the sessions, then of the windows. Errors: [ErrLeaseLost], [ErrInvalid],
	// [ErrUnavailable].
	Apply(ctx context.Context, t Token, step string, w Write) ([]Outcome, error)
}
