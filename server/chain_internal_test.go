package server

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// layered is a service of nothing but its layers, around a handler.
func layered(h http.HandlerFunc) (handler http.Handler, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	s := &Service{log: slog.New(slog.NewJSONHandler(log, nil))}
	s.cfg.MaxBody = 10
	return chain(h, s.layers(newRouter())), log
}

func TestTheOrderOfTheLayersIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	names := []string{}
	for _, l := range (&Service{}).layers(newRouter()) {
		names = append(names, l.name)
	}
	if want := []string{"request id", "route", "access log", "figures", "panics", "headers", "framing", "size"}; !slices.Equal(names, want) {
		t.Errorf("%q, and doc.go says %q", names, want)
	}
	s := &Service{cfg: DefaultConfig()}
	entrance, err := s.entrance(nil)
	if err != nil {
		t.Fatal(err)
	}
	names = nil
	for _, l := range s.layers(newRouter(), entrance...) {
		names = append(names, l.name)
	}
	want := []string{"request id", "route", "access log", "figures", "panics", "headers", "framing", "process time", "origins", "limits", "compression", "size"}
	if !slices.Equal(names, want) {
		t.Errorf("from outside %q, and doc.go says %q", names, want)
	}
	var order []string
	note := func(name string) layer {
		return layer{name, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}}
	}
	chain(http.NotFoundHandler(), []layer{note("first"), note("second")}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if !slices.Equal(order, []string{"first", "second"}) {
		t.Errorf("called in the order %q", order)
	}
}

func TestAPanicIsA500ThatIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	h, log := layered(func(http.ResponseWriter, *http.Request) { panic("of the handler") })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":"internal_error"`) || strings.Contains(w.Body.String(), "of the handler") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if w.Header().Get("X-Request-Id") == "" {
		t.Error("the answer has no request id")
	}
	if !strings.Contains(log.String(), "of the handler") || !strings.Contains(log.String(), "chain_internal_test.go") || !strings.Contains(log.String(), `"status":500`) {
		t.Errorf("logged: %s", log)
	}
}

func TestAnAnswerThatHadBegunIsBrokenOffByAPanic(t *testing.T) {
	t.Parallel()
	h, _ := layered(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		panic("then")
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	r, err := srv.Client().Get(srv.URL)
	if err == nil {
		_, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looks whole")
	}
}

func TestNoHandlerReadsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	var read int
	h, _ := layered(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		read = len(b)
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1000))))
	if read != 11 { // one more than the limit, for handlers that tell so from the limit itself
		t.Errorf("%d bytes were read", read)
	}
}

func TestAHandlerCanReachTheConnectionThroughTheLayers(t *testing.T) {
	t.Parallel()
	h, _ := layered(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "x")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if !w.Flushed {
		t.Error("the answer was not flushed")
	}
}
