package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Headers of the two schemes, in canonical form.
const (
	HeaderKey       = "X-Api-Key"
	HeaderUser      = "X-User-Id"
	HeaderSignature = "X-Signature"

	HeaderStandardID        = "Webhook-Id"
	HeaderStandardTimestamp = "Webhook-Timestamp"
	HeaderStandardSignature = "Webhook-Signature"
)

// Version is what begins a signature of [Standard].
const Version = "v1,"

// Prefix may begin a secret that holds base64.
const Prefix = "whsec_"

// What a secret for [Standard] may lack.
var (
	ErrNotBase64 = errors.New("sign: the secret is not base64: Standard Webhooks want base64, after an optional whsec_")
	ErrEmpty     = errors.New("sign: the secret is empty")
)

// Hex signs a body by the documents' scheme.
func Hex(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// Standard signs a message by the Standard Webhooks scheme. The secret is as
// [StandardKey] wants it.
func Standard(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := StandardKey(secret)
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	m.Write(body)
	return Version + base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
}

// StandardKey returns the key that is in a secret: base64, padded or not, after
// an optional whsec_. Errors: [ErrEmpty], [ErrNotBase64].
func StandardKey(secret string) ([]byte, error) {
	text := strings.TrimPrefix(secret, Prefix)
	if text == "" {
		return nil, ErrEmpty
	}
	key, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	switch {
	case err != nil || len(text)%4 != 0 && strings.HasSuffix(text, "="):
		return nil, ErrNotBase64
	case len(key) == 0:
		return nil, ErrEmpty
	}
	return key, nil
}

// Digest is what secrets are compared by: it has one length, whatever theirs.
type Digest [sha256.Size]byte

// DigestOf hashes a secret.
func DigestOf(secret string) Digest { return sha256.Sum256([]byte(secret)) }

// Equal compares in constant time.
func (d Digest) Equal(other Digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }
