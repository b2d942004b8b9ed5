package asleeptest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

// lastNight is the LastNight of tests that need one.
var lastNight = asleep.Date{Year: 2026, Month: 3, Day: 14}

// reply is what a call came to.
type reply struct {
	status int
	header http.Header
	body   string
	length int64 // Content-Length as the transport tells it
	err    error // of the call, or of reading the body
}

func (r reply) detail(t *testing.T) string {
	t.Helper()
	var v struct {
		Detail any `json:"detail"`
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	s, _ := v.Detail.(string)
	return s
}

func (r reply) result(t *testing.T) string {
	t.Helper()
	var v struct {
		Result json.RawMessage `json:"result"`
	}
	if r.err != nil || r.status >= http.StatusMultipleChoices {
		t.Fatalf("answer %d %q, error %v", r.status, r.body, r.err)
	}
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	return string(v.Result)
}

// call makes a request with a key; headers are "name: value" and replace.
func call(t *testing.T, rt http.RoundTripper, method, url, body string, headers ...string) reply {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = "http://fake" + url
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, content)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", "key")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	return do(rt, req)
}

func do(rt http.RoundTripper, req *http.Request) reply {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return reply{err: err}
	}
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), resp.ContentLength, errors.Join(err, resp.Body.Close())}
}

func get(t *testing.T, s *asleeptest.Server, path string, headers ...string) reply {
	t.Helper()
	return call(t, s.Transport(), http.MethodGet, path, "", headers...)
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../testdata/fixtures/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// list reads one page.
func list(t *testing.T, s *asleeptest.Server, user, query string, headers ...string) []asleep.SessionSummary {
	t.Helper()
	r := get(t, s, "/data/v1/sessions"+query, append(headers, "x-user-id: "+user)...)
	var page asleep.SessionList
	if err := json.Unmarshal([]byte(r.result(t)), &page); err != nil {
		t.Fatal(err)
	}
	return page.SleepSessionList
}

func noViolations(t *testing.T, s *asleeptest.Server) {
	t.Helper()
	for _, v := range s.Violations() {
		t.Errorf("violation: %s", v)
	}
}
