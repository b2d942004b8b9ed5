package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
)

// bucket is the statistics of one period.
type bucket struct {
	Date     string            `json:"date,omitempty"`
	Hour     string            `json:"hour,omitempty"`
	Sessions int               `json:"sessions"`
	Figures  map[string]figure `json:"figures"`
}

type figure struct {
	Count  int     `json:"count"`
	Mean   float64 `json:"mean"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Latest float64 `json:"latest"`
}

func bucketOf(b store.Bucket) bucket {
	out := bucket{Sessions: b.Sessions, Figures: map[string]figure{}}
	if !b.Date.IsZero() {
		out.Date = b.Date.String()
	}
	if !b.Hour.IsZero() {
		out.Hour = b.Hour.Format(time.RFC3339)
	}
	for m := range store.AllMetrics() {
		if f := b.Figure(m); f.Count > 0 {
			out.Figures[m.String()] = figure(f)
		}
	}
	return out
}

// statistics is the body of an answer: buckets of what is stored, or averages as
// the service has them.
type statistics struct {
	UserID   string          `json:"user_id"`
	Timezone string          `json:"timezone"`
	From     string          `json:"from"`
	To       string          `json:"to"`
	Period   string          `json:"period"`
	Partial  bool            `json:"partial"`
	Buckets  []bucket        `json:"buckets"`
	Averages json.RawMessage `json:"averages"`
}

// statistics sums up the sessions of a period. What the service is asked for has no
// buckets by day or hour: those are made of what is stored alone.
func (a *readAPI) statistics(ctx context.Context, q *question) (*reply, error) {
	if q.user == "" {
		return nil, badQuery("user_id is missing: say whose statistics are wanted")
	}
	if q.source == fromUpstream && q.period != store.PeriodAll {
		return nil, badQuery("the service itself knows no period but all: leave out source, or give store")
	}
	q.lately(client.SummaryDays)
	if q.to.Before(q.from) {
		return nil, badQuery("from " + q.from.String() + " lies after today, " + q.to.String() + ": give an earlier one, or to as well")
	}
	if days := q.from.DaysUntil(q.to) + 1; days > maxDays {
		return nil, badQuery(fmt.Sprintf("from %s to %s are %d days: give 1 to %d", q.from, q.to, days, maxDays))
	}
	body := statistics{
		UserID: q.user, Timezone: q.zone, From: q.from.String(), To: q.to.String(),
		Period: [...]string{"all", "daily", "hourly"}[q.period], Buckets: []bucket{},
	}
	p := &reply{source: fromStore}
	var out error
	if q.source != fromUpstream {
		found, partial, err := a.buckets(ctx, q)
		switch {
		case err == nil:
			body.Buckets, body.Partial = found, partial
		case q.period == store.PeriodAll && q.storeless(err):
			out = err
		default:
			return nil, err
		}
	}
	if len(body.Buckets) == 0 && q.period == store.PeriodAll && q.source != fromStore {
		stats, origin, err := a.averages(ctx, q)
		if err != nil {
			return nil, neither(out, err)
		}
		p.source, p.age = told(origin)
		body.Averages, body.Partial = stats, false
	}
	p.part, p.fresh, p.body, p.lines = body.Partial, keepList(p.age), encode(body), [][]byte{}
	for _, b := range body.Buckets {
		p.lines = append(p.lines, encode(b))
	}
	if body.Averages != nil {
		p.lines = append(p.lines, p.body)
	}
	return p, nil
}

// maxDays is the longest period: over five years.
const maxDays = 2000

// buckets are the statistics of what is stored. They are partial where the store has nothing
// from before the period, and so may not have been told of all that is in it.
func (a *readAPI) buckets(ctx context.Context, q *question) (list []bucket, partial bool, err error) {
	query := store.StatsQuery{UserID: q.user, Period: q.period}
	query.From, query.To = q.instants()
	found, err := ofStore(ctx, func(ctx context.Context) ([]store.Bucket, error) { return a.sessions.Stats(ctx, query) })
	if err != nil {
		return nil, false, err
	}
	list = make([]bucket, len(found))
	for i := range found {
		list[i] = bucketOf(found[i])
	}
	whole, err := a.reachesBack(ctx, q)
	return list, !whole, err
}

// averages are those of the service, in its own words.
func (a *readAPI) averages(ctx context.Context, q *question) (json.RawMessage, client.Origin, error) {
	var origin client.Origin
	upstream, err := a.ofUpstream(ctx, q)
	if err != nil {
		return nil, origin, err
	}
	stats, err := upstream.AverageStats(ctx, q.user, q.from, q.to, client.InTimezone(q.zone), client.WithOrigin(&origin))
	if err != nil {
		return nil, origin, err
	}
	return averagesJSON(&stats.AverageStats), origin, nil
}

// averagesJSON is the answer as it came; one that was put together of several
// has no text of its own.
func averagesJSON(stats *asleep.AverageStats) json.RawMessage {
	if stats.Raw != "" {
		return json.RawMessage(oneLine(stats.Raw))
	}
	return encode(stats)
}

// summary is the body of an answer.
type summary struct {
	UserID   string          `json:"user_id"`
	Timezone string          `json:"timezone"`
	From     string          `json:"from"`
	To       string          `json:"to"`
	Last     *item           `json:"last_session"`
	Count    int             `json:"session_count"`
	More     bool            `json:"more_sessions"`
	Partial  bool            `json:"partial"`
	Figures  *bucket         `json:"statistics"`
	Averages json.RawMessage `json:"averages"`
}

// summary tells how a user has slept lately.
func (a *readAPI) summary(ctx context.Context, q *question) (*reply, error) {
	q.lately(client.SummaryDays)
	s := &summary{UserID: q.user, Timezone: q.zone, From: q.from.String(), To: q.to.String()}
	p := &reply{source: fromStore}
	var err, out error
	if q.source != fromUpstream {
		err = a.storedSummary(ctx, q, s)
		if q.storeless(err) {
			s.Last, out, err = nil, err, nil
		}
	}
	if err == nil && s.Last == nil && q.source != fromStore {
		p.source, p.age, err = a.askedSummary(ctx, q, s)
		err = neither(out, err)
	}
	if err != nil {
		return nil, err
	}
	p.part, p.fresh, p.body = s.Partial, keepList(p.age), encode(s)
	return p, nil
}

func (a *readAPI) storedSummary(ctx context.Context, q *question, s *summary) error {
	last, err := ofStore(ctx, func(ctx context.Context) ([]store.Session, error) {
		return a.sessions.List(ctx, store.Query{UserID: q.user, Limit: 1, Brief: true})
	})
	if err != nil || len(last) == 0 || last[0].UserID != q.user {
		return err
	}
	s.Last = new(q.item(last[0]))
	found, partial, err := a.buckets(ctx, q)
	if err == nil && len(found) > 0 {
		s.Figures, s.Count = &found[0], found[0].Sessions
	}
	s.Partial = partial
	return err
}

func (a *readAPI) askedSummary(ctx context.Context, q *question, s *summary) (source, time.Duration, error) {
	var origin client.Origin
	upstream, err := a.ofUpstream(ctx, q)
	if err != nil {
		return "", 0, err
	}
	found, err := upstream.Summary(ctx, q.user, client.InTimezone(q.zone), client.WithOrigin(&origin))
	if err != nil {
		return "", 0, err
	}
	s.From, s.To, s.Count, s.More = found.From.String(), found.To.String(), found.SessionCount, found.MoreSessions
	s.Averages = averagesJSON(found.Averages)
	if found.LastSession != nil {
		last, err := store.FromSummary(q.user, found.LastSession, time.Now())
		if err != nil {
			return "", 0, err
		}
		s.Last = new(q.item(last))
	}
	from, age := told(origin)
	return from, age, nil
}
