package sqlite

import (
	"context"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

// The two statements of a put. Their parameters stand in one order, see
// [row.bind], so that the second takes the arguments of the first. Neither has a
// RETURNING clause or reads the table that it writes: either would make SQLite
// gather the rows in a temporary table first, at twice the cost of the insert.
//
// The user of what is erased becomes NULL, which the column refuses, so that OR
// IGNORE passes it over as it passes over a session that is there.
const (
	insertSession = `
INSERT OR IGNORE INTO sessions (state, settled, start_ms, end_ms, zone, offset_s, local_date, form, observed_ms, updated_ms,
  metrics, epochs, raw, rev, user_id, session_id, created_ms, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, iif(` + erased + `, NULL, ?), ?, ?, 1)`

	updateSession = `
UPDATE sessions SET state = ?, settled = ?, start_ms = ?, end_ms = ?, zone = ?, offset_s = ?, local_date = ?, form = ?, observed_ms = ?, updated_ms = ?,
  metrics = ?, epochs = ?, raw = ?, rev = ?, version = version + 1
WHERE NOT (` + erased + `) AND user_id = ? AND session_id = ? AND rev < ?`
)

// erased tells whether a tombstone of the user or of the session covers an
// instant: hash, instant, hash, instant.
const erased = `EXISTS (SELECT 1 FROM tombstones WHERE hash = ? AND until_ms >= ?) OR EXISTS (SELECT 1 FROM tombstones WHERE hash = ? AND until_ms >= ?)`

// Why a put wrote nothing: covered by a tombstone, or in the way of another user.
const refusedSession = "SELECT " + erased + ", EXISTS (SELECT 1 FROM sessions WHERE session_id = ? AND user_id <> ?)"

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

// row is a session as it is stored, ready to be bound.
type row struct {
	id      string
	settled bool
	args    []any
}

// Where those arguments of a row stand that are set late or used again.
const (
	argUpdated = 9             // the instant of the change
	argRev     = 13            //
	argErased  = 14            // what erased takes
	argUser    = argErased + 4 // then the id
	argLast    = argUser + 2   // the instant again, or what the revision must be above
)

// bind lists the arguments of a session. It is work that need not wait for the
// writer's turn.
func bind(s store.Session, metrics, epochs, raw []byte) row {
	user, session := store.UserTombstone(s.UserID), store.SessionTombstone(s.UserID, s.ID)
	origin := s.Origin().UnixMilli()
	return row{id: s.ID, settled: s.Settled, args: []any{
		string(s.State), s.Settled, s.Start.UnixMilli(), s.End.UnixMilli(), s.Zone, int64(s.Offset / time.Second),
		dateNumber(s.LocalDate()), int64(s.Form), s.Observed.UnixMilli(), nil, metrics, epochs, raw,
		s.Rev(), user[:], origin, session[:], origin, s.UserID, s.ID, nil,
	}}
}

// encode checks and seals sessions before they wait for their turn.
func (s *sessions) encode(list []store.Session) (rows []row, bytes int, err error) {
	rows = make([]row, len(list))
	for i, v := range list {
		if v, err = v.Normalize(); err != nil {
			return nil, 0, err
		}
		metrics, epochs, raw, err := s.payload(v)
		if err != nil {
			return nil, 0, err
		}
		rows[i] = bind(v, metrics, epochs, raw)
		bytes += len(raw) + len(epochs) + len(metrics)
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
	outcome := store.Created
	now := t.now.UnixMilli()
	r.args[argUpdated], r.args[argLast] = now, now
	n, err := t.exec(insertSession, r.args...)
	if err == nil && n == 0 {
		outcome = store.Updated
		r.args[argLast] = r.args[argRev]
		n, err = t.exec(updateSession, r.args...)
	}
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		var erased, foreign bool
		_, err := t.row(refusedSession, slices.Concat(r.args[argErased:argErased+4], []any{r.id, r.args[argUser]}), &erased, &foreign)
		return refusal(erased, foreign), err
	case r.settled:
		_, err = t.exec("DELETE FROM windows WHERE session_id = ?", r.id)
	}
	return outcome, err
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
