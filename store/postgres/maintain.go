package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// unbounded does work that takes as long as there is data, in one transaction
// that only the caller's context bounds.
func (d *DB) unbounded(ctx context.Context, work func(pgx.Tx) error) error {
	if d.closed.Load() {
		return store.ErrClosed
	}
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return d.failure(ctx, err)
	}
	defer c.Release()
	return d.failure(ctx, pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		return work(tx)
	}))
}

// checks read all there is, and count what does not fit together: a server that
// keeps checksums compares them on the way.
var checks = []struct{ what, text string }{
	{"sessions that cannot be", `SELECT count(*) FROM sessions WHERE version < 1 OR session_id = '' OR user_id = ''
		OR octet_length(coalesce(metrics, '') || coalesce(epochs, '') || coalesce(raw, '')) < 0`},
	{"windows beside a settled report", "SELECT count(*) FROM windows w JOIN sessions o USING (session_id) WHERE o.settled OR octet_length(w.epochs) < 0"},
	{"events whose key is not remembered", `SELECT count(*) FROM inbox o WHERE octet_length(coalesce(body, '')) < 0
		OR NOT EXISTS (SELECT 1 FROM seen s WHERE s.key_hash = o.key_hash AND s.revision = o.revision AND s.event_id = o.id)`},
	{"remembered keys without an event", "SELECT count(*) FROM seen s WHERE NOT EXISTS (SELECT 1 FROM inbox o WHERE o.id = s.event_id)"},
	{"notes without an event", "SELECT count(*) FROM notes n WHERE NOT EXISTS (SELECT 1 FROM inbox o WHERE o.id = n.event_id)"},
	{"invalid indexes", "SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid WHERE c.relnamespace = current_schema()::regnamespace AND NOT x.indisvalid"},
}

// Check reads every table, as [store.Checker] says, in one snapshot, and sees
// whether they fit each other. Indexes are verified where the extension amcheck is
// installed and may be used.
func (d *DB) Check(ctx context.Context) error {
	return d.unbounded(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_seqscan = on"); err != nil {
			return err
		}
		var problems []string
		for _, c := range checks {
			n := 0
			if err := tx.QueryRow(ctx, c.text).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				problems = append(problems, fmt.Sprintf("%d %s", n, c.what))
			}
		}
		if len(problems) > 0 {
			return fmt.Errorf("%w: %s", store.ErrCorrupt, strings.Join(problems, "; "))
		}
		return checkIndexes(ctx, tx)
	})
}

const checkableIndexes = `
SELECT x.indexrelid FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
WHERE t.relnamespace = current_schema()::regnamespace AND i.relkind = 'i' AND NOT pg_is_in_recovery()
  AND has_function_privilege('public.bt_index_check(regclass)', 'execute')`

func checkIndexes(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regprocedure('public.bt_index_check(regclass)') IS NOT NULL").Scan(&there); err != nil || !there {
		return err
	}
	rows, err := tx.Query(ctx, checkableIndexes)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return err
	}
	for _, index := range list {
		if _, err := tx.Exec(ctx, "SELECT public.bt_index_check($1::oid::regclass)", index); err != nil {
			return err
		}
	}
	return nil
}

// sealedColumn is a column that holds payloads.
type sealedColumn struct {
	table  string
	key    []string // of the row
	id     string   // what binds the payload to the row
	column string
	bound  string // what binds it to the column
}

var sealedColumns = []sealedColumn{
	{"sessions", []string{"session_id"}, "session_id", "metrics", relational.ColumnMetrics},
	{"sessions", []string{"session_id"}, "session_id", "epochs", relational.ColumnEpochs},
	{"sessions", []string{"session_id"}, "session_id", "raw", relational.ColumnRaw},
	{"windows", []string{"session_id", "seq"}, "session_id", "epochs", relational.ColumnWindow},
	{"inbox", []string{"id"}, "key", "body", relational.ColumnBody},
	{"notes", []string{"id"}, "event_id", "reason", relational.ColumnReason},
}

const resealPage = 64

// Reseal seals every payload with the current key, or opens all if the store was
// opened without a Sealer and none is sealed. It does what [store.Resealer] says.
func (d *DB) Reseal(ctx context.Context) (rows int, err error) {
	for _, c := range sealedColumns {
		for after := []any(nil); ; {
			var n int
			var last []any
			err := d.inTx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
				n, last, err = d.resealPage(ctx, tx, c, after)
				return err
			})
			if err != nil {
				return rows, err
			}
			rows += n
			if last == nil {
				break
			}
			after = last
		}
	}
	return rows, nil
}

// sealedRow is a payload and where it stands.
type sealedRow struct {
	key    []any
	id     string
	stored []byte
}

// resealPage does one page of a column behind a key, and returns the last key of
// the page, nil if there was none.
func (d *DB) resealPage(ctx context.Context, tx pgx.Tx, c sealedColumn, after []any) (n int, last []any, err error) {
	list, err := pageOf(ctx, tx, c, after)
	if err != nil || len(list) == 0 {
		return 0, nil, err
	}
	var b pgx.Batch
	for _, r := range list {
		if d.codec.Current(r.stored) {
			continue
		}
		plain, err := d.codec.Open(c.bound, r.id, r.stored)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", c.table, err)
		}
		sealed, err := d.codec.Seal(c.bound, r.id, plain)
		if err != nil {
			return 0, nil, err
		}
		var where conditions
		set := where.arg(sealed)
		for at, name := range c.key {
			where.and(name+" = ?", r.key[at])
		}
		b.Queue("UPDATE "+c.table+" SET "+c.column+" = "+set+" WHERE "+where.text(), where.args...)
		n++
	}
	return n, list[len(list)-1].key, tx.SendBatch(ctx, &b).Close()
}

// pageOf reads and locks one page, in the order of the key.
func pageOf(ctx context.Context, tx pgx.Tx, c sealedColumn, after []any) ([]sealedRow, error) {
	key := strings.Join(c.key, ", ")
	var where conditions
	where.and("true")
	if after != nil {
		where.and("("+key+") > ("+strings.TrimSuffix(strings.Repeat("?, ", len(after)), ", ")+")", after...)
	}
	id := "convert_to(" + c.id + "::text, 'UTF8')"
	if c.id == "key" {
		id = c.id
	}
	text := fmt.Sprintf("SELECT %s, %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d FOR UPDATE", id, c.column, key, c.table, where.text(), key, resealPage)
	rows, err := tx.Query(ctx, text, where.args...)
	if err != nil {
		return nil, err
	}
	return allRows(rows, func(r pgx.Rows) (s sealedRow, err error) {
		values, err := r.Values()
		if err != nil {
			return s, err
		}
		if id, ok := values[0].([]byte); ok {
			s.id = string(id)
		}
		s.stored, _ = values[1].([]byte)
		s.key = values[2:]
		return s, nil
	})
}
