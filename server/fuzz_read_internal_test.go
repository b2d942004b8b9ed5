package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

func FuzzReadCursor(f *testing.F) {
	for _, c := range []cursor{
		{source: fromStore, after: store.Cursor{Start: time.UnixMilli(1_700_000_000_000).UTC(), ID: "session-1"}, list: [8]byte{1, 2}},
		{source: fromStore, after: store.Cursor{ID: "without a start"}},
		{source: fromUpstream, offset: 50},
	} {
		f.Add(c.String())
	}
	for _, s := range []string{"", ".", "AAAAAAAAAAA.u50", "AAAAAAAAAAA.u0", "AAAAAAAAAAA.u+7", "AAAAAAAAAAA.u 7", "AAAAAAAAAAA.s", "AAAAAAAAAAA=.u1", "AAAAAAAAAAB.u1", "AAAAAAAAAAA.c1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseReadCursor(text)
		if err != nil {
			if f, ok := errors.AsType[*failure](err); !ok || f.status != http.StatusBadRequest || c != (cursor{}) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if text == "" {
			return
		}
		if c.String() != text || c.source != fromStore && c.source != fromUpstream || c.source == fromUpstream && (c.offset < 1 || c.offset > maxOffset) {
			t.Errorf("%q is read as %+v, which is %q", text, c, c.String())
		}
	})
}

// A question that is accepted asks for something that can be asked for.
func FuzzQuestion(f *testing.F) {
	for _, s := range []string{
		"", "user_id=u&from=2026-01-01&to=2026-01-31&timezone=Asia/Seoul&period=daily&source=store&limit=100", "from=0000-00-00", "from=9999-12-31&to=9999-12-31&timezone=Pacific/Kiritimati",
		"timezone=../../etc/passwd", "timezone=Etc/GMT%2B5", "timezone=local", "timezone=%00", "timezone=UTC/../UTC", "user_id=..", "user_id=%2e%2e%2f", "user_id=a%0ab", "user_id=%F0%9F%98%B4",
		"limit=1&limit=2", "limit=%2B5", "limit=1e2", "cursor=", "a;b", "%zz", "from=2026-01-01T00:00:00Z", "source=auto", "timezone=Europe/Dublin&from=1916-05-21",
	} {
		f.Add(s, "user-1")
	}
	f.Add("", "..")
	known := []string{"user_id", "from", "to", "timezone", "limit", "cursor", "period", "source"}
	f.Fuzz(func(t *testing.T, query, id string) {
		r := &http.Request{URL: &url.URL{Path: "/x", RawQuery: query}}
		r.SetPathValue("session", id)
		q, err := ask(r, known...)
		if err != nil {
			f, ok := errors.AsType[*failure](err)
			if !ok || f.status != http.StatusBadRequest || strings.ContainsAny(f.message, "\r\n\x00") || len(f.message) > 600 {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		if q.location == nil || q.zone == "" || q.limit < 1 || q.limit > maxPage || q.source == fromCache || q.session != id ||
			strings.ContainsAny(q.user+q.session, "/\\\x00\r\n ") || q.session == ".." || q.user == ".." {
			t.Errorf("%q: %+v", query, q)
		}
		if _, err := time.LoadLocation(q.zone); err != nil {
			t.Errorf("%q: the zone %q: %v", query, q.zone, err)
		}
		from, to := q.instants()
		if !from.IsZero() && !to.IsZero() && !from.Before(to) {
			t.Errorf("%q: from %v to %v", query, from, to)
		}
		if _, err := (store.Query{UserID: q.user, From: from, To: to, After: q.cursor.after, Limit: q.limit + 1}).Normalize(); err != nil {
			t.Errorf("%q: the store refuses it: %v", query, err)
		}
	})
}

// NDJSON is given to who asks for it and does not want JSON rather, in whatever order the
// types are named, and whatever else stands there.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{
		"application/x-ndjson", "Application/X-NDJSON; q=0.5, application/json;q=0.4", "application/json, application/x-ndjson", "application/x-ndjson;q=0", "*/*", "",
		"application/x-ndjson;q=NaN", "application/x-ndjson;q=-1", "application/x-ndjson;q=1e9", `application/x-ndjson;x=",", application/json;q=2`, ",,;;=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := wantsLines([]string{accept})
		pieces := strings.Split(accept, ",")
		slices.Reverse(pieces)
		if wantsLines(pieces) != got {
			t.Errorf("%q: %v, and the other way round %v", accept, got, !got)
		}
		if lower := strings.ToLower(accept); got && !strings.Contains(lower, "ndjson") && !strings.Contains(lower, "jsonl") {
			t.Errorf("%q asks for lines", accept)
		}
		if !wantsLines([]string{accept, "application/x-ndjson"}) {
			t.Errorf("%q and lines at full weight are no lines", accept)
		}
		if got && wantsLines([]string{accept, "application/json"}) != wantsLines([]string{accept, "application/json", "text/html"}) {
			t.Errorf("%q: another type changes it", accept)
		}
	})
}

// A 304 goes to who has the answer: its tag stands in the list as a whole, or there is no
// list and the date is not before.
func FuzzConditions(f *testing.F) {
	const tag = `"AAAAAAAAAAAAAAAAAAAA"`
	at := time.Date(2026, 3, 14, 22, 0, 0, 5e8, time.UTC)
	for _, s := range []string{
		tag, "W/" + tag, `"x", ` + tag, "*", `*, "x"`, `"a,*,b"`, `"a,` + tag + `,b"`, `AAAAAAAAAAAAAAAAAAAA`, `"AAAAAAAAAAAAAAAAAAAA-gzip"`, `"`, `W/`, `w/` + tag, ",,,", "",
	} {
		f.Add(s, at.Format(http.TimeFormat))
	}
	f.Add("", "Sat, 14 Mar 2026 21:59:59 GMT")
	f.Add("", "Saturday, 14-Mar-26 22:00:00 GMT")
	f.Add("", "9999999999")
	f.Fuzz(func(t *testing.T, tags, date string) {
		h := http.Header{}
		if date != "" {
			h.Set("If-Modified-Since", date)
		}
		since, err := http.ParseTime(date)
		if _, same := unchanged(h, tag, at); same != (err == nil && !since.Before(at.Truncate(time.Second))) {
			t.Errorf("since %q: %v", date, same)
		}
		if _, same := unchanged(h, tag, time.Time{}); same {
			t.Errorf("since %q, of what has no date", date)
		}
		h.Set("If-None-Match", tags)
		theirs, same := unchanged(h, tag, at)
		plain := strings.Contains(tags, tag) || strings.TrimSpace(tags) == "*"
		packed := strings.Contains(tags, `"AAAAAAAAAAAAAAAAAAAA-gzip"`)
		if same && !plain && !packed || same && theirs != tag && !packed {
			t.Errorf("%q has %q", tags, theirs)
		}
		// One that is good behind whatever list is found, unless the list is none.
		if !strings.ContainsAny(tags, `*"`) && strings.Trim(tags, " \t,") == "" {
			h.Set("If-None-Match", tags+`"other", W/"weak",`+"\t"+tag)
			if _, same := unchanged(h, tag, at); !same {
				t.Errorf("not found in %q", h.Get("If-None-Match"))
			}
		}
	})
}
