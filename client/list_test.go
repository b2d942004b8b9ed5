package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// lister is an upstream with one user's list of session ids. Before each page
// it calls change, if there is one.
type lister struct {
	*testing.T
	ids    []string
	pages  []string // the queries asked for
	change func(page int)
	// lie returns the page in place of what was asked for.
	lie func(offset, limit int) []string
}

func (l *lister) RoundTrip(req *http.Request) (*http.Response, error) {
	l.pages = append(l.pages, req.URL.RawQuery)
	if l.change != nil {
		l.change(len(l.pages))
	}
	q := req.URL.Query()
	offset, _ := strconv.Atoi(q.Get("offset"))
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 20
	}
	from := min(offset, len(l.ids))
	page := l.ids[from:min(from+limit, len(l.ids))]
	if l.lie != nil {
		page = l.lie(offset, limit)
	}
	items := make([]string, len(page))
	for i, id := range page {
		items[i] = fmt.Sprintf(`{"session_id":%q,"state":"COMPLETE"}`, id)
	}
	return response(req, 200, `{"detail":"OK","result":{"timezone":"UTC","sleep_session_list":[`+strings.Join(items, ",")+`]}}`), nil
}

func (l *lister) client(opts ...client.Option) *client.Client {
	return newClient(l.T, append(opts, client.WithHTTPClient(&http.Client{Transport: l}))...)
}

// collect ranges over all sessions.
func (l *lister) collect(q client.Query) (ids []string, err error) {
	for s, err := range l.client().Sessions(l.Context(), user, q) {
		if err != nil {
			return ids, err
		}
		ids = append(ids, s.SessionID)
	}
	return ids, nil
}

func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("s%03d", i))
	}
	return ids
}

func TestPagesAreFetchedToTheEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sessions int
		query    client.Query
		want     int
		pages    []string
	}{
		{0, client.Query{}, 0, []string{"limit=100"}},
		{1, client.Query{}, 1, []string{"limit=100"}},
		{99, client.Query{}, 99, []string{"limit=100"}},
		{100, client.Query{}, 100, []string{"limit=100", "offset=100&limit=100"}},
		{101, client.Query{}, 101, []string{"limit=100", "offset=100&limit=100"}},
		{6, client.Query{PageSize: 3}, 6, []string{"limit=3", "offset=3&limit=3", "offset=6&limit=3"}},
		{2, client.Query{PageSize: 1}, 2, []string{"limit=1", "offset=1&limit=1", "offset=2&limit=1"}},
		{500, client.Query{Limit: 5}, 5, []string{"limit=5"}},
		{500, client.Query{Limit: 100}, 100, []string{"limit=100"}},
		{500, client.Query{Limit: 150}, 150, []string{"limit=100", "offset=100&limit=50"}},
		{120, client.Query{Limit: 150}, 120, []string{"limit=100", "offset=100&limit=50"}},
		{
			3,
			client.Query{From: date("2026-03-01"), To: date("2026-03-01"), Order: asleep.SortOrderAscending},
			3,
			[]string{"date_gte=2026-03-01&date_lte=2026-03-01&order_by=ASC&limit=100"},
		},
	} {
		l := &lister{T: t, ids: numbered(test.sessions)}
		got, err := l.collect(test.query)
		if err != nil || !slices.Equal(got, l.ids[:test.want]) || !slices.Equal(l.pages, test.pages) {
			t.Errorf("%d sessions, %+v: %d yielded, pages %q, %v", test.sessions, test.query, len(got), l.pages, err)
		}
	}
}

func TestASequenceStartsOverOnEveryRange(t *testing.T) {
	t.Parallel()
	l := &lister{T: t, ids: numbered(5)}
	seq := l.client().Sessions(t.Context(), user, client.Query{PageSize: 2, Limit: 4})
	if len(l.pages) != 0 {
		t.Error("something was sent before the first range")
	}
	for range 2 {
		var got []string
		for s, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.SessionID)
		}
		if !slices.Equal(got, l.ids[:4]) {
			t.Errorf("yielded %q", got)
		}
	}
}

func TestPagesAreFetchedOnlyAsTheLoopAsks(t *testing.T) {
	t.Parallel()
	l := &lister{T: t, ids: numbered(50)}
	n := 0
	for _, err := range l.client().Sessions(t.Context(), user, client.Query{PageSize: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 20 {
			break
		}
	}
	if len(l.pages) != 2 {
		t.Errorf("pages %q, want 2", l.pages)
	}
}

func TestAShiftingListYieldsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 7, 100} {
		l := &lister{T: t, ids: numbered(20)}
		l.change = func(page int) {
			if page > 1 && page < 9 { // newest first: what is new pushes the rest on
				l.ids = slices.Insert(l.ids, 0, fmt.Sprintf("new%d", page))
			}
		}
		got, err := l.collect(client.Query{PageSize: size})
		if err != nil {
			if size > 1 {
				t.Errorf("page size %d: %v", size, err)
			}
			continue
		}
		unique := slices.Compact(slices.Sorted(slices.Values(got)))
		if len(unique) != len(got) {
			t.Errorf("page size %d: yielded twice: %q", size, got)
		}
		for _, id := range numbered(20) {
			if !slices.Contains(got, id) {
				t.Errorf("page size %d: %s is missing", size, id)
			}
		}
	}
}

func TestALyingListDoesNotLoopForEver(t *testing.T) {
	t.Parallel()
	all := numbered(250)
	for name, test := range map[string]struct {
		lie   func(offset, limit int) []string
		query client.Query
		want  int
		err   bool
		pages int
	}{
		"gives fewer than asked":       {lie: func(o, l int) []string { return all[o : o+min(l, 20)] }, want: 20, pages: 1},
		"gives everything":             {lie: func(int, int) []string { return all }, want: 250, err: true, pages: 4},
		"ignores the offset":           {lie: func(_, l int) []string { return all[:l] }, want: 100, err: true, pages: 4},
		"ignores the offset, limited":  {lie: func(_, l int) []string { return all[:l] }, query: client.Query{Limit: 150}, want: 100, err: true, pages: 4},
		"gives everything, limited":    {lie: func(int, int) []string { return all }, query: client.Query{Limit: 30}, want: 30, pages: 1},
		"repeats a session in a page":  {lie: func(int, int) []string { return []string{"a", "a", "b"} }, want: 2, pages: 1},
		"always one page, page size 1": {lie: func(int, int) []string { return []string{"a"} }, query: client.Query{PageSize: 1}, want: 1, err: true, pages: 4},
	} {
		l := &lister{T: t, lie: test.lie}
		got, err := l.collect(test.query)
		if len(got) != test.want || (err != nil) != test.err || len(l.pages) != test.pages {
			t.Errorf("%s: %d sessions, %d pages, %v", name, len(got), len(l.pages), err)
		}
		if test.err && (!errors.Is(err, client.ErrDecode) || !strings.Contains(err.Error(), "ignores the offset")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheFirstErrorEndsASequence(t *testing.T) {
	t.Parallel()
	l := &lister{T: t, ids: numbered(10)}
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.URL.Query().Get("offset") != "" {
			return response(req, 400, `{"detail":"no"}`), nil
		}
		return l.RoundTrip(req)
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	yielded, failed := 0, 0
	for s, err := range c.Sessions(t.Context(), user, client.Query{PageSize: 4}) {
		if err != nil {
			failed++
			wantSentinels(t, err, "invalid")
			if s.SessionID != "" || s.Raw != "" {
				t.Errorf("an error with %+v", s)
			}
			continue // goes nowhere
		}
		yielded++
	}
	if yielded != 4 || failed != 1 {
		t.Errorf("%d sessions and %d errors", yielded, failed)
	}
}

func TestAnItemWithoutAnIDIsNotHidden(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, 200, `{"result":{"sleep_session_list":[{"session_id":"a","state":"OPEN"},{"state":"OPEN"}]}}`)
	_, err := c.ListSessions(t.Context(), user, client.PageQuery{})
	wantSentinels(t, err, "decode")
	if !strings.Contains(fmt.Sprint(err), "sleep_session_list[1].session_id") {
		t.Errorf("%v", err)
	}
	for _, body := range []string{`{"result":{"timezone":"UTC"}}`, `{"result":{"timezone":"UTC","sleep_session_list":null}}`} {
		c, _ := answering(t, 200, body)
		_, err := c.ListSessions(t.Context(), user, client.PageQuery{})
		wantSentinels(t, err, "decode")
	}
}

func TestDatesOfAListAreChecked(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for _, q := range []client.Query{
		{From: asleep.Date{Year: 2026, Month: 2, Day: 30}},
		{To: asleep.Date{Year: 2026, Month: 13, Day: 1}},
		{From: date("2026-03-02"), To: date("2026-03-01")},
		{PageSize: -1},
		{PageSize: 101},
		{Limit: -1},
		{Order: "desc"},
	} {
		n := 0
		for _, err := range c.Sessions(t.Context(), user, q) {
			n++
			wantSentinels(t, err, "invalid")
		}
		if n != 1 {
			t.Errorf("%+v: yielded %d times", q, n)
		}
	}
}
