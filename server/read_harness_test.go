package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

const readKey = "read-key-5e884898da28047151d0e56f8dc62927"

// reading is a service with the read API before a fake of the service behind it.
type reading struct {
	bench

	db   store.Store
	fake *asleeptest.Server
}

func readable(t *testing.T) (server.Config, *asleeptest.Server) {
	t.Helper()
	fake := asleeptest.NewServer(t, asleeptest.Config{Users: 3, SessionsPerUser: 5, APIKeys: []string{apiKey}, Ordinary: true})
	cfg := configured()
	cfg.Upstream.BaseURL = fake.URL
	cfg.Reading.Keys = []server.Secret{server.NewSecret("another-key-aaaaaaaaaaaa"), server.NewSecret(readKey)}
	cfg.Limits.Enabled = false
	return cfg, fake
}

func newReading(t *testing.T, change func(*server.Config), opts ...server.Option) *reading {
	t.Helper()
	cfg, fake := readable(t)
	if change != nil {
		change(&cfg)
	}
	return readingOf(t, cfg, memory.New(), fake, opts...)
}

func readingOf(t *testing.T, cfg server.Config, db store.Store, fake *asleeptest.Server, opts ...server.Option) *reading {
	t.Helper()
	log := &lines{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := server.New(cfg, db, append([]server.Option{server.WithLogger(logger)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(t.Context()); _ = db.Close() })
	return &reading{bench: bench{s, log}, db: db, fake: fake}
}

// get asks with a key, and holds the answer against the document.
func (r *reading) get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return r.do(t, http.MethodGet, path, append([]string{"X-Api-Key", readKey}, header...)...)
}

func (r *reading) do(t *testing.T, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(r.Handler(), method, "http://api.example"+path, "", header...)
	if method == http.MethodGet && strings.HasPrefix(path, "/api/") {
		conform(t, path, header, w)
	}
	return w
}

// keep puts nights of the fake into the store, and returns their ids, newest first.
func (r *reading) keep(t *testing.T, user string) (ids []string) {
	t.Helper()
	for _, s := range r.fake.Sessions(user) {
		report, ok := r.fake.Report(s.ID, "UTC")
		if !ok {
			t.Fatalf("no report of %s", s.ID)
		}
		r.put(t, user, report)
		ids = append(ids, s.ID)
	}
	return ids
}

func (r *reading) put(t *testing.T, user string, report *asleep.Report) {
	t.Helper()
	s, err := store.FromReport(user, report, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.db.Sessions().Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// described is the document, read once.
type described struct {
	document *openapi3.T
	find     routers.Router
	err      error
}

var describe = sync.OnceValue(func() (d described) {
	if d.document, d.err = openapi3.NewLoader().LoadFromData(server.Document()); d.err != nil {
		return d
	}
	if d.err = d.document.Validate(context.Background()); d.err == nil {
		d.find, d.err = gorillamux.NewRouter(d.document)
	}
	return d
})

// contract finds routes in the document.
func contract(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	d := describe()
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.document, d.find
}

// conform fails the test where an answer is not what the document says.
func conform(t *testing.T, path string, header []string, w *httptest.ResponseRecorder) {
	t.Helper()
	_, find := contract(t)
	in := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		in.Header.Set(header[i], header[i+1])
	}
	route, parameters, err := find.FindRoute(in)
	if err != nil {
		return // a path that is not in it
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: in, PathParams: parameters, Route: route},
		Status:                 w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	out.SetBodyBytes(w.Body.Bytes())
	if w.Header().Get("Content-Encoding") != "" || w.Header().Get("Content-Type") == "application/x-ndjson" || w.Header().Get("Content-Type") == "application/yaml" {
		out.Options.ExcludeResponseBody = true // lines are judged one by one, where they are asked for
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("GET %s answers %d, which the document does not know: %v", path, w.Code, err)
	}
}
