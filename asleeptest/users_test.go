package asleeptest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

func createUser(t *testing.T, s *asleeptest.Server, body string) reply {
	t.Helper()
	if body == "" {
		return call(t, s.Transport(), http.MethodPost, "/ai/v1/users", "")
	}
	return call(t, s.Transport(), http.MethodPost, "/ai/v1/users", body, "content-type: application/json; charset=utf-8")
}

func TestCreateUser(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	form := regexp.MustCompile(`^G-\d{14}-[A-Za-z0-9]{20}$`)
	var made []string
	for _, body := range []string{"", "{}", `{"metadata":null}`, `{"metadata":{"birth_year":1988,"gender":"other","height":171.4}}`} {
		var v asleep.CreatedUser
		if err := json.Unmarshal([]byte(createUser(t, s, body).result(t)), &v); err != nil || !form.MatchString(v.UserID) {
			t.Errorf("created %q, %v", v.UserID, err)
		}
		made = append(made, v.UserID)
	}
	if got := slices.Collect(s.Users()); !slices.Equal(got, append([]string{"user-0001"}, made...)) {
		t.Errorf("users %v", got)
	}
	u, ok := s.User(made[3])
	if !ok || u.Metadata == nil || *u.Metadata.BirthYear != 1988 || *u.Metadata.Height != 171.4 {
		t.Errorf("read back as %+v", u)
	}
	if r := get(t, s, "/ai/v1/users/"+made[3]); !strings.Contains(r.result(t), `"height":171.4`) {
		t.Errorf("user %s", r.body)
	}
	noViolations(t, s)
}

func TestCreateUserRefusesBadMetadata(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{})
	for body, want := range map[string]string{
		`{"metadata":{"birth_year":1899}}`:      "birth_year",
		`{"metadata":{"birth_month":13}}`:       "birth_month",
		`{"metadata":{"birth_day":0}}`:          "birth_day",
		`{"metadata":{"height":300.5}}`:         "height",
		`{"metadata":{"weight":-1}}`:            "weight",
		`{"metadata":{"gender":"unspecified"}}`: "gender",
		`{"metadata":{"age":3}}`:                "age",
		`{"name":"x"}`:                          "name",
		`{}{}`:                                  "more than one",
		`[]`:                                    "cannot unmarshal",
		`{`:                                     "EOF",
	} {
		r := createUser(t, s, body)
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) || !strings.Contains(r.body, `{"detail":[{"loc":["body"`) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if n := len(slices.Collect(s.Users())); n != 0 {
		t.Errorf("%d users were made", n)
	}
}

func TestDeletedUserIsGone(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 2})
	session := truth(s, "user-0001")[0]
	remove := func() reply { return call(t, s.Transport(), http.MethodDelete, "/ai/v1/users/user-0001", "") }
	if r := remove(); r.status != http.StatusNoContent || r.body != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("answered %d %q %v", r.status, r.body, r.header)
	}
	if r := remove(); r.status != http.StatusNotFound || r.detail(t) != "user does not exist" {
		t.Errorf("again: %d %s", r.status, r.body)
	}
	if r := get(t, s, "/ai/v1/users/user-0001"); r.status != http.StatusNotFound || r.detail(t) != "user does not exist" {
		t.Errorf("read after: %d %s", r.status, r.body)
	}
	if r := get(t, s, "/data/v3/sessions/"+session, "x-user-id: user-0001"); r.status != http.StatusNotFound {
		t.Errorf("session after: %d", r.status)
	}
	if got := slices.Collect(s.Users()); !slices.Equal(got, []string{"user-0002"}) {
		t.Errorf("left are %v", got)
	}
}

// With a delay a deleted user still reads, marked, and then is gone.
func TestDeletionDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, DeletionDelay: time.Hour})
		if !s.DeleteUser("user-0001") || s.DeleteUser("user-0001") {
			t.Error("deleted never, or twice")
		}
		time.Sleep(time.Hour - 1)
		if r := get(t, s, "/ai/v1/users/user-0001"); !strings.Contains(r.result(t), `"to_be_deleted":true`) {
			t.Errorf("user %s", r.body)
		}
		time.Sleep(1 * time.Nanosecond)
		if r := get(t, s, "/ai/v1/users/user-0001"); r.status != http.StatusNotFound {
			t.Errorf("user %d %s", r.status, r.body)
		}
	})
}

func TestMarkedUserStillReads(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
	if !s.SetToBeDeleted("user-0001", true) || s.SetToBeDeleted("nobody", true) {
		t.Error("marked nobody")
	}
	if r := get(t, s, "/ai/v1/users/user-0001"); !strings.Contains(r.result(t), `"to_be_deleted":true`) {
		t.Errorf("user %s", r.body)
	}
	if n := len(list(t, s, "user-0001", "")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// An id that needs escaping is a user like any other.
func TestUsersOfAnyName(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{})
	for _, id := range []string{"a/b", "a b", "ü", "100%", "a?b#c;d", "x,y", "{user_id}", "average-stats", "%2F"} {
		s.AddUser(asleeptest.User{ID: id})
		if _, err := s.AddSession(id, asleeptest.Session{}); err != nil {
			t.Fatal(err)
		}
		r := get(t, s, "/ai/v1/users/"+url.PathEscape(id))
		var u asleep.User
		if err := json.Unmarshal([]byte(r.result(t)), &u); err != nil || u.UserID != id {
			t.Errorf("user %q is answered as %s", id, r.body)
		}
		if n := len(list(t, s, id, "")); n != 1 {
			t.Errorf("user %q has %d sessions", id, n)
		}
		if last := s.Requests(); last[len(last)-1].User != id {
			t.Errorf("logged as %q", last[len(last)-1].User)
		}
	}
	noViolations(t, s)
}

func TestAddUserReplaces(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 3})
	s.AddUser(asleeptest.User{ID: "user-0001", Zone: "Asia/Seoul"})
	if n := len(s.Sessions("user-0001")); n != 0 {
		t.Errorf("%d sessions of a new user", n)
	}
	if got := slices.Collect(s.Users()); !slices.Equal(got, []string{"user-0001"}) {
		t.Errorf("users %v", got)
	}
	if u, _ := s.User("user-0001"); u.Zone != "Asia/Seoul" || u.Metadata != nil {
		t.Errorf("user %+v", u)
	}
}
