package webhook

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

// Sign signs a body by the documents' scheme: the value of x-signature.
func Sign(secret string, body []byte) string { return sign.Hex(secret, body) }

// SignStandard signs a message by Standard Webhooks: the value of
// webhook-signature. The secret is base64 after an optional whsec_; an error says
// that it is not, and quotes nothing.
func SignStandard(secret, id string, at time.Time, body []byte) (string, error) {
	return sign.Standard(secret, id, at, body)
}

// Sender makes requests as a sender of webhooks does, for tests of receivers and
// for gateways that sign.
type Sender struct {
	Scheme Scheme // "" means SchemeHex
	Key    string // x-api-key; none if empty
	Secret string // not used by SchemeKey
	UserID string // x-user-id; none if empty

	// ID and Time are those of Standard Webhooks; an empty ID is made up, a zero
	// Time is now.
	ID   string
	Time time.Time
}

// Header returns the headers of a delivery with this body. The error is about
// the Scheme or the Secret, which it does not quote.
func (s Sender) Header(body string) (http.Header, error) {
	return sign.Sender{Scheme: string(s.Scheme), Key: s.Key, Secret: s.Secret, UserID: s.UserID, ID: s.ID, Time: s.Time}.Header(body)
}

// NewRequest makes a POST of the body to the URL, with the headers of
// [Sender.Header].
func (s Sender) NewRequest(ctx context.Context, url, body string) (*http.Request, error) {
	h, err := s.Header(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = h
	return r, nil
}
