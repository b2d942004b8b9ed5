package transport

import (
	"context"
	"math/rand/v2"
)

type requestIDKey struct{}

// WithRequestID returns a context whose calls are sent with id as X-Request-ID, so
// that a request can be followed from a caller's own logs. Anything but 1 to 128
// visible ASCII characters is not taken over: such calls get an id of their own.
// A header that the request carries already wins.
func WithRequestID(ctx context.Context, id string) context.Context {
	if !validRequestID(id) {
		return ctx
	}
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestIDFrom returns the id that [WithRequestID] put into ctx, "" if none.
func RequestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func validRequestID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// newRequestID returns 26 random characters, 130 bits. They tell requests apart and
// guard nothing, so the fast generator, which the runtime seeds, is good enough.
func newRequestID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var id [26]byte
	var bits uint64
	for i := range id {
		if i%12 == 0 { // 5 bits each
			bits = rand.Uint64()
		}
		id[i] = alphabet[bits%32]
		bits >>= 5
	}
	return string(id[:])
}
