package webhook

import (
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// Event is one decoded delivery. Its strings are immutable and shared by copies.
type Event struct {
	// ID is the inbox's id of the entry, the same in every attempt and after a
	// restart; empty before the event was stored.
	ID string

	// Key tells duplicates; see [Event.Stored].
	Key string

	Kind      asleep.WebhookEvent   // may be one that this program does not know; "" if the body names none
	Version   asleep.WebhookVersion // V1 if the body names none
	UserID    string                // of the payload, else of the header x-user-id
	SessionID string

	// Payload is the JSON object that the event is about: data, callback_data or
	// the whole body. Body is all of it, byte for byte as it came.
	Payload string
	Body    string

	// Signed: the sender proved the body by a signature. False means that only the
	// API key was right: whoever acts on the event should confirm it first.
	Signed bool

	Received time.Time // when it was stored
	Revision int       // 1 for the first body under the Key, then counted up
	Attempt  int       // 1 for the first try to work it
}

// Decode reads a body of any shape of the contract: version 3 nested and flat,
// version 2, version 1. userHeader is the value of x-user-id, for bodies that
// name no user. Unknown kinds and members are fine.
//
// The error matches [ErrUndecodable] when the body is no JSON object, not UTF-8,
// nested deeper than 512 levels, or names a member twice that is read here. A body
// that decodes may still lack what it takes to act on it: see [Event.Check].
func Decode(userHeader, body string) (Event, error) { return Event{}, ErrUndecodable }

// EventOf decodes what a worker was handed. Errors as [Decode].
func EventOf(c store.Claim) (Event, error) { return Event{}, ErrUndecodable }

// Stored is the event as an inbox takes it. The dedupe key is
// kind|user|session for SESSION_COMPLETE, kind|user|session|inference_seq_num for
// INFERENCE_COMPLETE, and kind|sha256(body) for all else and for those that lack
// an id. A '|' or '\' within a field is escaped by '\'. Events that are not
// Signed have keys of their own, which begin with "unsigned|".
func (e Event) Stored() store.Event { return store.Event{} }

// Check says what the event lacks to be acted on: nil, or an error that matches
// [ErrIncomplete] and names the member. Such an event is stored and acknowledged
// all the same; workers bury it at once, for no retry can mend it.
//
// A known kind needs a user id and a session id, an unknown one any of them.
func (e Event) Check() error { return ErrIncomplete }

// Session decodes the report of a SESSION_COMPLETE, of all versions. Its
// Session.ID is always the event's SessionID. The error matches [ErrUndecodable],
// also for an event of another kind and for a body that names two sessions.
func (e Event) Session() (*asleep.Report, error) { return nil, ErrUndecodable }

// StoreSession is the report as a store takes it, observed when it was received.
// Errors: as [Event.Session], and [store.ErrInvalid].
func (e Event) StoreSession() (store.Session, error) { return store.Session{}, ErrUndecodable }

// Inference decodes the window of an INFERENCE_COMPLETE, of all versions: what
// older ones call stage_list and osa_stage_list is in SleepStages and
// BreathStages. InferenceSeqNum is never nil. Errors as [Event.Session].
func (e Event) Inference() (*asleep.InferenceData, error) { return nil, ErrUndecodable }

// StoreWindow is the window as a store takes it, observed when it was received.
// Errors: as [Event.Inference], and [store.ErrInvalid].
func (e Event) StoreWindow() (store.Window, error) { return store.Window{}, ErrUndecodable }
