package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
)

// User is a user id that prints and logs as its digest, such as
// "user:5f1c0a92e4b7".
type User string

// digestBytes is enough to tell the users of one log apart.
const digestBytes = 6

// String is the digest; of the empty id it is "user:none".
func (u User) String() string {
	if u == "" {
		return "user:none"
	}
	sum := sha256.Sum256([]byte(u))
	return "user:" + hex.EncodeToString(sum[:digestBytes])
}

// LogValue implements slog.LogValuer; the digest is made only if the line is
// written.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText keeps the id out of JSON logs.
func (u User) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
