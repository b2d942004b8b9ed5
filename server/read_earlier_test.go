package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// newestOf keeps the newest nights of a user in the store, and returns all that the service
// has, newest first.
func (r *reading) newestOf(t *testing.T, user string, n int) (all []string) {
	t.Helper()
	for i, s := range r.fake.Sessions(user) {
		if all = append(all, s.ID); i < n {
			report, _ := r.fake.Report(s.ID, "UTC")
			r.put(t, user, report)
		}
	}
	return all
}

// walk reads a list page by page, and where each page came from.
func (r *reading) walk(t *testing.T, path string) (ids, sources []string) {
	t.Helper()
	for next := ""; len(sources) < 20; {
		items, source, more := r.list(t, path+"&cursor="+next)
		for _, i := range items {
			ids = append(ids, i.ID)
		}
		sources = append(sources, source)
		if next = more; next == "" {
			break
		}
	}
	return ids, sources
}

func TestBehindTheLastPageOfTheStoreTheServiceGoesOn(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	all := r.newestOf(t, "user-0001", 3)
	const path = "/api/users/user-0001/sessions?limit=2"
	for _, zone := range []string{"", "&timezone=Asia/Seoul", "&timezone=America/Los_Angeles"} {
		ids, sources := r.walk(t, path+zone)
		if !slices.Equal(ids, all) || !slices.Equal(sources[:3], []string{"store", "store", "upstream"}) {
			t.Errorf("%s: %q from %q, want %q", zone, ids, sources, all)
		}
	}
	if ids, sources := r.walk(t, path+"&source=store"); !slices.Equal(ids, all[:3]) || slices.Contains(sources, "upstream") {
		t.Errorf("of the store alone: %q from %q", ids, sources)
	}
}

func TestAListThatTheStoreReachesBehindEndsThere(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	all := r.newestOf(t, "user-0001", 3)
	second := r.fake.Sessions("user-0001")[1].Start.UTC().Format(time.DateOnly)
	ids, sources := r.walk(t, "/api/users/user-0001/sessions?limit=100&from="+second)
	if !slices.Equal(ids, all[:2]) || !slices.Equal(sources, []string{"store"}) {
		t.Errorf("%q from %q, want %q of the store", ids, sources, all[:2])
	}
}

func TestAUserWhomTheServiceForgotHasTheNightsOfTheStore(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	all := r.newestOf(t, "user-0001", 5)
	r.fake.DeleteUser("user-0001")
	r.fake.Inject(asleeptest.Fault{Status: 404, Body: `{"detail":"user does not exist"}`})
	if ids, _ := r.walk(t, "/api/users/user-0001/sessions?limit=100"); !slices.Equal(ids, all) {
		t.Errorf("%q, want %q", ids, all)
	}
}

func TestAnOutageHidesNothingOfTheStore(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	all := r.newestOf(t, "user-0001", 2)
	r.fake.StartOutage(asleeptest.BadGateway())
	items, source, next := r.list(t, "/api/users/user-0001/sessions")
	if len(items) != 2 || items[0].ID != all[0] || source != "store" || next == "" {
		t.Errorf("%v of %s, then %q", items, source, next)
	}
	if w := r.get(t, "/api/users/user-0001/sessions?cursor="+next); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("what is not known is no end of a list: %d %s", w.Code, w.Body)
	}
}

func TestFiguresSayWhereTheStoreMayLackOlderNights(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	r.newestOf(t, "user-0001", 3)
	second := r.fake.Sessions("user-0001")[1].Start.UTC().Format(time.DateOnly)
	third := r.fake.Sessions("user-0001")[2].Start.UTC().Format(time.DateOnly)
	undated, _ := r.fake.Report(r.fake.Sessions("user-0003")[0].ID, "UTC")
	undated.Session.StartTime, undated.Raw = "", ""
	r.put(t, "user-0001", undated) // says nothing of how far the store reaches back
	for path, partial := range map[string]bool{
		"/api/users/user-0001/summary":                                   true,
		"/api/users/user-0001/summary?source=upstream":                   false,
		"/api/statistics?user_id=user-0001":                              true,
		"/api/statistics?user_id=user-0001&period=daily&source=store":    true,
		"/api/statistics?user_id=user-0001&source=upstream":              false,
		"/api/statistics?user_id=user-0002":                              false, // of the service
		"/api/statistics?user_id=user-0001&from=" + third:                true,
		"/api/statistics?user_id=user-0001&from=" + second:               false,
		"/api/statistics?user_id=user-0001&period=hourly&from=" + second: false,
	} {
		w := r.get(t, path)
		body := decode[struct{ Partial *bool }](t, strings.NewReader(w.Body.String()))
		if header := w.Header().Get("X-Partial") == "true"; body.Partial == nil || *body.Partial != partial || header != partial {
			t.Errorf("%s: partial %v, header %v, want %v", path, body.Partial, header, partial)
		}
	}
}
