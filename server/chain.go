package server

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/webhook"
)

// A layer is a middleware with the name that the documentation calls it.
type layer struct {
	name string
	wrap middleware
}

type middleware = func(next http.Handler) http.Handler

// chain puts layers around a handler, the first one outermost.
func chain(h http.Handler, layers []layer) http.Handler {
	for _, l := range slices.Backward(layers) {
		h = l.wrap(h)
	}
	return h
}

// layers is the order of what stands around every handler. A layer may lean on
// those before it: nothing is logged without an id, a panic is logged and
// measured as the 500 that it became, and a refusal of any layer has all headers.
// Between headers and size stands what judges who is let in.
func (s *Service) layers(routes *router, entrance ...layer) []layer {
	return append(append([]layer{
		{"request id", identify},
		{"route", routes.tell},
		{"access log", s.accessLog},
		{"figures", s.measure},
		{"panics", s.recoverPanics},
		{"headers", secure},
		{"framing", framing},
	}, entrance...), layer{"size", s.boundBody})
}

// accessLog writes a line for every exchange once it is over, at info; probes
// at debug, what failed on this side at warn. No body, no query and no header but
// the request id and the digest of the user's is in it.
func (s *Service) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		defer func() {
			level := levelOf(x)
			if !s.log.Enabled(r.Context(), level) {
				return
			}
			attributes := []slog.Attr{
				slog.String("method", printable(r.Method)),
				slog.String("route", x.route),
				slog.Int("status", x.status),
				slog.Float64("duration_ms", float64(time.Since(x.start).Microseconds())/1e3),
				slog.Int64("bytes", x.bytes),
				slog.String("request_id", x.id),
			}
			if user := x.userOf(r); user != "" {
				attributes = append(attributes, slog.Any("user", s.user(user)))
			}
			s.log.LogAttrs(r.Context(), level, "request", attributes...)
		}()
		next.ServeHTTP(w, r)
	})
}

func levelOf(x *exchange) slog.Level {
	switch {
	case x.status >= http.StatusInternalServerError && !probes[x.route]:
		return slog.LevelWarn
	case probes[x.route]:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// user is a user id as it may be logged.
func (s *Service) user(id string) any {
	if s.cfg.LogUserIDs {
		return id
	}
	return redact.User(id)
}

// recoverPanics answers 500 in the place of a handler that panicked. An answer
// that had begun is broken off instead, so that nobody takes it for whole.
func (s *Service) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so as well
				panic(p) //nolint:forbidigo // for net/http, whose way of breaking off this is
			}
			s.log.ErrorContext(r.Context(), "panic", "route", x.route, "request_id", x.id, "panic", p, "stack", string(debug.Stack()))
			if x.status != 0 {
				panic(http.ErrAbortHandler) //nolint:forbidigo // as above
			}
			webhook.WriteProblem(w, r, http.StatusInternalServerError, "internal_error", "this is a fault of the receiver: look for the request id in its log")
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that keep a browser from making anything of an answer.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// boundBody cuts bodies off behind the limit. The receiver has a bound of its
// own, with an answer for it; this one is for every handler that forgets.
func (s *Service) boundBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxBody+1)
		next.ServeHTTP(w, r)
	})
}

// printable is a method as it may be logged or counted: one of those that HTTP
// defines.
func printable(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}
