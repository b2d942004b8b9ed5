package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

const upsertWindow = `
INSERT INTO windows (session_id, seq, user_id, observed_ms, epochs)
SELECT ?1, ?2, ?3, ?4, ?5
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?6, ?7) AND until_ms >= ?4)
  AND NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1 AND (settled OR user_id <> ?3))
  AND NOT EXISTS (SELECT 1 FROM windows WHERE session_id = ?1 AND (user_id <> ?3 OR seq = ?2 AND observed_ms >= ?4))
ON CONFLICT (session_id, seq) DO UPDATE SET observed_ms = excluded.observed_ms, epochs = excluded.epochs`

const refusedWindow = `
SELECT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?1, ?2) AND until_ms >= ?3),
  EXISTS (SELECT 1 FROM sessions WHERE session_id = ?4 AND user_id <> ?5) OR EXISTS (SELECT 1 FROM windows WHERE session_id = ?4 AND user_id <> ?5)`

// windowRow is a window as it is stored.
type windowRow struct {
	store.Window
	epochs []byte
}

func (s *sessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	encoded, bytes, err := s.encodeWindows(list)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var out []store.Outcome
	err = s.db().write(ctx, bulk, len(list), bytes, func(t *tx) error {
		out = out[:0]
		for i := range encoded {
			o, err := encoded[i].put(t)
			if err != nil {
				return err
			}
			out = append(out, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *sessions) encodeWindows(list []store.Window) (rows []windowRow, bytes int, err error) {
	rows = make([]windowRow, len(list))
	for i, v := range list {
		r := &rows[i]
		if r.Window, err = v.Normalize(); err != nil {
			return nil, 0, err
		}
		plain, err := r.Epochs.AppendBinary(nil)
		if err != nil {
			return nil, 0, err
		}
		if r.epochs, err = s.codec.Seal(relational.ColumnWindow, r.SessionID, plain); err != nil {
			return nil, 0, err
		}
		bytes += len(r.epochs)
	}
	return rows, bytes, nil
}

func (r *windowRow) put(t *tx) (store.Outcome, error) {
	user, session := store.UserTombstone(r.UserID), store.SessionTombstone(r.UserID, r.SessionID)
	observed := r.Observed.UnixMilli()
	var there, erased, foreign bool
	if _, err := t.row("SELECT EXISTS (SELECT 1 FROM windows WHERE session_id = ? AND seq = ?)", []any{r.SessionID, r.Seq}, &there); err != nil {
		return 0, err
	}
	n, err := t.exec(upsertWindow, r.SessionID, r.Seq, r.UserID, observed, r.epochs, user[:], session[:])
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		_, err := t.row(refusedWindow, []any{user[:], session[:], observed, r.SessionID, r.UserID}, &erased, &foreign)
		return refusal(erased, foreign), err
	case there:
		return store.Updated, nil
	}
	return store.Created, nil
}

func (s *sessions) Partial(ctx context.Context, id string) (store.Partial, error) {
	st, err := s.db().query(ctx, "SELECT seq, user_id, observed_ms, epochs FROM windows WHERE session_id = ?")
	if err != nil {
		return store.Partial{}, err
	}
	var list []store.Window
	err = each(ctx, st, []any{id}, func(rows *sql.Rows) error {
		w := store.Window{SessionID: id}
		var observed int64
		var stored []byte
		if err := rows.Scan(&w.Seq, &w.UserID, &observed, &stored); err != nil {
			return err
		}
		plain, err := s.codec.Open(relational.ColumnWindow, id, stored)
		if err != nil {
			return err
		}
		w.Observed = relational.FromMilli(observed)
		list = append(list, w)
		return list[len(list)-1].Epochs.UnmarshalBinary(plain)
	})
	switch {
	case err != nil:
		return store.Partial{}, s.db().readError(ctx, err)
	case len(list) == 0:
		return store.Partial{}, fmt.Errorf("%w: partial night of session %.100q", store.ErrNotFound, id)
	}
	return store.Assemble(list), nil
}

const partials = `
SELECT session_id, max(seq), count(*), max(observed_ms) FROM windows AS w
WHERE user_id = ? AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id = w.session_id)
GROUP BY session_id ORDER BY 4 DESC, 1 DESC LIMIT ?`

func (s *sessions) Partials(ctx context.Context, user string) (list []store.Partial, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return nil, err
	}
	st, err := s.db().query(ctx, partials)
	if err != nil {
		return nil, err
	}
	err = each(ctx, st, []any{user, store.MaxLimit}, func(rows *sql.Rows) error {
		p, observed := store.Partial{UserID: user}, int64(0)
		if err := rows.Scan(&p.SessionID, &p.Seq, &p.Windows, &observed); err != nil {
			return err
		}
		p.UpdatedAt = relational.FromMilli(observed)
		list = append(list, p)
		return nil
	})
	if err != nil {
		return nil, s.db().readError(ctx, err)
	}
	return list, nil
}
