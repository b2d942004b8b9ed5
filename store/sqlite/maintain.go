package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// Backup writes a compact copy to a new file, as [store.Backuper] says. The copy
// is one snapshot; reads and writes go on meanwhile.
func (d *DB) Backup(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the caller's to choose
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("backup: %w", err), os.Remove(path))
		}
	}()
	// A connection of its own: VACUUM INTO is a write to the eye of query_only.
	if d.closed.Load() {
		return store.ErrClosed
	}
	pool, err := openPool(d.path, Config{ReadOnly: true, BusyTimeout: d.cfg.BusyTimeout}, "synchronous(FULL)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if _, err := pool.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return d.readError(ctx, err)
	}
	return syncFile(path)
}

// syncFile makes a copy durable: VACUUM INTO does not.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the file that was just written
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Check verifies the structure of the file, as [store.Checker] says, and that
// every index fits its table.
func (d *DB) Check(ctx context.Context) error {
	st, err := d.query(ctx, "PRAGMA integrity_check(20)")
	if err != nil {
		return err
	}
	var problems []string
	err = each(ctx, st, nil, func(rows *sql.Rows) error {
		var p string
		err := rows.Scan(&p)
		problems = append(problems, p)
		return err
	})
	switch {
	case err != nil:
		return d.readError(ctx, err)
	case len(problems) != 1 || problems[0] != "ok":
		return fmt.Errorf("%w: %s", store.ErrCorrupt, strings.Join(problems, "; "))
	}
	return nil
}

// sealedColumns are the columns that hold payloads: the key of a row, the column
// that binds them, and the column itself.
var sealedColumns = []struct{ table, id, column, bound string }{
	{"sessions", "session_id", "metrics", relational.ColumnMetrics},
	{"sessions", "session_id", "epochs", relational.ColumnEpochs},
	{"sessions", "session_id", "raw", relational.ColumnRaw},
	{"windows", "session_id", "epochs", relational.ColumnWindow},
	{"inbox", "key", "body", relational.ColumnBody},
	{"notes", "event_id", "reason", relational.ColumnReason},
}

const resealPage = 64

// Reseal seals every payload with the current key, or opens all if the store was
// opened without a Sealer and none is sealed. It does what [store.Resealer] says.
func (d *DB) Reseal(ctx context.Context) (rows int, err error) {
	for _, c := range sealedColumns {
		for after := int64(0); ; {
			var n int
			last := after
			err := d.write(ctx, bulk, resealPage, 0, func(t *tx) error {
				last, n = after, 0
				return d.resealPage(t, c.table, c.id, c.column, c.bound, &last, &n)
			})
			if err != nil {
				return rows, err
			}
			rows += n
			if last == after {
				break
			}
			after = last
		}
	}
	return rows, nil
}

// resealPage does one page of a column, from the row behind after on.
func (d *DB) resealPage(t *tx, table, id, column, bound string, after *int64, n *int) error {
	type item struct {
		row  int64
		data []byte
	}
	var stale []item
	text := fmt.Sprintf("SELECT rowid, CAST(%s AS TEXT), %s FROM %s WHERE rowid > ? ORDER BY rowid LIMIT %d", id, column, table, resealPage)
	err := t.rows(text, []any{*after}, func(rows *sql.Rows) error {
		var it item
		var name string
		if err := rows.Scan(&it.row, &name, &it.data); err != nil {
			return err
		}
		*after = it.row
		if d.codec.Current(it.data) {
			return nil
		}
		plain, err := d.codec.Open(bound, name, it.data)
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		if it.data, err = d.codec.Seal(bound, name, plain); err != nil {
			return err
		}
		stale = append(stale, it)
		return nil
	})
	if err != nil {
		return err
	}
	for _, it := range stale {
		if _, err := t.exec(fmt.Sprintf("UPDATE %s SET %s = ? WHERE rowid = ?", table, column), it.data, it.row); err != nil {
			return err
		}
		*n++
	}
	return nil
}
