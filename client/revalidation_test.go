package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// tagging is a fake with ETags, a client that holds answers of it, and the statuses
// that came over the wire.
func tagging(t *testing.T, limit int) (*asleeptest.Server, *client.Client, func() string) {
	t.Helper()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 3, SessionsPerUser: 2, ETags: true})
	c, statuses := holding(t, srv, limit)
	return srv, c, statuses
}

func holding(t *testing.T, srv *asleeptest.Server, limit int) (*client.Client, func() string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	c := newClient(t, client.WithBaseURL(srv.URL), client.WithRevalidation(client.Revalidation{MaxBytes: limit}),
		client.WithHooks(client.Hooks{AttemptEnd: func(_ context.Context, _ *client.Operation, a *client.Attempt) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(a.StatusCode))
		}}))
	return c, func() string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { seen = nil }()
		return strings.Join(seen, " ")
	}
}

const firstUser, secondUser = "user-0001", "user-0002"

func TestAnAnswerThatStillHoldsComesWithoutItsBody(t *testing.T) {
	t.Parallel()
	srv, c, statuses := tagging(t, 1<<20)
	id := srv.Sessions(firstUser)[0].ID
	var raw client.Response
	first, err := c.Session(t.Context(), firstUser, id)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Session(t.Context(), firstUser, id, client.RawResponse(&raw))
	if err != nil || first.Raw != second.Raw {
		t.Errorf("%v; the same: %v", err, first.Raw == second.Raw)
	}
	if raw.StatusCode != http.StatusOK || !raw.NotModified || raw.Header.Get("Content-Type") != "application/json" || !bytes.Contains(raw.Body, []byte(id)) {
		t.Errorf("raw: %d %v %v", raw.StatusCode, raw.NotModified, raw.Header)
	}
	if got := statuses(); got != "200 304" {
		t.Errorf("over the wire: %s", got)
	}
	if s := c.Stats().Revalidation; !s.On || s.Entries != 1 || s.Used != 1 || s.Bytes < len(first.Raw) {
		t.Errorf("%+v", s)
	}
}

func TestAnAnswerThatHasChangedComesAnew(t *testing.T) {
	t.Parallel()
	srv, c, statuses := tagging(t, 1<<20)
	count := func() (n int) {
		for _, err := range c.Sessions(t.Context(), firstUser, client.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	before := count()
	if !srv.DeleteSession(firstUser, srv.Sessions(firstUser)[0].ID) {
		t.Fatal("nothing was deleted")
	}
	if after := count(); after != before-1 {
		t.Errorf("%d sessions, then %d after one was deleted", before, after)
	}
	if got := statuses(); got != "200 200" {
		t.Errorf("over the wire: %s", got)
	}
}

// TestWhatIsHeldIsNeverGivenToAnotherRequest: the fake tags by the body alone, so equal
// bodies of two users have one ETag, and only the client tells them apart.
func TestWhatIsHeldIsNeverGivenToAnotherRequest(t *testing.T) {
	t.Parallel()
	srv, c, statuses := tagging(t, 1<<20)
	id := srv.Sessions(firstUser)[0].ID
	at := func(c *client.Client, user, id string, opts ...client.CallOption) (*asleep.Report, error) {
		return c.Session(t.Context(), user, id, opts...)
	}
	if _, err := at(c, firstUser, id, client.InTimezone("Asia/Seoul")); err != nil {
		t.Fatal(err)
	}
	statuses()
	for name, call := range map[string]func() error{
		"another timezone": func() error { _, err := at(c, firstUser, id, client.InTimezone("Europe/Paris")); return err },
		"no timezone":      func() error { _, err := at(c, firstUser, id); return err },
		"another session": func() error {
			_, err := at(c, firstUser, srv.Sessions(firstUser)[1].ID, client.InTimezone("Asia/Seoul"))
			return err
		},
		"another user": func() error {
			_, err := at(c, secondUser, srv.Sessions(secondUser)[0].ID, client.InTimezone("Asia/Seoul"))
			return err
		},
		"a raw call with another header": func() error {
			_, err := c.Do(t.Context(), client.Request{
				Method: "GET", Path: "/data/v3/sessions/" + id, UserID: firstUser, Header: http.Header{"X-Probe": {"1"}},
			}, client.InTimezone("Asia/Seoul"))
			return err
		},
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := statuses(); got != "200" {
			t.Errorf("%s: %s over the wire, want an unconditional request", name, got)
		}
	}
	if _, err := at(c, secondUser, id, client.InTimezone("Asia/Seoul")); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("the session of another user: %v", err)
	}
	other, wire := holding(t, srv, 1<<20)
	if _, err := at(other, firstUser, id, client.InTimezone("Asia/Seoul")); err != nil || wire() != "200" {
		t.Errorf("another client, perhaps with another key, shares what is held: %v", err)
	}
}

func TestWhatIsHeldOfAUserGoesWithAnyChange(t *testing.T) {
	t.Parallel()
	srv, c, _ := tagging(t, 1<<20)
	read := func() {
		for _, user := range []string{firstUser, secondUser} {
			if _, err := c.User(t.Context(), user); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	if err := c.DeleteSession(t.Context(), firstUser, srv.Sessions(firstUser)[0].ID); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats().Revalidation.Entries; n != 1 {
		t.Errorf("%d answers held after a change of one of two users, want the other's", n)
	}
	read()
	if !srv.DeleteUser(firstUser) {
		t.Fatal("nothing was deleted")
	}
	if _, err := c.User(t.Context(), firstUser); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if n := c.Stats().Revalidation.Entries; n != 1 {
		t.Errorf("%d answers held after one of two users was gone", n)
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := response(req, 200, fmt.Sprintf(`{"detail":"OK","result":{"pad":%q}}`, strings.Repeat("x", random.IntN(3000))))
		resp.Header.Set("ETag", `"`+req.URL.Path+`"`)
		return resp, nil
	})
	const limit = 20_000
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRevalidation(client.Revalidation{MaxBytes: limit}))
	for range 500 {
		if _, err := c.Do(t.Context(), client.Request{Method: "GET", Path: fmt.Sprintf("/x/%d", random.IntN(100))}); err != nil {
			t.Fatal(err)
		}
		if s := c.Stats().Revalidation; s.Bytes > limit || s.Bytes < 0 || s.Entries == 0 || s.Entries > 40 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestWithoutBeingAskedForNothingIsHeldOrSent(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, ETags: true})
	c := newClient(t, client.WithBaseURL(srv.URL))
	for range 2 {
		var raw client.Response
		if _, err := c.User(t.Context(), firstUser, client.RawResponse(&raw)); err != nil || raw.NotModified || raw.Header.Get("ETag") == "" {
			t.Errorf("%v, %+v", err, raw.Header)
		}
	}
	if s := c.Stats().Revalidation; s != (client.RevalidationStats{}) {
		t.Errorf("%+v", s)
	}
}

// saying answers with a status, a body and headers, and notes the conditions asked.
func saying(t *testing.T, answers ...func(*http.Request) *http.Response) (*client.Client, *[]string) {
	t.Helper()
	asked := new([]string)
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		*asked = append(*asked, req.Header.Get("If-None-Match")+"|"+req.Header.Get("If-Modified-Since"))
		return answers[min(len(*asked), len(answers))-1](req), nil
	})
	return newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRevalidation(client.Revalidation{MaxBytes: 1 << 20})), asked
}

func say(status int, body string, header ...string) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		resp := response(req, status, body)
		for i := 0; i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp
	}
}

const someUser = `{"detail":"success","result":{"user_id":"u"}}`

func TestA304ThatNobodyAskedForIsAnError(t *testing.T) {
	t.Parallel()
	for name, build := range map[string][]client.Option{
		"holding nothing":       {},
		"with revalidation on":  {client.WithRevalidation(client.Revalidation{MaxBytes: 1 << 20})},
		"with retries switched": {client.WithRetry(client.Retry{})},
	} {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			return say(304, "", "ETag", `"a"`)(req), nil
		})
		c := newClient(t, append(build, client.WithHTTPClient(&http.Client{Transport: wire}))...)
		for _, op := range operations {
			if err := op.call(t.Context(), c); !errors.Is(err, client.ErrDecode) {
				t.Errorf("%s, %s: %v", name, op.name, err)
			}
		}
	}
}

func TestOddAnswersAboutWhatIsHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []func(*http.Request) *http.Response
		asked   string // by the second call
		fails   bool
	}{
		"Last-Modified alone": {
			[]func(*http.Request) *http.Response{say(200, someUser, "Last-Modified", "Sat, 14 Mar 2026 13:00:00 GMT"), say(304, "")},
			"|Sat, 14 Mar 2026 13:00:00 GMT", false,
		},
		"both": {
			[]func(*http.Request) *http.Response{say(200, someUser, "ETag", `W/"a"`, "Last-Modified", "yesterday"), say(304, "", "ETag", `"a"`)},
			`W/"a"|yesterday`, false,
		},
		"a 304 about another ETag": {
			[]func(*http.Request) *http.Response{say(200, someUser, "ETag", `"a"`), say(304, "", "ETag", `"b"`)}, `"a"|`, true,
		},
		"no-store":              {[]func(*http.Request) *http.Response{say(200, someUser, "ETag", `"a"`, "Cache-Control", "private, No-Store")}, "|", false},
		"Vary: *":               {[]func(*http.Request) *http.Response{say(200, someUser, "ETag", `"a"`, "Vary", "*")}, "|", false},
		"a tag of bad bytes":    {[]func(*http.Request) *http.Response{say(200, someUser, "ETag", "\"\xff\"")}, "|", false},
		"a tag of a kilobyte":   {[]func(*http.Request) *http.Response{say(200, someUser, "ETag", strings.Repeat("a", 1025))}, "|", false},
		"the tag is dropped":    {[]func(*http.Request) *http.Response{say(200, someUser)}, "|", false},
		"an error holds no tag": {[]func(*http.Request) *http.Response{say(404, `{"detail":"user does not exist"}`, "ETag", `"a"`)}, "|", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl, asked := saying(t, c.answers...)
			_, _ = cl.User(t.Context(), "u")
			got, err := cl.User(t.Context(), "u")
			if (err != nil) != c.fails || err == nil && got.UserID != "u" {
				t.Errorf("%v, %v", got, err)
			}
			if (*asked)[1] != c.asked {
				t.Errorf("asked %q, want %q", (*asked)[1], c.asked)
			}
			if name == "a 304 about another ETag" {
				if !errors.Is(err, client.ErrDecode) || !client.Retryable(err) || cl.Stats().Revalidation.Entries != 0 {
					t.Errorf("%v, retryable %v, held %+v", err, client.Retryable(err), cl.Stats().Revalidation)
				}
			}
		})
	}
}

func TestARawCallAsksAboutTheResponseItHolds(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 2, SessionsPerUser: 2, ETags: true})
	c := newClient(t, client.WithBaseURL(srv.URL))
	ask := func(held *client.Response) client.Request {
		return client.Request{Method: "GET", Path: "/data/v1/sessions", Query: url.Values{"limit": {"5"}}, UserID: firstUser, Held: held}
	}
	first, err := c.Do(t.Context(), ask(nil))
	if err != nil || first.NotModified {
		t.Fatal(err)
	}
	again, err := c.Do(t.Context(), ask(first))
	if err != nil || !again.NotModified || again.StatusCode != http.StatusOK || !bytes.Equal(again.Body, first.Body) {
		t.Fatalf("%v, %+v", err, again)
	}
	again.Body[0] = 'X' // the caller's own copy
	third, err := c.Do(t.Context(), ask(first))
	if err != nil || third.Body[0] != '{' {
		t.Errorf("%v, %s", err, third.Body[:1])
	}
	if _, err := c.Do(t.Context(), ask(third)); err != nil {
		t.Errorf("what a 304 brought cannot be asked about again: %v", err)
	}
	if !srv.DeleteSession(firstUser, srv.Sessions(firstUser)[0].ID) {
		t.Fatal("nothing was deleted")
	}
	changed, err := c.Do(t.Context(), ask(first))
	if err != nil || changed.NotModified || bytes.Equal(changed.Body, first.Body) {
		t.Errorf("%v, not modified %v after a change", err, changed.NotModified)
	}
	if got := srv.Count(asleeptest.ListSessions); got != 5 {
		t.Errorf("%d requests", got)
	}
}

func TestAResponseOfAnotherRequestCannotBeHeld(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 2, ETags: true})
	c := newClient(t, client.WithBaseURL(srv.URL))
	request := client.Request{Method: "GET", Path: "/data/v1/sessions", UserID: firstUser}
	held, err := c.Do(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := client.New("sk-another", client.WithBaseURL(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	request.Held = held
	change := func(f func(*client.Request)) client.Request {
		r := request
		f(&r)
		return r
	}
	before := srv.Stats().Requests
	for name, call := range map[string]struct {
		c    *client.Client
		r    client.Request
		opts []client.CallOption
	}{
		"user":      {c, change(func(r *client.Request) { r.UserID = secondUser }), nil},
		"timezone":  {c, request, []client.CallOption{client.InTimezone("Asia/Seoul")}},
		"key":       {stranger, request, nil},
		"query":     {c, change(func(r *client.Request) { r.Query = url.Values{"limit": {"5"}} }), nil},
		"header":    {c, change(func(r *client.Request) { r.Header = http.Header{"Accept-Language": {"ko"}} }), nil},
		"method":    {c, change(func(r *client.Request) { r.Method = "DELETE" }), nil},
		"condition": {c, change(func(r *client.Request) { r.Header = http.Header{"if-none-match": {`"x"`}} }), nil},
		"made up": {c, change(func(r *client.Request) {
			r.Held = &client.Response{StatusCode: 200, Header: held.Header, Body: held.Body}
		}), nil},
	} {
		if _, err := call.c.Do(t.Context(), call.r, call.opts...); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if got := srv.Stats().Requests; got != before {
		t.Errorf("%d requests were sent", got-before)
	}
}

func TestACallerWhoAsksWithOwnHeadersGetsThe304(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, ETags: true})
	for name, opts := range map[string][]client.Option{"off": nil, "on": {client.WithRevalidation(client.Revalidation{MaxBytes: 1 << 20})}} {
		c := newClient(t, append(opts, client.WithBaseURL(srv.URL))...)
		request := client.Request{Method: "GET", Path: "/ai/v1/users/" + firstUser}
		first, err := c.Do(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"If-None-Match": {first.Header.Get("ETag")}}
		got, err := c.Do(t.Context(), request)
		if err != nil || got.StatusCode != http.StatusNotModified || got.NotModified || len(got.Body) != 0 {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}
