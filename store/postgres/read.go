package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

const (
	head    = "session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, form, observed_ms, created_ms, updated_ms, metrics"
	payload = ", epochs, raw"
)

// scanSession reads a row of head, and of payload unless it is brief.
func (s *sessions) scanSession(brief bool) func(pgx.Rows) (store.Session, error) {
	return func(r pgx.Rows) (v store.Session, err error) {
		var start, end, offset, observed, created, updated int64
		var p relational.Payload
		into := []any{&v.ID, &v.UserID, &v.State, &v.Settled, &start, &end, &v.Zone, &offset, &v.Form, &observed, &created, &updated, &p.Metrics}
		if !brief {
			into = append(into, &p.Epochs, &p.Raw)
		}
		if err := r.Scan(into...); err != nil {
			return v, err
		}
		v.Start, v.End, v.Observed = relational.FromMilli(start), relational.FromMilli(end), relational.FromMilli(observed)
		v.CreatedAt, v.UpdatedAt = relational.FromMilli(created), relational.FromMilli(updated)
		v.Offset = time.Duration(offset) * time.Second
		if err := p.OpenMetrics(s.codec, &v); err != nil || brief {
			return v, err
		}
		return v, p.OpenBody(s.codec, &v)
	}
}

func (s *sessions) Get(ctx context.Context, id string) (store.Session, error) {
	missing := fmt.Errorf("%w: session %.100q", store.ErrNotFound, id)
	if store.CheckID("session id", id) != nil {
		return store.Session{}, missing
	}
	list, err := collect(ctx, s.db(), s.scanSession(false), "SELECT "+head+payload+" FROM sessions WHERE session_id = $1", id)
	if err != nil {
		return store.Session{}, err
	}
	if len(list) == 0 {
		return store.Session{}, missing
	}
	return list[0], nil
}

// conditions gathers what a query asks for and the parameters.
type conditions struct {
	where []string
	args  []any
}

// and adds a condition, in which each ? stands for one of the values.
func (c *conditions) and(text string, values ...any) {
	for _, v := range values {
		text = strings.Replace(text, "?", c.arg(v), 1)
	}
	c.where = append(c.where, text)
}

func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *conditions) text() string { return strings.Join(c.where, " AND ") }

func (s *sessions) List(ctx context.Context, q store.Query) ([]store.Session, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	var c conditions
	if q.UserID != "" {
		c.and("user_id = ?", q.UserID)
	}
	from, to := relational.Starts(q)
	c.and("start_ms >= ? AND start_ms < ?", from, to)
	if !q.FromDate.IsZero() || !q.ToDate.IsZero() {
		first, last := relational.Dates(q)
		c.and("local_date BETWEEN ? AND ?", first, last)
	}
	if !q.After.IsZero() {
		c.and("(start_ms, session_id) < (?, ?)", q.After.Start.UnixMilli(), q.After.ID)
	}
	columns := head + payload
	if q.Brief {
		columns = head
	}
	text := "SELECT " + columns + " FROM sessions WHERE " + c.text() + " ORDER BY start_ms DESC, session_id DESC LIMIT " + c.arg(q.Limit)
	return collect(ctx, s.db(), s.scanSession(q.Brief), text, c.args...)
}

// Newest first, as the oracle does, so that means are the same to the last bit.
const statsRows = `SELECT session_id, start_ms, offset_s, metrics FROM sessions
WHERE user_id = $1 AND start_ms >= $2 AND start_ms < $3 ORDER BY start_ms DESC, session_id DESC`

func (s *sessions) Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	from, to := relational.Bounds(q.From, q.To)
	list, err := collect(ctx, s.db(), func(r pgx.Rows) (v store.Session, err error) {
		var start, offset int64
		var p relational.Payload
		if err := r.Scan(&v.ID, &start, &offset, &p.Metrics); err != nil {
			return v, err
		}
		v.Start, v.Offset = relational.FromMilli(start), time.Duration(offset)*time.Second
		return v, p.OpenMetrics(s.codec, &v)
	}, statsRows, q.UserID, from, to)
	if err != nil {
		return nil, err
	}
	tally := store.Tally{Period: q.Period}
	for _, v := range list {
		tally.Add(v)
	}
	return tally.Buckets(), nil
}
