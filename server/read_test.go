package server_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

func TestACompleteNightIsWhatTheServiceWrote(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	id := r.keep(t, "user-0001")[0]
	report, _ := r.fake.Report(id, "UTC")
	n := decode[struct {
		ID       string `json:"session_id"`
		User     string `json:"user_id"`
		Complete bool
		Report   json.RawMessage
	}](t, r.get(t, "/api/sessions/"+id).Body)
	got, err := asleep.ParseReport(string(n.Report))
	if err != nil || got.Session.ID != id || n.ID != id || n.User != "user-0001" || !n.Complete || *got.Stat.TimeInSleep != *report.Stat.TimeInSleep {
		t.Errorf("%v %+v", err, n)
	}
}

func TestConditionalRequestsEndToEnd(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	id := r.keep(t, "user-0001")[0]
	srv := httptest.NewServer(r.Handler())
	defer srv.Close()
	do := func(path string, header ...string) (*http.Response, string) {
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, http.NoBody)
		q.Header.Set("X-Api-Key", readKey)
		q.Header.Set("Accept-Encoding", "identity")
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		resp, err := srv.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var body io.Reader = resp.Body
		if resp.Header.Get("Content-Encoding") == "gzip" {
			if body, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	night := "/api/sessions/" + id
	plain, body := do(night)
	tag, date := plain.Header.Get("ETag"), plain.Header.Get("Last-Modified")
	if plain.StatusCode != 200 || strings.HasPrefix(tag, "W/") || date == "" || plain.Header.Get("Cache-Control") != "private, max-age=86400, immutable" {
		t.Fatalf("%d %v", plain.StatusCode, plain.Header)
	}
	packed, unpacked := do(night, "Accept-Encoding", "gzip")
	if packed.Header.Get("Content-Encoding") != "gzip" || unpacked != body || packed.Header.Get("ETag") == tag || !strings.Contains(strings.Join(packed.Header.Values("Vary"), ","), "Accept-Encoding") {
		t.Errorf("compressed: %v", packed.Header)
	}
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"If-None-Match", tag}, 304},
		{[]string{"If-None-Match", `"x", W/` + tag}, 304},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-None-Match", packed.Header.Get("ETag"), "Accept-Encoding", "gzip"}, 304},
		{[]string{"If-None-Match", `"other"`}, 200},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", date}, 200},  // the tag decides
		{[]string{"If-None-Match", tag, "Accept", "application/x-ndjson"}, 200}, // another representation
		{[]string{"If-Modified-Since", date}, 304},
		{[]string{"If-Modified-Since", time.Now().Add(-24 * time.Hour).UTC().Format(http.TimeFormat)}, 200},
		{[]string{"If-Modified-Since", "yesterday"}, 200},
	} {
		resp, text := do(night, c.header...)
		if resp.StatusCode != c.status || resp.StatusCode == 304 && (text != "" || resp.Header.Get("ETag") == "" || resp.Header.Get("X-Source") != "store") {
			t.Errorf("%q: %d %v %q", c.header, resp.StatusCode, resp.Header, text)
		}
	}
	list, _ := do("/api/users/user-0001/sessions")
	if list.Header.Get("Cache-Control") != "private, max-age=30" || list.Header.Get("Last-Modified") != "" {
		t.Errorf("a list: %v", list.Header)
	}
	if again, _ := do("/api/users/user-0001/sessions", "If-None-Match", list.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("the same list: %d", again.StatusCode)
	}
	report, _ := r.fake.Report(r.fake.Sessions("user-0002")[0].ID, "UTC")
	r.put(t, "user-0001", report)
	if again, _ := do("/api/users/user-0001/sessions", "If-None-Match", list.Header.Get("ETag")); again.StatusCode != 200 {
		t.Errorf("the list after a night: %d", again.StatusCode)
	}
	if refused, _ := do(night, "X-Api-Key", "wrong", "If-None-Match", tag); refused.StatusCode != 401 {
		t.Errorf("who has the tag is let in: %d", refused.StatusCode)
	}
}

func TestPagesFollowEachOtherWithoutGapsFromEitherSource(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	r.keep(t, "user-0001")
	var want []string
	for _, s := range r.fake.Sessions("user-0001") {
		want = append(want, s.ID)
	}
	slices.Sort(want)
	for _, path := range []string{"/api/users/user-0001/sessions?limit=2", "/api/users/user-0001/sessions?limit=2&source=upstream"} {
		var got []string
		source := ""
		for n := 0; path != "" && n < 10; n++ {
			w, asked := r.get(t, path), path
			page := decode[struct {
				Sessions []struct {
					ID string `json:"session_id"`
				}
				Next *string `json:"next_cursor"`
			}](t, w.Body)
			for _, s := range page.Sessions {
				got = append(got, s.ID)
			}
			source, path = w.Header().Get("X-Source"), ""
			if page.Next != nil {
				link, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
				path = follow(t, asked, link)
				u, err := url.Parse(path)
				if err != nil || u.Query().Get("cursor") != *page.Next {
					t.Errorf("Link %q, next %q", w.Header().Get("Link"), *page.Next)
				}
				other := r.get(t, strings.Replace(path, "user-0001", "user-0002", 1))
				if other.Code != 400 {
					t.Errorf("the cursor of another list: %d", other.Code)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("from %s %q, want %q", source, got, want)
		}
	}
}

// follow is where a link on a page leads.
func follow(t *testing.T, page, link string) string {
	t.Helper()
	base, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	next, err := base.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return next.String()
}

func TestLinksLeadOnWhereverTheHandlerIsMounted(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	r.keep(t, "user-0001")
	mux := http.NewServeMux()
	mux.Handle("/sleep/", http.StripPrefix("/sleep", r.Handler()))
	const first = "/sleep/api/users/user-0001/sessions?limit=2"
	w := ask(mux, http.MethodGet, first, "", "X-Api-Key", readKey)
	link, _, _ := strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
	next := follow(t, first, link)
	if w := ask(mux, http.MethodGet, next, "", "X-Api-Key", readKey); w.Code != 200 || !strings.HasPrefix(next, "/sleep/api/") {
		t.Errorf("%s: %d %s", next, w.Code, w.Body)
	}
}

type tokens map[string]server.Access

func (v tokens) VerifyToken(_ context.Context, token string) (server.Access, error) {
	if token == "trouble" {
		return server.Access{}, errors.New("the keys cannot be had")
	}
	if a, ok := v[token]; ok {
		return a, nil
	}
	return server.Access{}, server.ErrTokenRefused
}

func TestATokenOpensTheDataOfItsUsersOnly(t *testing.T) {
	t.Parallel()
	verifier := server.WithTokenVerifier(tokens{"of-1": {Users: []string{"user-0001"}}, "all": {AllUsers: true}, "none": {}})
	r := newReading(t, func(c *server.Config) { c.Reading.Keys = nil }, verifier)
	mine, other := r.keep(t, "user-0001")[0], r.keep(t, "user-0002")[0]
	elsewhere := r.fake.Sessions("user-0003")[0].ID // known to the service alone
	for _, c := range []struct {
		token, path string
		status      int
	}{
		{"of-1", "/api/sessions/" + mine, 200},
		{"of-1", "/api/sessions/" + other, 404},
		{"of-1", "/api/sessions/" + elsewhere, 404},
		{"of-1", "/api/sessions/" + elsewhere + "?user_id=user-0003", 403},
		{"of-1", "/api/users/user-0001/sessions/" + other, 404},
		{"of-1", "/api/users/user-0002/sessions/" + other, 403},
		{"of-1", "/api/users/user-0002/sessions", 403},
		{"of-1", "/api/users/user-0002/summary", 403},
		{"of-1", "/api/statistics?user_id=user-0002", 403},
		{"of-1", "/api/statistics?user_id=user-0001", 200},
		{"all", "/api/sessions/" + other, 200},
		{"none", "/api/sessions/" + mine, 404},
		{"none", "/api/users/user-0001/sessions", 403},
		{"unknown", "/api/sessions/" + mine, 401},
		{"trouble", "/api/sessions/" + mine, 503},
	} {
		if w := r.do(t, http.MethodGet, c.path, "Authorization", "bearer "+c.token); w.Code != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.token, c.path, w.Code, c.status, w.Body)
		}
	}
	absent := r.do(t, http.MethodGet, "/api/sessions/20201119175606_none0", "Authorization", "Bearer of-1")
	foreign := r.do(t, http.MethodGet, "/api/sessions/"+other, "Authorization", "Bearer of-1")
	message := func(w *httptest.ResponseRecorder) any { return decode[map[string]any](t, w.Body)["message"] }
	if absent.Code != foreign.Code || message(absent) != message(foreign) {
		t.Errorf("what exists and what does not can be told apart: %d and %d", foreign.Code, absent.Code)
	}
	if log := r.log.String(); strings.Contains(log, `user-000`) || !strings.Contains(log, `"user":"user:`) {
		t.Errorf("the log has ids of users, or no digests:\n%s", log)
	}
}

func TestWhoseASessionIsTheStoreKnowsBetterThanTheService(t *testing.T) {
	t.Parallel()
	cfg, fake := readable(t)
	careless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // shows everything to everybody
		report, _ := fake.Report(path.Base(r.URL.Path), "UTC")
		_, _ = io.WriteString(w, `{"detail":"OK","result":`+report.Raw+`}`)
	}))
	defer careless.Close()
	cfg.Upstream.BaseURL = careless.URL
	r := readingOf(t, cfg, memory.New(), fake, server.WithTokenVerifier(tokens{"of-1": {Users: []string{"user-0001"}}}))
	mine, other := r.keep(t, "user-0001")[0], r.keep(t, "user-0002")[0]
	for night, want := range map[string]int{mine: 200, other: 404} {
		for _, path := range []string{"/api/users/user-0001/sessions/" + night, "/api/sessions/" + night} {
			if w := r.do(t, http.MethodGet, path+"?source=upstream", "Authorization", "Bearer of-1"); w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
	}
}

func TestKeysAreExchangedWithoutARestart(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	id := r.keep(t, "user-0001")[0]
	cfg := configured()
	cfg.Upstream.BaseURL = r.fake.URL
	cfg.Reading.Keys = []server.Secret{server.NewSecret("newly-made-key-00000")}
	if err := r.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if w := r.get(t, "/api/sessions/"+id); w.Code != 401 {
		t.Errorf("the old key: %d", w.Code)
	}
	if w := r.do(t, http.MethodGet, "/api/sessions/"+id, "X-Api-Key", "newly-made-key-00000"); w.Code != 200 {
		t.Errorf("the new key: %d", w.Code)
	}
}

func TestAStoreThatHangsIsA503AndDeliveriesGoOn(t *testing.T) {
	t.Parallel()
	cfg, fake := readable(t)
	r := readingOf(t, cfg, deadStore{Store: memory.New(), hang: true}, fake)
	begun := time.Now()
	for range 20 {
		go func() { _ = ask(r.Handler(), http.MethodGet, readPaths[0], "", "X-Api-Key", readKey) }()
	}
	if w := r.get(t, storedPaths[1]); w.Code != 503 || time.Since(begun) > time.Minute {
		t.Errorf("%d after %v", w.Code, time.Since(begun))
	}
	if got := r.deliver(t, secret, `{"event":"X","user_id":"user-0001"}`); got != 200 {
		t.Errorf("a delivery: %d", got)
	}
}
