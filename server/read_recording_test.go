package server_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

// listedItem is what of a session of a list these tests look at.
type listedItem struct {
	ID       string `json:"session_id"`
	State    string
	Complete bool
	Start    *time.Time `json:"session_start_time"`
}

func (r *reading) list(t *testing.T, path string) (items []listedItem, source, next string) {
	t.Helper()
	w := r.get(t, path)
	page := decode[struct {
		Sessions []listedItem
		Next     string `json:"next_cursor"`
	}](t, w.Body)
	if w.Code != 200 {
		t.Fatalf("%s: %d", path, w.Code)
	}
	return page.Sessions, w.Header().Get("X-Source"), page.Next
}

// record stores the first windows of a night that began at an instant.
func (r *reading) record(t *testing.T, user, id string, began time.Time) {
	t.Helper()
	for seq := range 3 {
		w := store.Window{SessionID: id, UserID: user, Seq: seq, Observed: began.Add(time.Duration(seq+1) * 5 * time.Minute), Epochs: store.Epochs{Sleep: asleep.Stages{1, 2}}}
		if _, err := r.db.Sessions().PutWindow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
}

func TestANightThatIsBeingRecordedIsListed(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	stored := r.keep(t, "user-0001")
	now := time.Now().UTC()
	r.record(t, "user-0001", "night-now", now.Add(-15*time.Minute))
	r.record(t, "user-0001", "night-long-ago", now.AddDate(-1, 0, 0))
	r.record(t, "user-0002", "night-of-another", now)

	const path = "/api/users/user-0001/sessions"
	items, source, _ := r.list(t, path)
	if len(items) != len(stored)+2 || source != "store" {
		t.Fatalf("%d sessions from %s, want %d from the store", len(items), source, len(stored)+2)
	}
	if i := items[0]; i.ID != "night-now" || i.State != "OPEN" || i.Complete || i.Start != nil {
		t.Errorf("the newest is %+v", i)
	}
	if i := items[len(items)-1]; i.ID != "night-long-ago" {
		t.Errorf("the oldest is %+v", i)
	}

	var paged []listedItem
	for next := ""; ; {
		more, _, n := r.list(t, path+"?limit=1&cursor="+next)
		paged = append(paged, more...)
		if next = n; next == "" {
			break
		}
	}
	ids := func(list []listedItem) (ids []string) {
		for _, i := range list {
			ids = append(ids, i.ID)
		}
		return ids
	}
	if !slices.Equal(ids(paged), ids(items)) {
		t.Errorf("page by page %v, at once %v", paged, items)
	}

	today := asleep.DateOf(now.Add(-15 * time.Minute)).String()
	if day, _, _ := r.list(t, path+"?source=store&from="+today+"&to="+today); !slices.ContainsFunc(day, func(i listedItem) bool { return i.ID == "night-now" }) {
		t.Errorf("of %s: %v", today, day)
	}
	if before, _, _ := r.list(t, path+"?to="+asleep.DateOf(now).AddDays(-2).String()); slices.ContainsFunc(before, func(i listedItem) bool { return i.ID == "night-now" }) {
		t.Errorf("of the time before: %v", before)
	}

	report, _ := r.fake.Report(r.fake.Sessions("user-0003")[0].ID, "UTC") // any report will do
	report.Session.ID, report.Raw = "night-now", ""
	r.put(t, "user-0001", report)
	again, _, _ := r.list(t, path)
	n := 0
	for _, i := range again {
		if i.ID == "night-now" {
			n++
			if !i.Complete || i.Start == nil {
				t.Errorf("its report is stored: %+v", i)
			}
		}
	}
	if n != 1 || len(again) != len(items) {
		t.Errorf("it is listed %d times among %d", n, len(again))
	}
}

func TestWindowsAloneDoNotHideWhatTheServiceHas(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	if _, err := r.fake.AddSession("user-0001", asleeptest.Session{ID: "night-now", State: asleep.SessionStateOpen}); err != nil {
		t.Fatal(err)
	}
	r.record(t, "user-0001", "night-now", time.Now().Add(-15*time.Minute))
	items, source, _ := r.list(t, "/api/users/user-0001/sessions")
	if source != "upstream" || len(items) != 6 || !slices.ContainsFunc(items, func(i listedItem) bool { return i.ID == "night-now" && i.State == "OPEN" }) {
		t.Errorf("%v from %s, want those of the service, which has them all", items, source)
	}
	if items, source, _ := r.list(t, "/api/users/user-0001/sessions?source=store"); source != "store" || len(items) != 1 || items[0].ID != "night-now" {
		t.Errorf("of the store %v from %s", items, source)
	}
	r.fake.StartOutage(asleeptest.BadGateway())
	if w := r.get(t, "/api/users/user-0001/sessions?to=2020-01-01"); w.Code < 500 {
		t.Errorf("half of the truth: %d %s", w.Code, w.Body)
	}
}

// lateStore tells of a partial night whose report is stored at the same time.
type lateStore struct{ store.Store }

func (s lateStore) Sessions() store.Sessions { return lateSessions{s.Store.Sessions()} }

type lateSessions struct{ store.Sessions }

func (s lateSessions) Partials(ctx context.Context, user string) ([]store.Partial, error) {
	list, err := s.List(ctx, store.Query{UserID: user, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return []store.Partial{{SessionID: list[0].ID, UserID: user, Windows: 1, UpdatedAt: list[0].End}}, nil
}

func TestAReportThatComesInBetweenIsListedOnce(t *testing.T) {
	t.Parallel()
	cfg, fake := readable(t)
	r := readingOf(t, cfg, lateStore{memory.New()}, fake)
	stored := r.keep(t, "user-0001")
	if items, _, _ := r.list(t, "/api/users/user-0001/sessions"); len(items) != len(stored) || !items[0].Complete {
		t.Errorf("%d sessions of %d: %+v", len(items), len(stored), items[0])
	}
}
