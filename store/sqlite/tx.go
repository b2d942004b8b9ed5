package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"
)

// tx is the transaction under way on the writer's connection, with the
// statements that were prepared on it. Its statements run without the caller's
// context, for a batch is many callers'.
type tx struct {
	db       *DB
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	now      time.Time // of the transaction
}

func newTx(d *DB, c *sql.Conn) *tx { return &tx{db: d, conn: c, prepared: map[string]*sql.Stmt{}} }

func (t *tx) begin(ctx context.Context) error {
	t.now = time.Now()
	_, err := t.execContext(ctx, "BEGIN IMMEDIATE")
	return err
}

func (t *tx) commit(ctx context.Context) error {
	_, err := t.execContext(ctx, "COMMIT")
	return err
}

// rollback undoes the transaction, unless SQLite has already.
func (t *tx) rollback(ctx context.Context) error {
	_, err := t.execContext(ctx, "ROLLBACK")
	if err != nil && primary(err) == 1 { // SQLITE_ERROR: no transaction is active
		return nil
	}
	return err
}

func (t *tx) stmt(text string) (*sql.Stmt, error) {
	st := t.prepared[text]
	if st == nil {
		var err error
		if st, err = t.conn.PrepareContext(context.Background(), text); err != nil {
			return nil, err
		}
		t.prepared[text] = st
	}
	return st, nil
}

func (t *tx) execContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := t.stmt(text) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(text string, args ...any) (int, error) {
	r, err := t.execContext(context.Background(), text, args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// insert runs an insert of one row and returns the number of the row, if it
// was inserted.
func (t *tx) insert(text string, args ...any) (id int64, n int, err error) {
	r, err := t.execContext(context.Background(), text, args...)
	if err != nil {
		return 0, 0, err
	}
	changed, err := r.RowsAffected()
	if err != nil || changed == 0 {
		return 0, 0, err
	}
	id, err = r.LastInsertId()
	return id, int(changed), err
}

// row reads at most one row; found is false if there is none.
func (t *tx) row(text string, args []any, into ...any) (found bool, err error) {
	st, err := t.stmt(text) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(context.Background(), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// rows reads all rows.
func (t *tx) rows(text string, args []any, scan func(*sql.Rows) error) error {
	st, err := t.stmt(text)
	if err != nil {
		return err
	}
	return each(context.Background(), st, args, scan)
}

func (t *tx) close() (err error) {
	for _, st := range t.prepared {
		err = errors.Join(err, st.Close())
	}
	return err
}

// each runs a query and hands over its rows.
func each(ctx context.Context, st *sql.Stmt, args []any, scan func(*sql.Rows) error) (err error) {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func errorAttr(err error) slog.Attr { return slog.Any("error", err) }
