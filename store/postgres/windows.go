package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// putWindows stores windows, whose sessions are locked, and tells what became of
// each: a [store.Outcome].
const putWindows = `
WITH i AS MATERIALIZED (
  SELECT u.*,
    EXISTS (SELECT 1 FROM sessions o WHERE o.session_id = u.session_id AND o.user_id <> u.user_id OFFSET 0)
      OR EXISTS (SELECT 1 FROM windows w WHERE w.session_id = u.session_id AND w.user_id <> u.user_id OFFSET 0) AS alien,
    EXISTS (SELECT 1 FROM sessions o WHERE o.session_id = u.session_id AND o.settled OFFSET 0) AS settled,
    EXISTS (SELECT 1 FROM windows w WHERE w.session_id = u.session_id AND w.seq = u.seq OFFSET 0) AS known
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[]) WITH ORDINALITY
  AS u (session_id, seq, user_id, origin_ms, epochs, user_hash, session_hash, n)
), put AS (
  INSERT INTO windows AS o (session_id, seq, user_id, observed_ms, epochs)
  SELECT session_id, seq, user_id, origin_ms, epochs FROM i
  WHERE NOT ` + erasedNews + ` AND NOT alien AND NOT settled ORDER BY session_id, seq
  ON CONFLICT (session_id, seq) DO UPDATE SET observed_ms = excluded.observed_ms, epochs = excluded.epochs WHERE excluded.observed_ms > o.observed_ms
  RETURNING o.session_id, o.seq
)
SELECT CASE WHEN put.seq IS NOT NULL THEN CASE WHEN i.known THEN 3 ELSE 2 END WHEN ` + erasedNews + ` THEN 4 WHEN i.alien THEN 5 ELSE 1 END
FROM i LEFT JOIN put ON put.session_id = i.session_id AND put.seq = i.seq ORDER BY i.n`

// windowRow is a window as it is stored.
type windowRow struct {
	store.Window
	epochs []byte
}

// windowRound keeps apart windows of one place, and of one session and several
// users.
func windowRound() func(*windowRow) bool {
	type place struct {
		session string
		seq     int
	}
	places, users := map[place]bool{}, map[string]string{}
	return func(r *windowRow) bool {
		at := place{r.SessionID, r.Seq}
		user, ok := users[r.SessionID]
		again := places[at] || ok && user != r.UserID
		places[at], users[r.SessionID] = true, r.UserID
		return again
	}
}

func windowArgs(rows []windowRow) []any {
	type row = windowRow
	return []any{
		column(rows, func(r *row) string { return r.SessionID }),
		column(rows, func(r *row) int64 { return int64(r.Seq) }),
		column(rows, func(r *row) string { return r.UserID }),
		column(rows, func(r *row) int64 { return r.Observed.UnixMilli() }),
		column(rows, func(r *row) []byte { return r.epochs }),
		column(rows, func(r *row) []byte { return hash(store.UserTombstone(r.UserID)) }),
		column(rows, func(r *row) []byte { return hash(store.SessionTombstone(r.UserID, r.SessionID)) }),
	}
}

func (s *sessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	rows, err := s.encodeWindows(list)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	w := &writing{windows: rows}
	if err := w.alone(ctx, s.db()); err != nil {
		return nil, err
	}
	return w.outcomes, nil
}

// encodeWindows checks and seals windows.
func (s *sessions) encodeWindows(list []store.Window) ([]windowRow, error) {
	rows := make([]windowRow, len(list))
	for i, v := range list {
		var err error
		if rows[i].Window, err = v.Normalize(); err != nil {
			return nil, err
		}
		plain, err := v.Epochs.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		if rows[i].epochs, err = s.codec.Seal(relational.ColumnWindow, v.SessionID, plain); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (s *sessions) Partial(ctx context.Context, id string) (store.Partial, error) {
	missing := fmt.Errorf("%w: partial night of session %.100q", store.ErrNotFound, id)
	if store.CheckID("session id", id) != nil {
		return store.Partial{}, missing
	}
	list, err := collect(ctx, s.db(), func(r pgx.Rows) (store.Window, error) {
		w := store.Window{SessionID: id}
		var observed int64
		var stored []byte
		if err := r.Scan(&w.Seq, &w.UserID, &observed, &stored); err != nil {
			return w, err
		}
		w.Observed = relational.FromMilli(observed)
		plain, err := s.codec.Open(relational.ColumnWindow, id, stored)
		if err != nil {
			return w, err
		}
		return w, w.Epochs.UnmarshalBinary(plain)
	}, "SELECT seq, user_id, observed_ms, epochs FROM windows WHERE session_id = $1", id)
	switch {
	case err != nil:
		return store.Partial{}, err
	case len(list) == 0:
		return store.Partial{}, missing
	}
	return store.Assemble(list), nil
}

const partials = `
SELECT session_id, max(seq), count(*), max(observed_ms) FROM windows AS w
WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id = w.session_id)
GROUP BY session_id ORDER BY 4 DESC, 1 DESC LIMIT $2`

func (s *sessions) Partials(ctx context.Context, user string) ([]store.Partial, error) {
	if err := store.CheckID("user id", user); err != nil {
		return nil, err
	}
	return collect(ctx, s.db(), func(r pgx.Rows) (store.Partial, error) {
		p, observed := store.Partial{UserID: user}, int64(0)
		err := r.Scan(&p.SessionID, &p.Seq, &p.Windows, &observed)
		p.UpdatedAt = relational.FromMilli(observed)
		return p, err
	}, partials, user, store.MaxLimit)
}
