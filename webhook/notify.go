package webhook

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Notification tells that an event was stored. Its JSON is what [HTTPNotifier]
// posts:
//
//	{"id":"…","type":"SESSION_COMPLETE","user_id":"…","session_id":"…","received":"…",
//	 "revision":1,"confirmed":true,"seq":3,"state":"COMPLETE","start":"…","end":"…",
//	 "figures":{"sleep_index":72,"time_in_sleep":25200}}
//
// The ids say who slept when: it is personal data, with figures health data. Send
// it to addresses that are yours.
type Notification struct {
	// ID is the same for the same event in every try, after a crash and after a
	// replay: it is made of the event's key, user, session and body.
	ID        string              `json:"id"`
	Type      asleep.WebhookEvent `json:"type"`
	UserID    string              `json:"user_id,omitempty"`
	SessionID string              `json:"session_id,omitempty"`
	Received  time.Time           `json:"received"`
	Revision  int                 `json:"revision"`

	// Confirmed: the event was signed, or the API was asked about it.
	Confirmed bool `json:"confirmed"`

	// Seq is the number of the window of an INFERENCE_COMPLETE.
	Seq *int `json:"seq,omitempty"`

	// What the store has of a SESSION_COMPLETE when it is sent, if figures were
	// asked for.
	State   asleep.SessionState `json:"state,omitempty"`
	Start   time.Time           `json:"start,omitzero"`
	End     time.Time           `json:"end,omitzero"`
	Figures map[string]float64  `json:"figures,omitempty"`
}

// Notifier passes notifications on, to a URL, a function or a message broker. It is
// called again with the same ID until it returns nil, so the far side must tell
// duplicates by it. Order is not kept: a late try comes after younger events.
//
// An error made by [Drop] makes the event dead, one made by [Unavailable] (or
// RetryIn of it) says that nothing would get through now; any other is about this
// notification alone. All are tried again as the schedule says. The context is
// bounded.
type Notifier interface {
	Notify(ctx context.Context, n Notification) error
}

// NotifyFunc is a function that is a [Notifier].
type NotifyFunc func(ctx context.Context, n Notification) error

// Notify calls f.
func (f NotifyFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }
