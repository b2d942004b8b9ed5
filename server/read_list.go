package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
)

// item is a session of a list, the same wherever it came from.
type item struct {
	SessionID string              `json:"session_id"`
	UserID    string              `json:"user_id"`
	State     asleep.SessionState `json:"state"`
	Complete  bool                `json:"complete"` // the settled report is stored
	Start     *time.Time          `json:"session_start_time"`
	End       *time.Time          `json:"session_end_time"`
	Zone      string              `json:"created_timezone"`
	Figures   map[string]float64  `json:"figures"`
}

func (q *question) item(s store.Session) item {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return new(t.In(q.location))
	}
	i := item{
		SessionID: s.ID, UserID: s.UserID, State: s.State, Complete: s.Settled,
		Start: at(s.Start), End: at(s.End), Zone: s.Zone, Figures: map[string]float64{},
	}
	for m := range store.AllMetrics() {
		if v, ok := s.Metrics.Get(m); ok {
			i.Figures[m.String()] = v
		}
	}
	return i
}

// page is one page of a list.
type page struct {
	source source
	stored bool // the store has a session that fits
	age    time.Duration
	items  []item
	next   *cursor
}

// list answers with a page of a user's sessions, newest first: of the store if it
// has any that fit, else of the service, which also stands in where the store is out. Behind
// the last page of the store come those of the service, with the nights from before. Nights
// that only windows are known of stand among those of the store.
func (a *readAPI) list(ctx context.Context, q *question) (*reply, error) {
	from := q.source
	if q.cursor.source != "" {
		if q.cursor.list != q.listID() || from != "" && from != q.cursor.source {
			return nil, badQuery("the cursor is that of another list: keep user, from, to, timezone, limit and source as they were")
		}
		from = q.cursor.source
	}
	var p page
	var err, out error
	if from != fromUpstream {
		p, err = a.storedPage(ctx, q)
		if q.storeless(err) {
			out, err = err, nil
		}
	}
	if err == nil && (from == fromUpstream || from == "" && !p.stored) {
		p, err = a.askedPage(ctx, q)
		err = neither(out, err)
	}
	if err != nil {
		return nil, err
	}
	return p.reply(q), nil
}

func (a *readAPI) storedPage(ctx context.Context, q *question) (page, error) {
	query := store.Query{UserID: q.user, After: q.cursor.after, Limit: q.limit + 1, Brief: true}
	query.From, query.To = q.instants()
	found, err := ofStore(ctx, func(ctx context.Context) ([]listed, error) { return a.newest(ctx, query) })
	if err != nil {
		return page{}, err
	}
	p := page{source: fromStore, items: []item{}, stored: slices.ContainsFunc(found, func(l listed) bool { return !l.recording })}
	switch {
	case len(found) > q.limit:
		found = found[:q.limit]
		p.next = &cursor{list: q.listID(), source: fromStore, after: store.CursorOf(found[q.limit-1].Session)}
	case q.source == "":
		if p.next, err = a.earlier(ctx, q, found); err != nil {
			return page{}, err
		}
	}
	for _, l := range found {
		if l.UserID != q.user { // whatever the store says
			continue
		}
		i := q.item(l.Session)
		if l.recording {
			i.Start = nil // a guess is good enough for a place in the list
		}
		p.items = append(p.items, i)
	}
	return p, nil
}

// earlier is where the service goes on behind the last page of the store: a store that was
// filled from some day on has nothing of the nights before, which are not to be missed in
// silence. It is nil where the store reaches back beyond the list.
func (a *readAPI) earlier(ctx context.Context, q *question, found []listed) (*cursor, error) {
	last := q.cursor.after
	for _, l := range found {
		if !l.recording && !l.Start.IsZero() {
			last = store.CursorOf(l.Session)
		}
	}
	if last.Start.IsZero() {
		return nil, nil //nolint:nilnil // without a start there is no before
	}
	if whole, err := a.reachesBack(ctx, q); err != nil || whole {
		return nil, err
	}
	return &cursor{list: q.listID(), source: fromUpstream, after: last}, nil
}

// reachesBack reports whether the store has a session from before the first day that is asked
// about. It was told of the user's nights by then, so none is missing from that day on.
func (a *readAPI) reachesBack(ctx context.Context, q *question) (bool, error) {
	from, _ := q.instants()
	if from.IsZero() {
		return false, nil
	}
	before, err := ofStore(ctx, func(ctx context.Context) ([]store.Session, error) {
		return a.sessions.List(ctx, store.Query{UserID: q.user, To: from, Limit: 1, Brief: true})
	})
	return len(before) > 0 && !before[0].Start.IsZero(), err
}

// listed is a session of the store's lists. Recording: only windows of it have come, and
// its Start is about right.
type listed struct {
	store.Session

	recording bool
}

// newest is a page of a user's sessions and of the nights that only windows are known of, in
// one order. Those are asked for first: a night whose report is stored meanwhile is
// found twice then, and not missed.
func (a *readAPI) newest(ctx context.Context, q store.Query) (list []listed, err error) {
	if q, err = q.Normalize(); err != nil {
		return nil, err
	}
	partials, err := a.sessions.Partials(ctx, q.UserID)
	if err != nil {
		return nil, err
	}
	sessions, err := a.sessions.List(ctx, q)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, s := range sessions {
		list, known[s.ID] = append(list, listed{Session: s}), true
	}
	for _, p := range partials {
		s := store.Session{ID: p.SessionID, UserID: p.UserID, State: asleep.SessionStateOpen, Start: p.Began()}
		if !known[s.ID] && q.Matches(s) {
			list = append(list, listed{s, true})
		}
	}
	slices.SortFunc(list, func(a, b listed) int { return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(b.ID, a.ID)) })
	return list[:min(len(list), q.Limit)], nil
}

func (a *readAPI) askedPage(ctx context.Context, q *question) (page, error) {
	var origin client.Origin
	upstream, err := a.ofUpstream(ctx, q)
	if err != nil {
		return page{}, err
	}
	behind := q.cursor.after // the last session of the store, where that came first
	found, err := upstream.ListSessions(ctx, q.user, client.PageQuery{From: q.from, To: q.lastDay(behind), Offset: q.cursor.offset, PageSize: q.limit, Order: asleep.SortOrderDescending},
		client.InTimezone(q.zone), client.WithOrigin(&origin))
	if !behind.IsZero() && (errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrUserIDInvalid)) {
		found, err = new(client.SessionPage), nil // a user who is known here alone
	}
	if err != nil {
		return page{}, err
	}
	p := page{items: []item{}}
	p.source, p.age = told(origin)
	if next := q.cursor.offset + q.limit; len(found.Sessions) >= q.limit && next <= maxOffset {
		p.next = &cursor{list: q.listID(), source: fromUpstream, after: behind, offset: next}
	}
	for i := range found.Sessions {
		s, err := store.FromSummary(q.user, &found.Sessions[i], time.Now())
		if err != nil {
			return page{}, err
		}
		if (store.Query{After: behind}).Matches(s) {
			p.items = append(p.items, q.item(s))
		}
	}
	return p, nil
}

// lastDay is up to when the service is asked, where the list goes on behind a session.
func (q *question) lastDay(behind store.Cursor) asleep.Date {
	if behind.IsZero() {
		return q.to
	}
	day := asleep.DateOf(behind.Start.In(q.location))
	if !q.to.IsZero() && q.to.Before(day) {
		return q.to
	}
	return day
}

func (p page) reply(q *question) *reply {
	r := &reply{source: p.source, age: p.age, fresh: keepList(p.age), lines: [][]byte{}}
	body := struct {
		UserID   string            `json:"user_id"`
		Timezone string            `json:"timezone"`
		Sessions []json.RawMessage `json:"sessions"`
		Next     *string           `json:"next_cursor"`
	}{UserID: q.user, Timezone: q.zone, Sessions: []json.RawMessage{}}
	for _, i := range p.items {
		line := encode(i)
		r.lines = append(r.lines, line)
		body.Sessions = append(body.Sessions, line)
	}
	if p.next != nil {
		text := p.next.String()
		body.Next = &text
		values := q.URL.Query()
		values.Set("cursor", text)
		r.next = "?" + values.Encode() // of this path, which may be another outside: with a prefix, behind a proxy
	}
	r.body = encode(body)
	return r
}

// oneLine takes the line breaks out of an object, where it has any.
func oneLine(raw string) string {
	raw = strings.TrimSpace(raw)
	if strings.IndexByte(raw, '\n') < 0 && strings.IndexByte(raw, '\r') < 0 { // the quickest way to look
		return raw
	}
	var b bytes.Buffer
	if json.Compact(&b, []byte(raw)) != nil {
		return "null" // what is no JSON was never stored
	}
	return b.String()
}
