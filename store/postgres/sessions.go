package postgres

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

// nowMilli is the server's clock. All processes go by it, whatever their own says.
const nowMilli = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"

// Conditions of a row i. OFFSET 0 has them looked up row by row, in an index:
// without it the server may turn them into a join that reads a whole table.
const erasedNews = "EXISTS (SELECT 1 FROM tombstones t WHERE t.hash IN (i.user_hash, i.session_hash) AND t.until_ms >= i.origin_ms OFFSET 0)"

// putSessions stores one session or many, in the order of their ids so that
// batches do not wait for each other in a circle, and tells what became of each:
// a [store.Outcome], or 0 when another transaction has written it at the same time.
const putSessions = `
WITH i AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[], $15::bytea[], $16::bytea[], $17::bytea[], $18::bytea[]) WITH ORDINALITY
  AS i (session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, local_date, form,
    observed_ms, rev, origin_ms, user_hash, session_hash, metrics, epochs, raw, n)
), put AS (
  INSERT INTO sessions AS o (session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, local_date, form,
    observed_ms, rev, metrics, epochs, raw, version, created_ms, updated_ms)
  SELECT session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, local_date, form,
    observed_ms, rev, metrics, epochs, raw, 1, ` + nowMilli + `, ` + nowMilli + `
  FROM i WHERE NOT ` + erasedNews + ` ORDER BY session_id
  ON CONFLICT (session_id) DO UPDATE SET state = excluded.state, settled = excluded.settled, start_ms = excluded.start_ms, end_ms = excluded.end_ms,
    zone = excluded.zone, offset_s = excluded.offset_s, local_date = excluded.local_date, form = excluded.form, observed_ms = excluded.observed_ms,
    rev = excluded.rev, metrics = excluded.metrics, epochs = excluded.epochs, raw = excluded.raw, version = o.version + 1, updated_ms = excluded.updated_ms
  WHERE o.user_id = excluded.user_id AND o.rev < excluded.rev
  RETURNING o.session_id, o.version
)
SELECT CASE WHEN put.version = 1 THEN 2 WHEN put.version > 1 THEN 3 WHEN ` + erasedNews + ` THEN 4
  ELSE coalesce((SELECT CASE WHEN o.user_id = i.user_id THEN 1 ELSE 5 END FROM sessions o WHERE o.session_id = i.session_id), 0) END
FROM i LEFT JOIN put ON put.session_id = i.session_id ORDER BY i.n`

// endPartial removes the partial nights of sessions whose settled report is there.
const endPartial = "DELETE FROM windows w USING sessions o WHERE w.session_id = ANY($1) AND o.session_id = w.session_id AND o.settled"

// sessionRow is a session as it is stored.
type sessionRow struct {
	store.Session
	relational.Payload
}

func (s *sessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	rows, err := s.encode(list)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	w := &writing{sessions: rows}
	if err := w.alone(ctx, s.db()); err != nil {
		return nil, err
	}
	return w.outcomes, nil
}

// share is how many sessions of a call one goroutine encodes. Compressing a
// night takes about as long as writing it, so a long call uses all processors.
const share = 64

// encode checks and seals sessions.
func (s *sessions) encode(list []store.Session) ([]sessionRow, error) {
	rows := make([]sessionRow, len(list))
	failed := make([]error, (len(list)+share-1)/share)
	each := func(n int) {
		for i := n * share; i < min(len(list), (n+1)*share) && failed[n] == nil; i++ {
			r := &rows[i]
			if r.Session, failed[n] = list[i].Normalize(); failed[n] == nil {
				r.Payload, failed[n] = relational.SealSession(s.codec, r.Session)
			}
		}
	}
	spread(len(failed), each)
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// spread calls do(0) to do(n-1) from as many goroutines as there are processors.
func spread(n int, do func(int)) {
	if n == 1 {
		do(0)
		return
	}
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

// column makes an array of one column of the rows.
func column[R, T any](rows []R, of func(*R) T) []T {
	list := make([]T, len(rows))
	for i := range rows {
		list[i] = of(&rows[i])
	}
	return list
}

// hash is a tombstone as a parameter.
func hash(t store.Tombstone) []byte { return t[:] }

func sessionArgs(rows []sessionRow) []any {
	type row = sessionRow
	milli := func(t time.Time) int64 { return t.UnixMilli() }
	return []any{
		column(rows, func(r *row) string { return r.ID }),
		column(rows, func(r *row) string { return r.UserID }),
		column(rows, func(r *row) string { return string(r.State) }),
		column(rows, func(r *row) bool { return r.Settled }),
		column(rows, func(r *row) int64 { return milli(r.Start) }),
		column(rows, func(r *row) int64 { return milli(r.End) }),
		column(rows, func(r *row) string { return r.Zone }),
		column(rows, func(r *row) int64 { return int64(r.Offset / time.Second) }),
		column(rows, func(r *row) int64 { return relational.DateNumber(r.LocalDate()) }),
		column(rows, func(r *row) int64 { return int64(r.Form) }),
		column(rows, func(r *row) int64 { return milli(r.Observed) }),
		column(rows, func(r *row) int64 { return r.Rev() }),
		column(rows, func(r *row) int64 { return milli(r.Origin()) }),
		column(rows, func(r *row) []byte { return hash(store.UserTombstone(r.UserID)) }),
		column(rows, func(r *row) []byte { return hash(store.SessionTombstone(r.UserID, r.ID)) }),
		column(rows, func(r *row) []byte { return r.Payload.Metrics }),
		column(rows, func(r *row) []byte { return r.Payload.Epochs }),
		column(rows, func(r *row) []byte { return r.Payload.Raw }),
	}
}

// whose tells why nothing became of a put that another transaction was in the way
// of, now that it has ended.
func whose(ctx context.Context, c *pgx.Conn, r *sessionRow) (store.Outcome, error) {
	var foreign bool
	err := c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM sessions WHERE session_id = $1 AND user_id <> $2)", r.ID, r.UserID).Scan(&foreign)
	if foreign {
		return store.Foreign, err
	}
	return store.Unchanged, err
}
