package transport

import (
	"net/http"
	"slices"
)

// shownHeaders may appear in a dump; everything else is hidden, so that a new
// secret header is safe before anyone has heard of it.
var shownHeaders = []string{
	"Accept", "Accept-Encoding", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Type", "Date",
	"Etag", "Last-Modified", "Retry-After", "Server", "Timezone", "Traceparent", "User-Agent", "X-Request-Id",
}

// RedactHeader returns a copy of h fit for logs: the values of headers that are
// not known to be harmless (x-api-key, x-user-id, cookies, Location, anything
// unknown) are replaced by "[redacted]".
func RedactHeader(h http.Header) http.Header {
	shown := make(http.Header, len(h))
	for name, values := range h {
		if slices.Contains(shownHeaders, http.CanonicalHeaderKey(name)) {
			shown[name] = slices.Clone(values)
		} else {
			shown[name] = []string{redacted}
		}
	}
	return shown
}
