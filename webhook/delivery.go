package webhook

import (
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// The codes of a [Problem] that a receiver answers with.
const (
	CodeMethod       = "method_not_allowed"     // 405
	CodeMediaType    = "unsupported_media_type" // 415
	CodeUnauthorized = "unauthorized"           // 401: any failure of authentication
	CodeHeader       = "bad_header"             // 400: a header came twice
	CodeBody         = "bad_body"               // 400: broken off, or too slow
	CodeTooLarge     = "body_too_large"         // 413
	CodeUndecodable  = "undecodable"            // 400: no JSON object
	CodeBacklog      = "backlog_full"           // 503: too much is not done yet
	CodeUnavailable  = "unavailable"            // 503: the inbox did not take it
)

// OtherKind stands for every kind of event that this program does not know, so
// that senders cannot make up labels of metrics.
const OtherKind asleep.WebhookEvent = "other"

// Delivery is one request as an observer sees it.
type Delivery struct {
	Status   int
	Code     string              // of the problem, or what the inbox says: stored, revised, duplicate, refused
	Kind     asleep.WebhookEvent // a known one, OtherKind, or "" if it was not decoded
	Scheme   Scheme              // "" if it was not authentic
	Bytes    int                 // of the body, as far as it was read
	Duration time.Duration

	incomplete bool
	retry      time.Duration // what the inbox asks to wait; 0: nothing
}

// result is what the inbox made of an event.
func (d *Delivery) result() (r store.Result, ok bool) {
	for r := store.Stored; r <= store.Refused; r++ {
		if r.String() == d.Code {
			return r, true
		}
	}
	return 0, false
}
