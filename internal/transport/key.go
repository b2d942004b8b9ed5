package transport

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands where a secret would have stood.
const redacted = "[redacted]"

// Key is the API key, kept where no formatter can reach it: fmt prints the
// unexported fields of a struct without asking their methods, so the value
// lives in a closure instead of a field. The zero Key is "no key".
type Key struct {
	reveal func() string
}

// NewKey wraps the API key. An empty string gives the zero Key.
func NewKey(secret string) Key {
	if secret == "" {
		return Key{}
	}
	return Key{reveal: func() string { return secret }}
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.reveal == nil }

// value is the secret itself; only the attempt and the scrubber call it.
func (k Key) value() string {
	if k.reveal == nil {
		return ""
	}
	return k.reveal()
}

// Format implements [fmt.Formatter] for every verb, %#v and %x included.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements [fmt.Stringer].
func (k Key) String() string { return redacted }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON and other text encodings.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
