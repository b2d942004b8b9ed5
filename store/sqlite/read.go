package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

const (
	head    = "session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, form, observed_ms, created_ms, updated_ms, metrics"
	payload = ", epochs, raw"
)

func (s *sessions) scan(rows *sql.Rows, brief bool) (v store.Session, err error) {
	var start, end, offset, form, observed, created, updated int64
	var p relational.Payload
	into := []any{&v.ID, &v.UserID, &v.State, &v.Settled, &start, &end, &v.Zone, &offset, &form, &observed, &created, &updated, &p.Metrics}
	if !brief {
		into = append(into, &p.Epochs, &p.Raw)
	}
	if err := rows.Scan(into...); err != nil {
		return v, err
	}
	v.Start, v.End, v.Observed = relational.FromMilli(start), relational.FromMilli(end), relational.FromMilli(observed)
	v.CreatedAt, v.UpdatedAt = relational.FromMilli(created), relational.FromMilli(updated)
	v.Offset, v.Form = time.Duration(offset)*time.Second, store.Form(form) //nolint:gosec // it was stored as one
	if err := p.OpenMetrics(s.codec, &v); err != nil || brief {
		return v, err
	}
	return v, p.OpenBody(s.codec, &v)
}

func (s *sessions) Get(ctx context.Context, id string) (store.Session, error) {
	list, err := s.read(ctx, "SELECT "+head+payload+" FROM sessions WHERE session_id = ?", []any{id}, false)
	if err != nil {
		return store.Session{}, err
	}
	if len(list) == 0 {
		return store.Session{}, fmt.Errorf("%w: session %.100q", store.ErrNotFound, id)
	}
	return list[0], nil
}

func (s *sessions) read(ctx context.Context, text string, args []any, brief bool) (list []store.Session, err error) {
	st, err := s.db().query(ctx, text)
	if err != nil {
		return nil, err
	}
	err = each(ctx, st, args, func(rows *sql.Rows) error {
		v, err := s.scan(rows, brief)
		list = append(list, v)
		return err
	})
	if err != nil {
		return nil, s.db().readError(ctx, err)
	}
	return list, nil
}

func (s *sessions) List(ctx context.Context, q store.Query) ([]store.Session, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	var where []string
	var args []any
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if q.UserID != "" {
		and("user_id = ?", q.UserID)
	}
	from, to := relational.Starts(q)
	and("start_ms >= ? AND start_ms < ?", from, to)
	if !q.FromDate.IsZero() || !q.ToDate.IsZero() {
		first, last := relational.Dates(q)
		and("local_date BETWEEN ? AND ?", first, last)
	}
	if !q.After.IsZero() {
		and("(start_ms, session_id) < (?, ?)", q.After.Start.UnixMilli(), q.After.ID)
	}
	columns := head + payload
	if q.Brief {
		columns = head
	}
	text := "SELECT " + columns + " FROM sessions WHERE " + strings.Join(where, " AND ") + " ORDER BY start_ms DESC, session_id DESC LIMIT ?"
	return s.read(ctx, text, append(args, q.Limit), q.Brief)
}

// Newest first, as the oracle does, so that means are the same to the last bit.
const statsRows = `SELECT session_id, start_ms, offset_s, metrics FROM sessions
WHERE user_id = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms DESC, session_id DESC`

func (s *sessions) Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	st, err := s.db().query(ctx, statsRows)
	if err != nil {
		return nil, err
	}
	from, to := relational.Bounds(q.From, q.To)
	tally := store.Tally{Period: q.Period}
	err = each(ctx, st, []any{q.UserID, from, to}, func(rows *sql.Rows) error {
		var v store.Session
		var start, offset int64
		var p relational.Payload
		if err := rows.Scan(&v.ID, &start, &offset, &p.Metrics); err != nil {
			return err
		}
		v.Start, v.Offset = relational.FromMilli(start), time.Duration(offset)*time.Second
		if err := p.OpenMetrics(s.codec, &v); err != nil {
			return err
		}
		tally.Add(v)
		return nil
	})
	if err != nil {
		return nil, s.db().readError(ctx, err)
	}
	return tally.Buckets(), nil
}
