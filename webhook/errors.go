package webhook

import "errors"

// What an event can be.
var (
	// ErrUndecodable: the body, or its payload, is not what its kind should be.
	ErrUndecodable = errors.New("webhook: undecodable")

	// ErrIncomplete: the event lacks an id, or has one that cannot be stored.
	ErrIncomplete = errors.New("webhook: incomplete event")
)

// Why a delivery is not authentic. All but ErrRepeatedHeader match
// [ErrUnauthorized] too; a sender is told no more than that.
var (
	ErrUnauthorized = errors.New("webhook: not authentic")

	ErrNoKey              error = reason("no x-api-key")
	ErrBadKey             error = reason("wrong x-api-key")
	ErrNoSignature        error = reason("not signed")
	ErrMalformedSignature error = reason("malformed signature header")
	ErrBadSignature       error = reason("no valid signature")
	ErrTooOld             error = reason("timestamp too old")
	ErrTooNew             error = reason("timestamp too new")

	// ErrRepeatedHeader: a header that has one value came twice. It is a broken
	// request, not a refused one.
	ErrRepeatedHeader = errors.New("webhook: repeated header")
)

// reason is one way not to be authentic.
type reason string

func (r reason) Error() string        { return "webhook: " + string(r) }
func (r reason) Is(target error) bool { return target == ErrUnauthorized }
