package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/asleep-sdk/asleep/store"
)

// Whether work may be done twice without anybody noticing.
type repeat bool

const (
	reads  repeat = true
	writes repeat = false
)

// maxAttempts is how often work is tried that the server has surely not done.
const maxAttempts = 3

// run does the work on a connection of the pool, within the deadline of a call.
// What the server has surely not done (there was no connection, or it was rolled
// back for a deadlock) is tried again; a read is, too, when its connection breaks.
func (d *DB) run(ctx context.Context, again repeat, work func(context.Context, *pgx.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.closed.Load() {
		return store.ErrClosed
	}
	bound, cancel := context.WithTimeout(ctx, d.cfg.timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		begun, err := d.once(bound, work)
		if err == nil {
			return nil
		}
		if broken(err) && bound.Err() == nil {
			// The other connections lead to the same server, which has ended.
			d.pool.Reset()
		}
		if attempt < maxAttempts && bound.Err() == nil && repeatable(err, begun, again) {
			continue
		}
		return d.failure(ctx, err)
	}
}

// once does the work, if there is a connection for it: begun tells.
func (d *DB) once(ctx context.Context, work func(context.Context, *pgx.Conn) error) (begun bool, err error) {
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		if stat := d.pool.Stat(); ctx.Err() != nil && stat.AcquiredConns() == stat.MaxConns() {
			return false, fmt.Errorf("%w: all %d connections are in use: %w", store.ErrBusy, stat.MaxConns(), err)
		}
		return false, err
	}
	defer c.Release() // one that is not idle is closed
	return true, work(ctx, c.Conn())
}

// inTx does the work in one transaction.
func (d *DB) inTx(ctx context.Context, work func(context.Context, pgx.Tx) error) error {
	return d.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return work(ctx, tx) })
	})
}

// collect reads rows; a read that is tried again begins with none.
func collect[T any](ctx context.Context, d *DB, scan func(pgx.Rows) (T, error), text string, args ...any) (list []T, err error) {
	err = d.run(ctx, reads, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, text, args...)
		if err != nil {
			return err
		}
		list, err = allRows(rows, scan)
		return err
	})
	return list, err
}

// allRows reads what is left of the rows and closes them.
func allRows[T any](rows pgx.Rows, scan func(pgx.Rows) (T, error)) (list []T, err error) {
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// repeatable does not ask the driver about work that has begun: of a statement
// whose answer was lost it says "conn closed", which it calls safe to retry.
func repeatable(err error, begun bool, again repeat) bool {
	switch code(err) {
	case "40P01", "40001": // a deadlock, a serialization failure: rolled back
		return true
	}
	if begun {
		return bool(again) && broken(err)
	}
	return pgconn.SafeToRetry(err)
}

// broken reports whether the connection is gone, as opposed to refused.
func broken(err error) bool {
	if _, dialled := errors.AsType[*pgconn.ConnectError](err); dialled {
		return false
	}
	switch code(err) {
	case "57P01", "57P02": // the server is shut down, or a process of it has crashed
		return true
	case "57P05", "25P03": // the connection was idle for too long
		return true
	case "":
	default:
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err) || errors.Is(err, errEOF)
}
