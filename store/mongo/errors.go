package mongo

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/asleep-sdk/asleep/store"
)

// Codes of the server, https://www.mongodb.com/docs/manual/reference/error-codes.
const (
	codeUnauthorized    = 13
	codeOptionsConflict = 85
	codeKeysConflict    = 86
	codeTooLarge        = 10334
	codeDuplicateKey    = 11000
	codeOutOfDisk       = 14031
)

// failure is an error of the driver with its kind. Its text tells no password.
type failure struct {
	kind, cause error
	text        string
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return []error{f.kind, f.cause} }

// kinds are those that need no other name.
var kinds = []error{
	store.ErrUnavailable, store.ErrInvalid, store.ErrNotFound, store.ErrCorrupt, store.ErrSealed, store.ErrNewerSchema,
}

// classify gives an error of the driver its kind.
func (d *DB) classify(err error) error {
	if err == nil {
		return nil
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return err
		}
	}
	kind := store.ErrUnavailable
	switch {
	case errors.Is(err, mongo.ErrClientDisconnected):
		return store.ErrClosed
	case hasCode(err, codeTooLarge):
		kind = store.ErrInvalid
	case hasCode(err, codeOutOfDisk):
		kind = store.ErrFull
	case hasCode(err, codeOptionsConflict), hasCode(err, codeKeysConflict):
		kind = store.ErrCorrupt
	}
	text := d.scrub(err.Error())
	if errors.Is(err, context.DeadlineExceeded) || mongo.IsTimeout(err) {
		text = "no answer in time: " + text
	}
	return &failure{kind: kind, cause: err, text: kind.Error() + ": " + text}
}

func hasCode(err error, code int) bool {
	var e mongo.ServerError
	return errors.As(err, &e) && e.HasErrorCode(code)
}

// scrub takes the password out of a text, in every form in which it may stand
// there.
func (d *DB) scrub(text string) string {
	if d.password == "" {
		return text
	}
	for _, form := range []string{d.password, url.QueryEscape(d.password), url.PathEscape(d.password)} {
		text = strings.ReplaceAll(text, form, "xxxxx")
	}
	return text
}
