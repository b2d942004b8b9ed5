package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

func TestEveryRouteOfTheDocumentAnswersAsItSays(t *testing.T) {
	t.Parallel()
	stored := newReading(t, nil)
	ids := stored.keep(t, "user-0001")
	empty := newReading(t, nil)
	id := ids[0]
	for _, c := range []struct {
		r            *reading
		path, source string
	}{
		{stored, "/api/sessions/" + id, "store"},
		{stored, "/api/users/user-0001/sessions/" + id, "store"},
		{stored, "/api/users/user-0001/sessions?limit=2", "store"},
		{stored, "/api/users/user-0001/summary?timezone=Asia/Seoul", "store"},
		{stored, "/api/statistics?user_id=user-0001", "store"},
		{stored, "/api/statistics?user_id=user-0001&period=daily", "store"},
		{stored, "/api/statistics?user_id=user-0001&period=hourly", "store"},
		{stored, "/api/users/user-0002/sessions?source=store", "store"},
		{empty, "/api/sessions/" + id + "?user_id=user-0001", "upstream"},
		{empty, "/api/sessions/" + id + "?user_id=user-0001", "cache"},
		{empty, "/api/users/user-0001/sessions/" + id, "cache"},
		{empty, "/api/users/user-0001/sessions?limit=2&timezone=Asia/Seoul", "upstream"},
		{empty, "/api/users/user-0001/sessions?limit=2&timezone=Asia/Seoul", "cache"},
		{empty, "/api/users/user-0001/summary", "upstream"},
		{empty, "/api/statistics?user_id=user-0001", "cache"}, // of the summary
		{empty, "/api/statistics?user_id=user-0002&source=upstream", "upstream"},
		{empty, "/api/statistics?user_id=user-0001&period=daily", "store"},
	} {
		w := c.r.get(t, c.path)
		if got := w.Header().Get("X-Source"); w.Code != http.StatusOK || got != c.source {
			t.Errorf("%s: %d from %q, want it from %s\n%.300s", c.path, w.Code, got, c.source, w.Body)
		}
		if aged := w.Header().Get("Age") != ""; aged != (c.source == "cache") {
			t.Errorf("%s: Age %q of %s", c.path, w.Header().Get("Age"), c.source)
		}
		lines := c.r.get(t, c.path, "Accept", "application/x-ndjson")
		if lines.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: lines are %q", c.path, lines.Header().Get("Content-Type"))
		}
		for line := range strings.Lines(lines.Body.String()) {
			if !json.Valid([]byte(line)) || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s: the line %.80q", c.path, line)
			}
		}
	}
	if w := stored.do(t, http.MethodGet, "/api/openapi.yaml"); w.Code != 200 || w.Body.String() != string(server.Document()) {
		t.Errorf("the document: %d", w.Code)
	}
	d, _ := contract(t)
	if n := len(d.Paths.Map()); n != 6 {
		t.Errorf("the document has %d paths, 6 are tried here", n)
	}
}

func TestEveryFailureIsInTheDocument(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	id := r.keep(t, "user-0001")[0]
	off := newReading(t, func(c *server.Config) { c.Reading.Keys = nil })
	limited := newReading(t, func(c *server.Config) {
		c.Limits = server.DefaultConfig().Limits
		c.Limits.Statistics = 1
	})
	limited.get(t, "/api/statistics?user_id=user-0003&source=store")
	for _, c := range []struct {
		r      *reading
		path   string
		fault  *asleeptest.Fault
		status int
		code   string
	}{
		{r, "/api/sessions/absent", nil, 404, "not_found"},
		{r, "/api/sessions/" + r.fake.Sessions("user-0002")[0].ID + "?user_id=user-0001", nil, 404, "not_found"},
		{r, "/api/sessions/none?user_id=user-0001", nil, 400, "bad_query"}, // so the service
		{r, "/api/sessions/" + id + "?user_id=user-0002", nil, 404, "not_found"},
		{r, "/api/users/user-0002/sessions/" + id, nil, 404, "not_found"},
		{r, "/api/sessions/" + id + "?usr_id=user-0001", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?limit=0", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?limit=101", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?limit=1&limit=2", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?from=2026-02-30", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?from=2026-02-03&to=2026-02-02", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?timezone=Mars/Base", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?timezone=Local", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?timezone=../../etc/passwd", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?cursor=AAAA", nil, 400, "bad_query"},
		{r, "/api/users/user-0001/sessions?source=moon", nil, 400, "bad_query"},
		{r, "/api/statistics", nil, 400, "bad_query"},
		{r, "/api/statistics?user_id=user-0001&period=weekly", nil, 400, "bad_query"},
		{r, "/api/statistics?user_id=user-0001&from=1990-01-01", nil, 400, "bad_query"},
		{r, "/api/statistics?user_id=user-0001&from=9999-12-31", nil, 400, "bad_query"},
		{r, "/api/statistics?user_id=user-0001&period=daily&source=upstream", nil, 400, "bad_query"},
		{r, "/api/users/user-0002/summary", new(asleeptest.QuotaExceeded()), 502, "upstream_refused"},
		{r, "/api/users/user-0003/summary", &asleeptest.Fault{Status: 200, Body: "<html>"}, 502, "upstream_failed"},
		{off, "/api/sessions/" + id, nil, 404, "read_api_off"},
		{limited, "/api/statistics?user_id=user-0003&source=store", nil, 429, "rate_limited"},
	} {
		remove := func() {}
		if c.fault != nil {
			remove = c.r.fake.Inject(*c.fault)
		}
		w := c.r.get(t, c.path)
		remove()
		p := decode[webhook.Problem](t, w.Body)
		if w.Code != c.status || p.Code != c.code || p.RequestID == "" {
			t.Errorf("%s: %d %+v, want %d %s", c.path, w.Code, p, c.status, c.code)
		}
		if w.Header().Get("Cache-Control") != "no-store" || (c.status == 429) != (w.Header().Get("Retry-After") != "") && c.status < 500 {
			t.Errorf("%s: %v", c.path, w.Header())
		}
	}
	for _, header := range [][]string{nil, {"X-Api-Key", "wrong"}, {"X-Api-Key", ""}, {"Authorization", "Basic " + readKey}, {"Authorization", "Bearer"}, {"X-Api-Key", readKey, "Authorization", "Bearer " + readKey}} {
		w := r.do(t, http.MethodGet, "/api/sessions/"+id, header...)
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), readKey) {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	}
	if w := r.do(t, http.MethodGet, "/api/sessions/"+id, "Authorization", "Bearer "+readKey); w.Code != 200 {
		t.Errorf("a key as a bearer token: %d", w.Code)
	}
}

// deadStore answers every question with an error, or not at all.
type deadStore struct {
	store.Store

	err  error
	hang bool
}

func (d deadStore) Sessions() store.Sessions { return deadSessions{d.Store.Sessions(), d} }

type deadSessions struct {
	store.Sessions

	dead deadStore
}

func (d deadSessions) answer() error {
	if d.dead.hang {
		select {} // whatever the context says
	}
	return d.dead.err
}

func (d deadSessions) Get(context.Context, string) (store.Session, error) {
	return store.Session{}, d.answer()
}

func (d deadSessions) List(context.Context, store.Query) ([]store.Session, error) {
	return nil, d.answer()
}

func (d deadSessions) Stats(context.Context, store.StatsQuery) ([]store.Bucket, error) {
	return nil, d.answer()
}

var readPaths = []string{
	"/api/sessions/x?user_id=user-0001", "/api/users/user-0001/sessions", "/api/users/user-0001/summary", "/api/statistics?user_id=user-0001",
}

// storedPaths are the same where nobody else is to answer.
var storedPaths = []string{
	"/api/sessions/x?user_id=user-0001&source=store", "/api/users/user-0001/sessions?source=store", "/api/users/user-0001/summary?source=store", "/api/statistics?user_id=user-0001&source=store",
}

func TestADeadDatabaseIsA503AndADamagedOneA500(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
	}{{store.ErrUnavailable, 503}, {store.ErrBusy, 503}, {store.ErrClosed, 503}, {errors.New("secret words of user-0001"), 503}, {store.ErrSealed, 500}, {store.ErrCorrupt, 500}} {
		cfg, fake := readable(t)
		r := readingOf(t, cfg, deadStore{Store: memory.New(), err: c.err}, fake)
		for _, path := range storedPaths {
			w := r.get(t, path)
			if w.Code != c.status || strings.Contains(w.Body.String(), "secret words") || (c.status == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("%v: %s: %d %s", c.err, path, w.Code, w.Body)
			}
		}
		if strings.Contains(r.log.String(), "user-0001") {
			t.Errorf("the log has a user id:\n%s", r.log)
		}
	}
}

func TestAnUpstreamThatHangsIsA504InTime(t *testing.T) {
	t.Parallel()
	r := newReading(t, func(c *server.Config) { c.Reading.Timeout = 100 * time.Millisecond })
	r.fake.Inject(asleeptest.Fault{Hang: true})
	for _, path := range readPaths {
		begun := time.Now()
		w := r.get(t, path)
		if took := time.Since(begun); w.Code != 504 || took > time.Minute || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d after %v: %s", path, w.Code, took, w.Body)
		}
	}
}

func TestAnOutageShowsWhatIsStoredAndSaysThatItIsAPart(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	at := time.Now().Add(-time.Hour)
	_, err := r.db.Sessions().PutWindow(t.Context(), store.Window{
		SessionID: "night-1", UserID: "user-0001", Seq: 1, Observed: at, Epochs: store.Epochs{Sleep: asleep.Stages{1, 2, 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.fake.StartOutage(asleeptest.BadGateway())
	w := r.get(t, "/api/sessions/night-1")
	n := decode[struct {
		User      string `json:"user_id"`
		Complete  bool
		Recording struct {
			Windows int
			Sleep   []int `json:"sleep_stages"`
		}
	}](t, w.Body)
	if w.Code != 200 || n.Complete || n.User != "user-0001" || n.Recording.Windows != 1 || len(n.Recording.Sleep) != 20 || n.Recording.Sleep[0] != -1 || n.Recording.Sleep[19] != 3 {
		t.Errorf("%d %+v", w.Code, n)
	}
	if got := w.Header().Get("Cache-Control"); strings.Contains(got, "immutable") || w.Header().Get("X-Source") != "store" {
		t.Errorf("%v", w.Header())
	}
	if w := r.get(t, "/api/users/user-0002/sessions/night-1"); w.Code != 404 {
		t.Errorf("another user sees it: %d %s", w.Code, w.Body)
	}
	if w := r.get(t, "/api/users/user-0002/sessions"); w.Code != 503 && w.Code != 502 || w.Header().Get("Retry-After") == "" {
		t.Errorf("nothing stored: %d %s", w.Code, w.Body)
	}
}
