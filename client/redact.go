package client

import (
	"errors"
	"strings"
	"unicode"

	"github.com/asleep-sdk/asleep/internal/redact"
)

// redactor keeps the API key and user ids out of texts that came from outside:
// error bodies, and errors of a RoundTripper that is not ours.
type redactor struct {
	key func() string // a closure, which no formatter looks into
}

const hidden = "[redacted]"

// text returns s without the key and without the user id, plain or escaped, in
// whose place a short hash stands.
func (r redactor) text(s, userID string) string {
	if key := r.key(); strings.Contains(s, key) {
		s = strings.ReplaceAll(s, key, hidden)
	}
	return redact.Text(s, userID)
}

// err returns err, or one that reads without key and user id but still matches
// the same targets.
func (r redactor) err(err error, userID string) error {
	text := err.Error()
	if clean := r.text(text, userID); clean != text {
		return &cleanError{text: clean, err: func() error { return err }}
	}
	return err
}

// cleanError hides the text of an error; Unwrap does not hand out what is inside.
type cleanError struct {
	text string
	err  func() error // a closure, which no formatter looks into
}

func (e *cleanError) Error() string { return e.text }

// Is matches what the hidden error matches.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err(), target) }

// As finds what the hidden error holds.
func (e *cleanError) As(target any) bool { return errors.As(e.err(), target) }

// excerpt returns the beginning of a text from outside for a message: at most
// limit bytes of it, valid UTF-8 on one line. Redact first: a cut may leave part
// of a secret that is then not found.
func excerpt(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(clip(s, limit), ""))
	return strings.Join(strings.Fields(s), " ")
}
