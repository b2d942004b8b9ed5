package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
)

// User is a user id that prints and logs as its digest, such as
// "user:5f1c0a92e4b7".
type User string

// Session is a session id that prints and logs as its digest, such as
// "session:5f1c0a92e4b7". The service builds the ids of sessions with those of users.
type Session string

// digestBytes is enough to tell the users of one log apart.
const digestBytes = 6

func digest(kind, id string) string {
	if id == "" {
		return kind + ":none"
	}
	sum := sha256.Sum256([]byte(id))
	return kind + ":" + hex.EncodeToString(sum[:digestBytes])
}

// String is the digest; of the empty id it is "user:none".
func (u User) String() string { return digest("user", string(u)) }

// LogValue implements slog.LogValuer; the digest is made only if the line is
// written.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText keeps the id out of JSON logs.
func (u User) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// String is the digest; of the empty id it is "session:none".
func (s Session) String() string { return digest("session", string(s)) }

// LogValue implements slog.LogValuer; the digest is made only if the line is
// written.
func (s Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the id out of JSON logs.
func (s Session) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
