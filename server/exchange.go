package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/client"
)

// exchange is what the layers of a chain know together of one request and its
// answer. The layer that makes it is the outermost.
type exchange struct {
	http.ResponseWriter

	id     string // of the request
	route  string // the pattern that it fits; "" if none does
	start  time.Time
	status int   // 0 before the header
	bytes  int64 // of the body
	timed  bool  // the answer tells how long it took to make
	user   atomic.Pointer[string]
}

// Unwrap gives the answer to [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK { // 1xx may come any number of times
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.begin(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(b)
	x.bytes += int64(n)
	return n, err
}

// ProcessTimeHeader says how long an answer took to make, in seconds.
const ProcessTimeHeader = "X-Process-Time"

func (x *exchange) begin(status int) {
	x.status = status
	if x.timed {
		x.Header().Set(ProcessTimeHeader, strconv.FormatFloat(time.Since(x.start).Seconds(), 'f', 6, 64))
	}
}

// setUser notes whom a request is about. It may be called beside the layers.
func (x *exchange) setUser(id string) {
	if id != "" {
		x.user.Store(&id)
	}
}

// userOf is whom a request is about, as far as that is known.
func (x *exchange) userOf(r *http.Request) string {
	if id := x.user.Load(); id != nil {
		return *id
	}
	return r.Header.Get("X-User-Id")
}

type exchangeKey struct{}

// exchangeOf is the exchange of a request that came through a chain.
func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// RequestIDHeader carries the id of a request, in and out.
const RequestIDHeader = "X-Request-ID"

// identify begins an exchange. A request id that the sender chose is kept, if it
// can stand in a log line; otherwise the request gets one. It goes back with the
// answer, and out with the calls that the request causes.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(RequestIDHeader)
		if !isRequestID(id) {
			id = rand.Text()
		}
		r.Header.Set(RequestIDHeader, id)
		w.Header().Set(RequestIDHeader, id)
		x := &exchange{ResponseWriter: w, id: id, start: time.Now()}
		ctx := context.WithValue(client.ContextWithRequestID(r.Context(), id), exchangeKey{}, x)
		next.ServeHTTP(x, r.WithContext(ctx))
	})
}

// isRequestID reports whether an id is 1 to 128 letters, digits and marks that
// need no quoting anywhere.
func isRequestID(id string) bool {
	for _, c := range []byte(id) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}
