package transport

import "context"

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
