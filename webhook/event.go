package webhook

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/sign"
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

	report string // the JSON object that holds session and stat
	seq    int    // inference_seq_num; noSeq if it is absent or no whole number
	unfit  string // the member that cannot be stored, if any
}

// noSeq stands for an inference_seq_num that places nothing.
const noSeq = -1

// Decode reads a body of any shape of the contract: version 3 nested and flat,
// version 2, version 1. userHeader is the value of x-user-id, for bodies that
// name no user. Unknown kinds and members are fine, and a member of another type
// than it should be counts as absent.
//
// The error matches [ErrUndecodable] when the body is no JSON object, not UTF-8,
// nested deeper than 512 levels, or names a member twice that is read here. A body
// that decodes may still lack what it takes to act on it: see [Event.Check].
//
// Signed is true: whoever knows better sets it.
func Decode(userHeader, body string) (Event, error) {
	s := scanner{text: body}
	if err := s.scan(); err != nil {
		return Event{}, err
	}
	e := Event{
		Kind:    asleep.WebhookEvent(cmp.Or(s.textOf(ofEvent), s.textOf(ofCallbackEvent))),
		Version: asleep.WebhookVersion(cmp.Or(s.textOf(ofVersion), s.textOf(ofCallbackVersion), string(asleep.WebhookVersionV1))),
		Body:    body, Signed: true,
	}
	base := atRoot
	if data := s.objectOf(ofData); data != "" {
		e.Payload, base = data, atData
	} else if data := s.objectOf(ofCallbackData); data != "" {
		e.Payload, base = data, atCallback
	} else {
		e.Payload = strings.TrimSpace(body)
	}
	e.UserID = cmp.Or(s.textOf(base+inUser), userHeader)
	e.SessionID = cmp.Or(s.textOf(base+inSession), s.textOf(base+inSessionObjectID), s.textOf(base+inSleepSessionID))
	e.seq = sequence(s.found[base+inSeq])
	e.report = s.objectOf(base + inSleepData)
	if e.report == "" && s.objectOf(base+inSessionObject) != "" {
		e.report = e.Payload
	}
	e.dropUnfit()
	e.Key = e.key()
	return e, nil
}

// sequence reads the number of an inference, which may be written as 12.0.
func sequence(raw string) int {
	const most = 1 << 30
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f != math.Trunc(f) || f < 0 || f > most {
		return noSeq
	}
	return int(f)
}

// dropUnfit empties the members that no store can keep, so that the event itself
// can be kept.
func (e *Event) dropUnfit() {
	if store.CheckID("event", cmp.Or(string(e.Kind), "-")) != nil {
		e.Kind, e.unfit = "", "event"
	}
	if store.CheckID("user id", cmp.Or(e.UserID, "-")) != nil {
		e.UserID, e.unfit = "", "user_id"
	}
	if store.CheckID("session id", cmp.Or(e.SessionID, "-")) != nil {
		e.SessionID, e.unfit = "", "session_id"
	}
}

// EventOf decodes what a worker was handed. Errors as [Decode].
func EventOf(c store.Claim) (Event, error) {
	e, err := Decode(c.UserID, c.Body)
	if err != nil {
		return Event{}, err
	}
	e.ID, e.Key, e.Received, e.Revision, e.Attempt = c.ID, c.Key, c.Received, c.Revision, c.Attempts+1
	e.Signed = !strings.HasPrefix(c.Key, unsigned)
	return e, nil
}

// unsigned begins the dedupe key of what only the API key vouches for. It has to
// be told apart in the inbox: the mode may have changed until it is worked, and
// what was signed must not be taken for a duplicate of what anybody with the key
// can send.
const unsigned = "unsigned|"

// Stored is the event as an inbox takes it, received now. The dedupe key is
// kind|user|session for SESSION_COMPLETE, kind|user|session|inference_seq_num for
// INFERENCE_COMPLETE, and kind|sha256(body) for all else and for those that lack
// an id. A '|' or '\' within a field is escaped by '\'. Events that are not
// Signed have keys of their own, which begin with "unsigned|".
func (e Event) Stored() store.Event {
	key := e.Key
	if !e.Signed && !strings.HasPrefix(key, unsigned) {
		key = unsigned + key
	}
	return store.Event{Key: key, Kind: e.Kind, UserID: e.UserID, SessionID: e.SessionID, Body: e.Body}
}

func (e *Event) key() string {
	kind := fieldEscape.Replace(string(e.Kind))
	if e.UserID == "" || e.SessionID == "" || !known(e.Kind) || e.Kind == asleep.WebhookEventInferenceComplete && e.seq == noSeq {
		digest := sign.DigestOf(e.Body)
		return kind + "|" + hex.EncodeToString(digest[:])
	}
	key := kind + "|" + fieldEscape.Replace(e.UserID) + "|" + fieldEscape.Replace(e.SessionID)
	if e.Kind == asleep.WebhookEventInferenceComplete {
		key += "|" + strconv.Itoa(e.seq)
	}
	return key
}

var fieldEscape = strings.NewReplacer(`\`, `\\`, `|`, `\|`)

// known reports whether this program knows what a kind means.
func known(kind asleep.WebhookEvent) bool {
	return kind == asleep.WebhookEventSessionComplete || kind == asleep.WebhookEventInferenceComplete
}

// Check says what the event lacks to be acted on: nil, or an error that matches
// [ErrIncomplete] and names the member. Such an event is stored and acknowledged
// all the same; workers bury it at once, for no retry can mend it.
//
// A known kind needs a user id and a session id, an unknown one any of them, and
// an INFERENCE_COMPLETE its inference_seq_num.
func (e Event) Check() error {
	missing := ""
	switch {
	case e.unfit != "":
		return fmt.Errorf("%w: %s is longer than 512 bytes or has a zero byte in it", ErrIncomplete, e.unfit)
	case e.Kind == "":
		missing = "event or callback_event"
	case !known(e.Kind) && e.UserID == "" && e.SessionID == "":
		missing = "user_id and session id"
	case !known(e.Kind):
	case e.UserID == "":
		missing = "user_id, and the header x-user-id"
	case e.SessionID == "":
		missing = "session id"
	case e.Kind == asleep.WebhookEventInferenceComplete && e.seq == noSeq:
		missing = "inference_seq_num, a whole number from 0"
	}
	if missing == "" {
		return nil
	}
	return fmt.Errorf("%w: there is no %s", ErrIncomplete, missing)
}
