package server

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/asleep-sdk/asleep/webhook"
)

// The routes that only ask how things are: a line of the log for each would
// drown the others.
var probes = map[string]bool{"/live": true, "/ready": true, "/health": true, "/metrics": true}

// router is a [http.ServeMux] that answers in the one form of failures, and
// tells which route a request fits.
type router struct {
	mux *http.ServeMux
}

func newRouter() *router {
	m := &router{mux: http.NewServeMux()}
	m.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		webhook.WriteProblem(w, r, http.StatusNotFound, "not_found", "there is nothing at this path")
	})
	return m
}

// all hands every request for a path to h, which judges the method.
func (m *router) all(path string, h http.Handler) {
	m.mux.Handle(path, h)
}

// get and post hand requests of one method to h and refuse the others.
func (m *router) get(path string, h http.HandlerFunc) {
	m.only(path, h, http.MethodGet, http.MethodHead)
}
func (m *router) post(path string, h http.HandlerFunc) { m.only(path, h, http.MethodPost) }

func (m *router) only(path string, h http.HandlerFunc, methods ...string) {
	m.all(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			webhook.WriteProblem(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "this path answers "+strings.Join(methods, " and ")+" only")
			return
		}
		h(w, r)
	}))
}

// tell tells the exchange which route a request fits, if any, for all layers behind.
func (m *router) tell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, route := m.mux.Handler(r); route != "/" && isClean(r.URL.Path) {
			exchangeOf(r).route = route
		}
		next.ServeHTTP(w, r)
	})
}

func isClean(p string) bool {
	return p == "*" || strings.TrimSuffix(p, "/") == strings.TrimSuffix(path.Clean("/"+p), "/")
}

// ServeHTTP answers a request. A path that is not clean is not found: the mux
// would send a redirect, which is no form of failure here, and of a POST makes a GET.
func (m *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isClean(r.URL.Path) {
		webhook.WriteProblem(w, r, http.StatusNotFound, "not_found", "there is nothing at this path")
		return
	}
	m.mux.ServeHTTP(w, r)
}
