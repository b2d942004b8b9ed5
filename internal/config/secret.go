package config

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "[hidden]"

// Secret is a text that nothing prints. It lives in a closure, for fmt reads the
// unexported fields of a struct without asking its methods. The zero Secret
// is none.
type Secret struct {
	reveal func() string
}

// NewSecret hides text. Of the empty text it makes the zero Secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return text }}
}

// Reveal returns the text, for whoever has to use it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String implements fmt.Stringer.
func (s Secret) String() string { return hidden }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText keeps the text out of JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
