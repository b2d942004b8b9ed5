package asleeptest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

func ids(items []asleep.SessionSummary) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = item.SessionID
	}
	return out
}

func truth(s *asleeptest.Server, user string) []string {
	var out []string
	for _, session := range s.Sessions(user) {
		out = append(out, session.ID)
	}
	return out
}

func TestListPages(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 40, LastNight: lastNight})
	all := truth(s, "user-0002")
	if len(all) != 40 {
		t.Fatalf("%d sessions, want 40", len(all))
	}
	oldest := slices.Clone(all)
	slices.Reverse(oldest)
	for query, want := range map[string][]string{
		"":                                all[:20],
		"?limit=100":                      all,
		"?limit=20&offset=20":             all[20:],
		"?limit=20&offset=40":             {},
		"?offset=35":                      all[35:],
		"?limit=0":                        {},
		"?limit=3&offset=2":               all[2:5],
		"?limit=3&order_by=ASC":           oldest[:3],
		"?limit=3&order_by=DESC":          all[:3],
		"?offset=9223372036854775807":     {},
		"?limit=100&date_lte=2025-01-01":  {},
		"?date_gte=1900-01-01&limit=100":  all,
		"?limit=1&offset=39&order_by=ASC": oldest[39:],
	} {
		if got := ids(list(t, s, "user-0002", query)); !slices.Equal(got, want) {
			t.Errorf("%q lists %v, want %v", query, got, want)
		}
	}
	noViolations(t, s)
}

// What a list says of a session is what its report says.
func TestListItemsAgreeWithReports(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 10, SessionsPerUser: 40})
	for user := range s.Users() {
		for _, item := range list(t, s, user, "?limit=100", "timezone: Asia/Seoul") {
			r, _ := s.Report(item.SessionID, "Asia/Seoul")
			same := item.State == r.Session.State && item.SessionStartTime == r.Session.StartTime && item.SessionEndTime == r.Session.EndTime &&
				item.CreatedTimezone == r.Session.CreatedTimezone && item.UnexpectedEndTime == r.Session.UnexpectedEndTime
			if !same || r.Stat != nil && *r.Stat.TimeInBed != *item.TimeInBed {
				t.Errorf("listed as %s, reported as %.300s", item.Raw, r.Raw)
			}
			if n := len(r.Session.SleepStages); n > 0 && int(*item.LastReceivedSeqNum) != n-1 {
				t.Errorf("%s: last received %d of %d epochs", item.SessionID, *item.LastReceivedSeqNum, n)
			}
		}
	}
}

// A date is judged in the zone of the header: a night moves to another day
// with it, and its id stays.
func TestListDates(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	id, err := s.AddSession("user-0001", asleeptest.Session{Start: time.Date(2026, 3, 14, 22, 0, 0, 0, time.UTC), Zone: "Europe/Berlin"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		zone, query string
		found       bool
	}{
		{"UTC", "?date_gte=2026-03-14&date_lte=2026-03-14", true},
		{"UTC", "?date_gte=2026-03-15", false},
		{"UTC", "?date_lte=2026-03-13", false},
		{"Asia/Seoul", "?date_gte=2026-03-15&date_lte=2026-03-15", true},
		{"Asia/Seoul", "?date_lte=2026-03-14", false},
		{"America/New_York", "?date_gte=2026-03-14&date_lte=2026-03-14", true},
		{"UTC", "?date_gte=2026-03-15&date_lte=2026-03-13", false},
	} {
		got := ids(list(t, s, "user-0001", c.query, "timezone: "+c.zone))
		if slices.Equal(got, []string{id}) != c.found {
			t.Errorf("%s in %s lists %v", c.query, c.zone, got)
		}
	}
	noViolations(t, s)
}

// Times are rendered in the zone of the header, with the same instants.
func TestTimezoneRendering(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, Ordinary: true})
	// The clocks of New York go forward in this night, at 2 o'clock.
	id, body := add(t, s, asleeptest.Session{Start: time.Date(2026, 3, 8, 4, 0, 0, 0, time.UTC), Length: 8 * time.Hour, Zone: "America/New_York"})
	r := get(t, s, "/data/v3/sessions/"+id, "x-user-id: user-0001", "timezone: America/New_York")
	for _, want := range []string{
		`"timezone":"America/New_York"`, `"start_time":"2026-03-07T23:00:00-05:00"`, `"end_time":"2026-03-08T08:00:00-04:00"`,
		`"id":"` + id + `"`, `"created_timezone":"America/New_York"`, `"time_in_bed":28800`,
	} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %s in the report", want)
		}
	}
	for _, want := range []string{`"timezone":"UTC"`, `"start_time":"2026-03-08T04:00:00+00:00"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in the report without a zone", want)
		}
	}
	items := list(t, s, "user-0001", "", "timezone: Asia/Kathmandu")
	if got := items[0].SessionStartTime; got != "2026-03-08T09:45:00+05:45" {
		t.Errorf("listed start %q", got)
	}
}

// A session that goes by the clock grows, closes, cannot be read for a
// moment, is analysed and done, to the second.
func TestLifecycleByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1, AnalysisTime: 40 * time.Second})
		id, err := s.AddSession("user-0001", asleeptest.Session{
			Start: time.Now().Add(time.Minute), Length: 7 * time.Hour, Live: true, NotFoundFor: 5 * time.Second, Plan: asleeptest.PlanNoBreathing,
		})
		if err != nil {
			t.Fatal(err)
		}
		read := func() string {
			r := get(t, s, "/data/v3/sessions/"+id, "x-user-id: user-0001")
			if r.status != http.StatusOK {
				return strconv.Itoa(r.status)
			}
			report, err := asleep.ParseReport(r.result(t))
			if err != nil {
				t.Fatal(err)
			}
			listed := list(t, s, "user-0001", "")[0]
			if listed.State != report.Session.State || listed.SessionEndTime != report.Session.EndTime {
				t.Errorf("listed as %s %s, read as %s %s", listed.State, listed.SessionEndTime, report.Session.State, report.Session.EndTime)
			}
			return fmt.Sprint(report.Session.State, " ", len(report.Session.SleepStages), " ", report.Has(asleep.PeculiarityInProgress), " ", report.Stat != nil)
		}
		for _, step := range []struct {
			wait time.Duration
			want string
		}{
			{0, "404"},
			{time.Minute, "OPEN 0 true false"},
			{29 * time.Second, "OPEN 0 true false"},
			{time.Second, "OPEN 1 true false"},
			{time.Hour, "OPEN 121 true false"},
			{6*time.Hour - 31*time.Second, "OPEN 839 true false"},
			{time.Second, "404"},
			{5*time.Second - 1, "404"},
			{1, "CLOSED 840 true false"},
			{35*time.Second - 1, "CLOSED 840 true false"},
			{1, "COMPLETE 840 false true"},
		} {
			time.Sleep(step.wait)
			if got := read(); got != step.want {
				t.Errorf("after %s: %s, want %s", step.wait, got, step.want)
			}
		}
	})
}

func TestLifecycleByAdvance(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, LastNight: lastNight})
	id, err := s.AddSession("user-0001", asleeptest.Session{State: asleep.SessionStateOpen})
	if err != nil {
		t.Fatal(err)
	}
	want := []asleep.SessionState{asleep.SessionStateClosed, asleep.SessionStateComplete, asleep.SessionStateComplete}
	for _, want := range want {
		got, ok := s.Advance("user-0001", id)
		if !ok || got != want || s.Sessions("user-0001")[0].State != want {
			t.Errorf("advanced to %s, %v, want %s", got, ok, want)
		}
	}
	if got, ok := s.Advance("user-0001", truth(s, "user-0001")[1]); got != asleep.SessionStateComplete || !ok {
		t.Errorf("a complete session advanced to %s, %v", got, ok)
	}
	if _, ok := s.Advance("user-0001", "none"); ok {
		t.Error("a session that does not exist advanced")
	}
	if _, err := s.AddSession("user-0001", asleeptest.Session{ID: id}); err == nil {
		t.Error("a second session of the same id was added")
	}
	if _, err := s.AddSession("user-0001", asleeptest.Session{State: "ASLEEP"}); err == nil {
		t.Error("a session of an unknown state was added")
	}
	if _, err := s.AddSession("nobody", asleeptest.Session{}); err == nil {
		t.Error("a session of nobody was added")
	}
}

func TestDeletingSessions(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 5})
	added, _ := add(t, s, asleeptest.Session{})
	all := truth(s, "user-0001")
	remove := func(path string) reply {
		return call(t, s.Transport(), http.MethodDelete, path, "", "x-user-id: user-0001")
	}
	for _, id := range []string{added, all[3]} {
		r := remove("/ai/v1/sessions/" + id)
		if r.status != http.StatusNoContent || r.body != "" || r.header.Get("Content-Type") != "" {
			t.Errorf("answered %d %q %v", r.status, r.body, r.header)
		}
		if r := remove("/ai/v1/sessions/" + id); r.status != http.StatusNotFound || r.detail(t) != "session does not exist" {
			t.Errorf("again: %d %s", r.status, r.body)
		}
		if r := get(t, s, "/data/v3/sessions/"+id, "x-user-id: user-0001"); r.status != http.StatusNotFound {
			t.Errorf("read after: %d", r.status)
		}
		if _, ok := s.Report(id, ""); ok {
			t.Error("a deleted session has a report")
		}
	}
	if got := truth(s, "user-0001"); len(got) != 4 || slices.Contains(got, added) || slices.Contains(got, all[3]) {
		t.Errorf("left are %v", got)
	}
	if _, err := s.AddSession("user-0001", asleeptest.Session{ID: added}); err != nil || !s.DeleteSession("user-0001", added) {
		t.Errorf("the id is not free again: %v", err)
	}
	if r := remove("/ai/v1/sessions/" + truth(s, "user-0002")[0]); r.status != http.StatusNotFound {
		t.Errorf("another user's session: %d", r.status)
	}
	if r := remove("/ai/v1/sessions"); r.status != http.StatusNoContent {
		t.Errorf("all: %d %s", r.status, r.body)
	}
	if a, b := truth(s, "user-0001"), truth(s, "user-0002"); len(a) != 0 || len(b) != 5 {
		t.Errorf("%d and %d sessions left, want 0 and 5", len(a), len(b))
	}
	noViolations(t, s)
}

// An empty session id in deleteSession becomes deleteAllSessions, as at the
// service; a test sees it.
func TestEmptySessionIDDeletesAllAndIsAViolation(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 5})
	r := call(t, s.Transport(), http.MethodDelete, "/ai/v1/sessions/", "", "x-user-id: user-0001")
	if r.status != http.StatusNoContent || len(s.Sessions("user-0001")) != 0 || len(s.Violations()) != 1 {
		t.Errorf("%d %s, %d sessions left, violations %v", r.status, r.body, len(s.Sessions("user-0001")), s.Violations())
	}
}

func TestListsCanShiftWhilePaging(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 4})
	s.ShiftLists(1)
	before := truth(s, "user-0001")
	first := ids(list(t, s, "user-0001", "?limit=2"))
	second := ids(list(t, s, "user-0001", "?limit=2&offset=2"))
	if !slices.Equal(first, before[:2]) || !slices.Equal(second, before[1:3]) {
		t.Errorf("pages %v and %v of %v", first, second, before)
	}
	if n := len(truth(s, "user-0001")); n != 5 {
		t.Errorf("%d sessions, want one more than 4", n)
	}
}

func TestPageSizeIgnoresLimit(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 9, PageSize: 4})
	for query, want := range map[string]int{"?limit=2": 4, "?limit=100&offset=4": 4, "?offset=8": 1} {
		if got := len(list(t, s, "user-0001", query)); got != want {
			t.Errorf("%s lists %d, want %d", query, got, want)
		}
	}
}

// Every session of a large population is found by its id alone, and no two
// have the same one.
func TestSessionsAreFoundByID(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1_000_000, SessionsPerUser: 17, Seed: 3})
	seen := map[string]bool{}
	for _, number := range []int{1, 2, 3, 999, 10_000, 123_456, 999_999, 1_000_000} {
		user := fmt.Sprintf("user-%04d", number)
		for _, session := range s.Sessions(user) {
			if owner, ok := s.Owner(session.ID); !ok || owner != user || seen[session.ID] {
				t.Errorf("%s of %s is owned by %q, %v, seen %v", session.ID, user, owner, ok, seen[session.ID])
			}
			seen[session.ID] = true
		}
	}
	if len(seen) != 8*17 {
		t.Errorf("%d sessions, want %d", len(seen), 8*17)
	}
	for _, id := range []string{"user-1000001", "user-0", "user-00001", "user-01", "user-", "user--001", "user-+001", "nobody"} {
		if _, ok := s.User(id); ok {
			t.Errorf("there is a user %s", id)
		}
	}
}

// A session that is added to a user of the population takes no id that a
// session of another user of it could have.
func TestAddedSessionsHaveTheirOwnIDs(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 3, SessionsPerUser: 4})
	for _, user := range []string{"user-0001", "user-0002"} {
		for _, session := range s.Sessions("user-0002") {
			id, err := s.AddSession(user, asleeptest.Session{Start: session.Start})
			if owner, ok := s.Owner(id); err != nil || id == session.ID || owner != user || !ok {
				t.Errorf("%s of %s is owned by %s, %v", id, user, owner, err)
			}
			if owner, _ := s.Owner(session.ID); owner != "user-0002" {
				t.Errorf("%s is now owned by %q", session.ID, owner)
			}
		}
	}
}

func TestSessionsAreInOrder(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 100, SessionsPerUser: 60, LastNight: lastNight})
	for user := range s.Users() {
		sessions, naps := s.Sessions(user), 0
		for i, session := range sessions {
			if i > 0 && !session.Start.Before(sessions[i-1].Start) {
				t.Errorf("%s of %s is not older than the one before", session.ID, user)
			}
			if hour := session.Start.In(mustZone(t, session.Zone)).Hour(); hour >= 12 && hour < 16 {
				naps++
			}
		}
		if naps < 7 || naps > 8 {
			t.Errorf("%s has %d naps in 60 sessions", user, naps)
		}
	}
}
