package webhook

import (
	"net/http"

	"github.com/asleep-sdk/asleep/store"
)

// Receiver is the http.Handler that deliveries are sent to, at whatever path it
// is mounted. Make one with [NewReceiver].
type Receiver struct{}

// NewReceiver stores what v finds authentic in the inbox. All problems of the
// options are told at once.
func NewReceiver(inbox store.Inbox, v *Verifier, opts ...Option) (*Receiver, error) {
	return new(Receiver), nil
}

// ServeHTTP answers one delivery, with 200 {"status":"queued"} once it is durable.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	WriteProblem(w, req, http.StatusServiceUnavailable, "unavailable", "not ready")
}

// ReceiverStats counts since the receiver was made.
type ReceiverStats struct {
	Stored     uint64 // new events
	Revised    uint64 // new bodies of known events
	Duplicates uint64
	Erased     uint64 // of users or sessions that were erased; nothing was kept
	Unknown    uint64 // of those stored: of a kind that this program does not know
	Incomplete uint64 // of those stored: see Event.Check
	Rejected   map[string]uint64 // answered 4xx or 503, by the code of the problem
	InFlight   int
	Backlog    int // upper estimate of what is not done yet
	Verifier   VerifierStats
}

// Stats returns a snapshot.
func (r *Receiver) Stats() ReceiverStats { return ReceiverStats{} }
