package sign

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The names of the schemes. KeyAlone signs nothing.
const (
	SchemeKeyAlone = "key"
	SchemeHex      = "signature"
	SchemeStandard = "standard"
)

// Sender is who sends webhooks.
type Sender struct {
	Scheme string // "" means SchemeHex
	Key    string // x-api-key; none if empty
	Secret string // not used by SchemeKeyAlone
	UserID string // x-user-id; none if empty

	// ID and Time are those of [Standard]; an empty ID is made up, a zero Time
	// is now.
	ID   string
	Time time.Time
}

// Header returns the headers of a delivery with this body.
func (s Sender) Header(body string) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	if s.Key != "" {
		h.Set(HeaderKey, s.Key)
	}
	if s.UserID != "" {
		h.Set(HeaderUser, s.UserID)
	}
	switch scheme := cmp.Or(s.Scheme, SchemeHex); scheme {
	case SchemeKeyAlone:
	case SchemeHex:
		if s.Secret == "" {
			return nil, ErrEmpty
		}
		h.Set(HeaderSignature, Hex(s.Secret, []byte(body)))
	case SchemeStandard:
		at := s.Time
		if at.IsZero() {
			at = time.Now()
		}
		id := cmp.Or(s.ID, "msg_"+rand.Text())
		signature, err := Standard(s.Secret, id, at, []byte(body))
		if err != nil {
			return nil, err
		}
		h.Set(HeaderStandardID, id)
		h.Set(HeaderStandardTimestamp, strconv.FormatInt(at.Unix(), 10))
		h.Set(HeaderStandardSignature, signature)
	default:
		return nil, fmt.Errorf("sign: scheme %.40q is not known: want %s, %s or %s", scheme, SchemeKeyAlone, SchemeHex, SchemeStandard)
	}
	return h, nil
}
