package client_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
)

func date(s string) asleep.Date {
	d, err := asleep.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// shape is a call and the one request it must make. Of the headers named in
// ownHeaders exactly those of the shape may be there.
type shape struct {
	name        string
	call        func(context.Context, *client.Client) error
	method, url string
	header      map[string]string // besides the key
	body        string
	answer      string // fixture
	status      int
}

// ownHeaders are those a call sets for itself.
var ownHeaders = []string{"X-User-Id", "Timezone", "Content-Type", "Idempotency-Key", "X-Idempotency-Key", "Authorization", "Cookie"}

var shapes = []shape{
	{
		name: "createUser without metadata", method: "POST", url: "https://api.asleep.ai/ai/v1/users",
		call: func(ctx context.Context, c *client.Client) error { _, err := c.CreateUser(ctx, nil); return err },
		body: `{}`, header: map[string]string{"Content-Type": "application/json"}, answer: "user_create.json", status: 201,
	},
	{
		name: "createUser with metadata", method: "POST", url: "https://api.asleep.ai/ai/v1/users",
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateUser(ctx, &asleep.UserMetadata{
				BirthYear: new(asleep.Int(1988)), Gender: asleep.GenderNonBinary, Weight: new(70.5),
			})
			return err
		},
		body:   `{"metadata":{"birth_year":1988,"gender":"non_binary","weight":70.5}}`,
		header: map[string]string{"Content-Type": "application/json"}, answer: "user_create.json", status: 201,
	},
	{
		name: "getUser", method: "GET", url: "https://api.asleep.ai/ai/v1/users/" + user,
		call:   func(ctx context.Context, c *client.Client) error { _, err := c.User(ctx, user); return err },
		answer: "user_get.json", status: 200,
	},
	{
		name: "getUser has no timezone to render", method: "GET", url: "https://api.asleep.ai/ai/v1/users/" + user,
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.User(ctx, user, client.InTimezone("Asia/Seoul"))
			return err
		},
		answer: "user_get.json", status: 200,
	},
	{
		name: "deleteUser", method: "DELETE", url: "https://api.asleep.ai/ai/v1/users/" + user,
		call:   func(ctx context.Context, c *client.Client) error { return c.DeleteUser(ctx, user) },
		answer: "no_content_204.txt", status: 204,
	},
	{
		name: "getSession", method: "GET", url: "https://api.asleep.ai/data/v3/sessions/" + session,
		call:   func(ctx context.Context, c *client.Client) error { _, err := c.Session(ctx, user, session); return err },
		header: map[string]string{"X-User-Id": user}, answer: "session_complete_v3_sdk_shape.json", status: 200,
	},
	{
		name: "getSession in a timezone", method: "GET", url: "https://api.asleep.ai/data/v3/sessions/" + session,
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.Session(ctx, user, session, client.InTimezone("Asia/Seoul"))
			return err
		},
		header: map[string]string{"X-User-Id": user, "Timezone": "Asia/Seoul"},
		answer: "session_complete_timezone_seoul.json", status: 200,
	},
	{
		name: "listSessions, plain", method: "GET", url: "https://api.asleep.ai/data/v1/sessions",
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.ListSessions(ctx, user, client.PageQuery{})
			return err
		},
		header: map[string]string{"X-User-Id": user}, answer: "list_mixed_states.json", status: 200,
	},
	{
		name: "listSessions, everything set", method: "GET",
		url: "https://api.asleep.ai/data/v1/sessions?date_gte=2026-03-01&date_lte=2026-03-31&order_by=ASC&offset=40&limit=20",
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.ListSessions(ctx, user, client.PageQuery{
				From: date("2026-03-01"), To: date("2026-03-31"), Order: asleep.SortOrderAscending, Offset: 40, PageSize: 20,
			}, client.InTimezone("America/New_York"))
			return err
		},
		header: map[string]string{"X-User-Id": user, "Timezone": "America/New_York"}, answer: "list_mixed_states.json", status: 200,
	},
	{
		name: "sessions ask for the largest page", method: "GET", url: "https://api.asleep.ai/data/v1/sessions?limit=100",
		call: func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Sessions(ctx, user, client.Query{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		header: map[string]string{"X-User-Id": user}, answer: "list_mixed_states.json", status: 200,
	},
	{
		name: "deleteSession", method: "DELETE", url: "https://api.asleep.ai/ai/v1/sessions/" + session,
		call:   func(ctx context.Context, c *client.Client) error { return c.DeleteSession(ctx, user, session) },
		header: map[string]string{"X-User-Id": user}, answer: "no_content_204.txt", status: 204,
	},
	{
		name: "deleteAllSessions", method: "DELETE", url: "https://api.asleep.ai/ai/v1/sessions",
		call:   func(ctx context.Context, c *client.Client) error { return c.DeleteAllSessions(ctx, user) },
		header: map[string]string{"X-User-Id": user}, answer: "no_content_204.txt", status: 204,
	},
	{
		name: "getAverageStats", method: "GET",
		url: "https://api.asleep.ai/data/v1/users/" + user + "/average-stats?start_date=2026-03-01&end_date=2026-03-31",
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.AverageStats(ctx, user, date("2026-03-01"), date("2026-03-31"))
			return err
		},
		answer: "average_stats_full.json", status: 200,
	},
	{
		name: "an undocumented call", method: "PUT", url: "https://api.asleep.ai/ai/v2/thing/a%2Fb?x=1+2",
		call: func(ctx context.Context, c *client.Client) error {
			_, err := c.Do(ctx, client.Request{
				Method: "PUT", Path: "/ai/v2/thing/a%2Fb", Query: url.Values{"x": {"1 2"}}, UserID: user,
				Header: http.Header{"X-Api-Key": {"another"}}, Body: map[string]int{"n": 1},
			}, client.InTimezone("UTC"))
			return err
		},
		header: map[string]string{"X-User-Id": user, "Timezone": "UTC", "Content-Type": "application/json"},
		body:   `{"n":1}`, answer: "no_content_204.txt", status: 204,
	},
}

func TestEveryOperationMakesExactlyItsRequest(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c, mock := mocked(t)
			answer := fixture(t, s.answer)
			mock.RegisterResponder(s.method, s.url, func(req *http.Request) (*http.Response, error) {
				s.check(t, req)
				return httpmock.NewStringResponse(s.status, answer), nil
			})
			if err := s.call(t.Context(), c); err != nil {
				t.Error(err)
			}
			if n := mock.GetTotalCallCount(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func (s shape) check(t *testing.T, req *http.Request) {
	t.Helper()
	if got := req.URL.String(); got != s.url {
		t.Errorf("URL %s, want %s", got, s.url)
	}
	if got := req.Header.Values("X-Api-Key"); len(got) != 1 || got[0] != secret {
		t.Error("the key is not sent exactly once")
	}
	for _, name := range []string{"User-Agent", "X-Request-Id", "Accept"} {
		if req.Header.Get(name) == "" {
			t.Errorf("header %s is missing", name)
		}
	}
	for _, name := range ownHeaders {
		values, want := req.Header.Values(name), s.header[name]
		if len(values) > 1 || req.Header.Get(name) != want || (want == "") != (len(values) == 0) {
			t.Errorf("header %s is %q, want %q", name, values, want)
		}
	}
	body := ""
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		body = string(b)
	}
	if body != s.body {
		t.Errorf("body %q, want %q", body, s.body)
	}
}

func TestTheClientsTimezoneIsSentUnlessACallSaysOtherwise(t *testing.T) {
	t.Parallel()
	c, mock := mocked(t, client.WithTimezone("Asia/Seoul"))
	var zones []string
	mock.RegisterResponder("GET", "https://api.asleep.ai/data/v1/sessions", func(req *http.Request) (*http.Response, error) {
		zones = append(zones, req.Header.Get("Timezone"))
		return httpmock.NewStringResponse(200, fixture(t, "list_empty.json")), nil
	})
	for _, opts := range [][]client.CallOption{nil, {client.InTimezone("Europe/Paris")}, {client.InTimezone("")}} {
		if _, err := c.ListSessions(t.Context(), user, client.PageQuery{}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	if len(zones) != 3 || zones[0] != "Asia/Seoul" || zones[1] != "Europe/Paris" || zones[2] != "Asia/Seoul" {
		t.Errorf("timezones %q", zones)
	}
}

func TestABaseURLWithAPathIsPutBeforeEveryRoute(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://gateway.test/asleep", "https://gateway.test/asleep/"} {
		c, mock := mocked(t, client.WithBaseURL(base))
		mock.RegisterResponder("GET", "https://gateway.test/asleep/ai/v1/users/u1",
			httpmock.NewStringResponder(200, fixture(t, "user_get.json")))
		mock.RegisterResponder("GET", "https://gateway.test/asleep/x", httpmock.NewStringResponder(204, ""))
		if _, err := c.User(t.Context(), "u1"); err != nil {
			t.Error(err)
		}
		if _, err := c.Do(t.Context(), client.Request{Method: "GET", Path: "/x"}); err != nil {
			t.Error(err)
		}
	}
}

func TestCallOptionsReachTheWire(t *testing.T) {
	t.Parallel()
	c, mock := mocked(t, client.WithUserAgent("nightly-report/1.2"))
	mock.RegisterResponder("GET", "https://api.asleep.ai/ai/v1/users/u1", func(req *http.Request) (*http.Response, error) {
		if got := req.Header.Get("X-Request-Id"); got != "req-1" {
			t.Errorf("request id %q", got)
		}
		if got := req.Header.Get("User-Agent"); len(got) < 20 || got[:29] != "nightly-report/1.2 asleep-go/" {
			t.Errorf("user agent %q", got)
		}
		deadline, ok := req.Context().Deadline()
		if left := time.Until(deadline); !ok || left > 3*time.Second || left < 2*time.Second {
			t.Errorf("the attempt has %v left, want 3s", left)
		}
		resp := httpmock.NewStringResponse(503, "down")
		resp.Header.Set("X-Upstream", "yes")
		return resp, nil
	})
	var raw client.Response
	_, err := c.User(t.Context(), "u1", client.WithRequestID("req-1"), client.AttemptTimeout(3*time.Second),
		client.Attempts(1), client.RawResponse(&raw))
	if err == nil || mock.GetTotalCallCount() != 1 {
		t.Errorf("error %v after %d requests, want one failure", err, mock.GetTotalCallCount())
	}
	if raw.StatusCode != http.StatusServiceUnavailable || string(raw.Body) != "down" || raw.Header.Get("X-Upstream") != "yes" {
		t.Errorf("raw answer %+v", raw)
	}
}
