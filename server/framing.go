package server

import (
	"net/http"

	"github.com/asleep-sdk/asleep/webhook"
)

// framing refuses what only a proxy is asked for, a tunnel or a target without a path,
// and has a connection end after a chunked body: a request that bears a Content-Length
// besides is read in two ways by two servers, net/http does not tell whether this one
// did, and what stands behind it may be no request of this sender's (RFC 9112, section
// 6.1).
func framing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		if r.Method == http.MethodConnect || r.URL.Path == "" {
			w.Header().Set("Connection", "close")
			webhook.WriteProblem(w, r, http.StatusBadRequest, "bad_target", "this is no proxy: ask for a path")
			return
		}
		next.ServeHTTP(w, r)
	})
}
