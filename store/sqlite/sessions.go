package sqlite

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

// The two statements of a put. Their parameters stand in one order, see
// [sessions.row], so that the second takes the arguments of the first. Neither has a
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
	bytes   int // of the payload
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

// row lists the arguments of a session. It is work that need not wait for the
// writer's turn.
func (s *sessions) row(v store.Session) (r row, err error) {
	if v, err = v.Normalize(); err != nil {
		return row{}, err
	}
	p, err := relational.SealSession(s.codec, v)
	if err != nil {
		return row{}, err
	}
	user, session := store.UserTombstone(v.UserID), store.SessionTombstone(v.UserID, v.ID)
	origin := v.Origin().UnixMilli()
	return row{id: v.ID, settled: v.Settled, bytes: len(p.Metrics) + len(p.Epochs) + len(p.Raw), args: []any{
		string(v.State), v.Settled, v.Start.UnixMilli(), v.End.UnixMilli(), v.Zone, int64(v.Offset / time.Second),
		relational.DateNumber(v.LocalDate()), int64(v.Form), v.Observed.UnixMilli(), nil, p.Metrics, p.Epochs, p.Raw,
		v.Rev(), user[:], origin, session[:], origin, v.UserID, v.ID, nil,
	}}, nil
}

// share is how many sessions of a call one goroutine encodes. Compressing a
// night takes about as long as writing it, so a long call uses all processors.
const share = 64

// encode checks and seals sessions before they wait for their turn.
func (s *sessions) encode(list []store.Session) (rows []row, bytes int, err error) {
	rows = make([]row, len(list))
	failed := make([]error, (len(list)+share-1)/share)
	each := func(n int) {
		for i := n * share; i < min(len(list), (n+1)*share) && failed[n] == nil; i++ {
			rows[i], failed[n] = s.row(list[i])
		}
	}
	if len(list) <= share {
		each(0)
	} else {
		spread(len(failed), each)
	}
	for _, err := range failed {
		if err != nil {
			return nil, 0, err
		}
	}
	for i := range rows {
		bytes += rows[i].bytes
	}
	return rows, bytes, nil
}

// spread calls do(0) to do(n-1) from as many goroutines as there are processors.
func spread(n int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
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
