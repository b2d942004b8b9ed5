package asleeptest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

const jsonBody = "content-type: application/json"

func admin(t *testing.T, s *asleeptest.Server, method, path, body string) reply {
	t.Helper()
	if body == "" {
		return call(t, s.Transport(), method, "/_fake/"+path, "")
	}
	return call(t, s.Transport(), method, "/_fake/"+path, body, jsonBody)
}

// What Inject does can be ordered over HTTP, seen, and taken back.
func TestAdminFaults(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 2})
	first := admin(t, s, http.MethodPost, "faults", `{"kind":"403_rate_limit","user":"user-0001","times":2,"retry_after":"7"}`)
	second := admin(t, s, http.MethodPost, "faults", `{"status":503,"user":"user-0002","body":"{}","header":{"X-Test":["a"]}}`)
	if first.status != http.StatusCreated || first.body != `{"id":1}` || second.body != `{"id":2}` {
		t.Errorf("%d %s, %s", first.status, first.body, second.body)
	}
	r := get(t, s, "/ai/v1/users/user-0001")
	if r.status != 403 || r.header.Get("Retry-After") != "7" || r.detail(t) != "Rate limit exceeded" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := get(t, s, "/ai/v1/users/user-0002"); r.status != 503 || r.body != "{}" || r.header.Get("X-Test") != "a" {
		t.Errorf("%d %s", r.status, r.body)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(admin(t, s, http.MethodGet, "faults", "").body), &list); err != nil || len(list) != 2 ||
		list[0]["id"] != 1.0 || list[0]["met"] != 1.0 || list[0]["name"] != "403_rate_limit" {
		t.Errorf("%v, %v", list, err)
	}
	if r := admin(t, s, http.MethodDelete, "faults/2", ""); r.status != http.StatusNoContent {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := admin(t, s, http.MethodDelete, "faults/2", ""); r.status != http.StatusNotFound || !strings.Contains(r.body, `\"2\"`) {
		t.Errorf("again: %d %s", r.status, r.body)
	}
	if r := get(t, s, "/ai/v1/users/user-0002"); r.status != 200 {
		t.Errorf("after: %d %s", r.status, r.body)
	}
	if r := admin(t, s, http.MethodDelete, "faults", ""); r.status != http.StatusNoContent {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := statuses(t, s, "user-0001", 2); !slices.Equal(got, []int{200, 200}) {
		t.Errorf("after all: %v", got)
	}
	noViolations(t, s)
	if n := s.Stats().Requests; n != 5 {
		t.Errorf("%d requests counted, want 5: those of the administration do not count", n)
	}
}

func TestAdminSwitches(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	for _, step := range []struct {
		method, path, body string
		status             int
		want               []int
	}{
		{http.MethodPut, "outage", "", 204, []int{503, 503}},
		{http.MethodPut, "outage", `{"kind":"502"}`, 204, []int{502, 502}},
		{http.MethodDelete, "outage", "", 204, []int{200, 200}},
		{http.MethodPut, "ratelimit", `{"window":"1h","burst":1,"status":429}`, 204, []int{200, 429}},
		{http.MethodPut, "ratelimit", `{"rate":0.001,"burst":1,"retry_after":"seconds"}`, 204, []int{200, 403}},
		{http.MethodDelete, "ratelimit", "", 204, []int{200, 200}},
		{http.MethodPost, "flaky", `{"share":1,"kinds":["500"]}`, 204, []int{500, 500}},
		{http.MethodDelete, "faults", "", 204, []int{200, 200}},
	} {
		r := admin(t, s, step.method, step.path, step.body)
		if got := statuses(t, s, "user-0001", 2); r.status != step.status || !slices.Equal(got, step.want) {
			t.Errorf("%s %s %s: %d %s, then %v, want %v", step.method, step.path, step.body, r.status, r.body, got, step.want)
		}
	}
	var kinds []string
	if err := json.Unmarshal([]byte(admin(t, s, http.MethodGet, "kinds", "").body), &kinds); err != nil || !slices.Equal(kinds, asleeptest.Kinds()) {
		t.Errorf("kinds %v, %v", kinds, err)
	}
	var log []asleeptest.Request
	if err := json.Unmarshal([]byte(admin(t, s, http.MethodGet, "requests?limit=3", "").body), &log); err != nil || len(log) != 3 || log[2].Op != asleeptest.GetUser {
		t.Errorf("%+v, %v", log, err)
	}
	if r := admin(t, s, http.MethodPost, "reset", ""); r.status != 204 || s.Stats().Requests != 0 {
		t.Errorf("reset: %d %s", r.status, r.body)
	}
}

func TestAdminRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodPost, "faults", `{"stauts":500}`, 400, "stauts"},
		{http.MethodPost, "faults", `{"status":"500"}`, 400, "status"},
		{http.MethodPost, "faults", `{"latency":"soon"}`, 400, "soon"},
		{http.MethodPost, "faults", `{"latency":3}`, 400, "latency"},
		{http.MethodPost, "faults", `{"kind":"500","op":"fly"}`, 400, "fly"},
		{http.MethodPost, "faults", `{"kind":"5000"}`, 400, "5000"},
		{http.MethodPost, "faults", `{"status":500} {}`, 400, "more than one JSON value"},
		{http.MethodPost, "faults", "", 415, "application/json"},
		{http.MethodPost, "faults", strings.Repeat(" ", 2<<20), 413, "too large"},
		{http.MethodPut, "ratelimit", `{"rate":-1}`, 400, "negative"},
		{http.MethodPut, "ratelimit", `{"per":"1s"}`, 400, "per"},
		{http.MethodPost, "flaky", `{"share":2}`, 400, "0 to 1"},
		{http.MethodGet, "requests?limit=x", "", 400, "limit"},
		{http.MethodGet, "nothing", "", 404, "GET /_fake/nothing"},
		{http.MethodPatch, "faults", "", 404, "PATCH"},
		{http.MethodDelete, "faults/x", "", 404, "no fault has the id"},
	} {
		r := admin(t, s, c.method, c.path, c.body)
		if r.status != c.status || !strings.Contains(r.body, c.want) {
			t.Errorf("%s %s %.40s: %d %s, want %d with %s", c.method, c.path, c.body, r.status, r.body, c.status, c.want)
		}
	}
	if got := statuses(t, s, "user-0001", 1); got[0] != 200 {
		t.Errorf("nonsense had an effect: %v", got)
	}
}

func TestAdminIsForTheSameMachineOnly(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{})
	for addr, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "pipe": 200, "192.0.2.1:1": 403, "[2001:db8::1]:1": 403} {
		r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_fake/stats", nil), httptest.NewRecorder()
		r.RemoteAddr = addr
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", addr, w.Code, want)
		}
	}
}

func TestFaultsSurviveJSON(t *testing.T) {
	t.Parallel()
	for _, name := range asleeptest.Kinds() {
		f, err := asleeptest.Kind(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Op, f.After, f.LatencyMax, f.Skip = asleeptest.GetUser, 90*time.Second, time.Hour, 3
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back asleeptest.Fault
		if err := json.Unmarshal(b, &back); err != nil || !sameFault(f, back) {
			t.Errorf("%s: %s came back as %+v, %v", name, b, back, err)
		}
	}
}

func sameFault(a, b asleeptest.Fault) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y) && a.After == b.After && a.Drip == b.Drip && a.Latency == b.Latency
}
