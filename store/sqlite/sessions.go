package sqlite

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

const upsertSession = `
INSERT INTO sessions (session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, local_date, form,
  observed_ms, rev, version, created_ms, updated_ms, metrics, epochs, raw)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?13, ?14, ?15, ?16
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?17, ?18) AND until_ms >= ?19)
ON CONFLICT (session_id) DO UPDATE SET
  state = excluded.state, settled = excluded.settled, start_ms = excluded.start_ms, end_ms = excluded.end_ms,
  zone = excluded.zone, offset_s = excluded.offset_s, local_date = excluded.local_date, form = excluded.form,
  observed_ms = excluded.observed_ms, rev = excluded.rev, version = sessions.version + 1, updated_ms = excluded.updated_ms,
  metrics = excluded.metrics, epochs = excluded.epochs, raw = excluded.raw
WHERE excluded.rev > sessions.rev AND excluded.user_id = sessions.user_id
RETURNING version`

// Why a put wrote nothing: covered by a tombstone, or in the way of another user.
const refusedSession = `
SELECT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?1, ?2) AND until_ms >= ?3),
  EXISTS (SELECT 1 FROM sessions WHERE session_id = ?4 AND user_id <> ?5)`

func (s *sessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	encoded, bytes, err := s.encode(list)
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

// row is a session as it is stored.
type row struct {
	store.Session
	metrics, epochs, raw []byte
}

// encode checks and seals sessions before they wait for their turn.
func (s *sessions) encode(list []store.Session) (rows []row, bytes int, err error) {
	rows = make([]row, len(list))
	for i, v := range list {
		r := &rows[i]
		if r.Session, err = v.Normalize(); err != nil {
			return nil, 0, err
		}
		if r.metrics, r.epochs, r.raw, err = s.payload(r.Session); err != nil {
			return nil, 0, err
		}
		bytes += len(r.raw) + len(r.epochs) + len(r.metrics)
	}
	return rows, bytes, nil
}

// The names that bind a payload to its column.
const (
	columnMetrics = "sessions.metrics"
	columnEpochs  = "sessions.epochs"
	columnRaw     = "sessions.raw"
	columnWindow  = "windows.epochs"
	columnBody    = "inbox.body"
	columnReason  = "notes.reason"
)

func (s *sessions) payload(v store.Session) (metrics, epochs, raw []byte, err error) {
	plain, err := v.Metrics.AppendBinary(nil)
	if err != nil {
		return nil, nil, nil, err
	}
	if metrics, err = s.codec.Seal(columnMetrics, v.ID, plain); err != nil {
		return nil, nil, nil, err
	}
	if plain, err = v.Epochs.AppendBinary(plain[:0]); err != nil {
		return nil, nil, nil, err
	}
	if epochs, err = s.codec.Seal(columnEpochs, v.ID, plain); err != nil {
		return nil, nil, nil, err
	}
	raw, err = s.codec.Seal(columnRaw, v.ID, blob(v.Raw))
	return metrics, epochs, raw, err
}

func (r *row) put(t *tx) (store.Outcome, error) {
	user, session := store.UserTombstone(r.UserID), store.SessionTombstone(r.UserID, r.ID)
	origin := r.Origin().UnixMilli()
	var version int
	written, err := t.row(upsertSession, []any{
		r.ID, r.UserID, string(r.State), r.Settled, r.Start.UnixMilli(), r.End.UnixMilli(), r.Zone, int64(r.Offset / time.Second),
		dateNumber(r.LocalDate()), int64(r.Form), r.Observed.UnixMilli(), r.Rev(), t.now.UnixMilli(), r.metrics, r.epochs, r.raw,
		user[:], session[:], origin,
	}, &version)
	if err != nil {
		return 0, err
	}
	if !written {
		var erased, foreign bool
		if _, err := t.row(refusedSession, []any{user[:], session[:], origin, r.ID, r.UserID}, &erased, &foreign); err != nil {
			return 0, err
		}
		return refusal(erased, foreign), nil
	}
	if r.Settled {
		if _, err := t.exec("DELETE FROM windows WHERE session_id = ?", r.ID); err != nil {
			return 0, err
		}
	}
	if version > 1 {
		return store.Updated, nil
	}
	return store.Created, nil
}

func refusal(erased, foreign bool) store.Outcome {
	switch {
	case erased:
		return store.Erased
	case foreign:
		return store.Foreign
	}
	return store.Unchanged
}

// dateNumber writes a date as yyyymmdd, which compares as dates do.
func dateNumber(d asleep.Date) int64 { return int64(d.Year)*10_000 + int64(d.Month)*100 + int64(d.Day) }
