package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

func (i *inbox) List(ctx context.Context, q store.InboxQuery) (list []store.Entry, err error) {
	if q, err = q.Normalize(); err != nil {
		return nil, err
	}
	after := int64(0)
	if q.After != "" {
		if after, err = strconv.ParseInt(q.After, 10, 64); err != nil {
			return nil, fmt.Errorf("%w: entry id %.40q", store.ErrInvalid, q.After)
		}
	}
	where, args := []string{"id > ?"}, []any{after}
	if q.State != 0 {
		// The number stands in the text so that the partial indexes fit.
		where = append(where, "state = "+strconv.Itoa(int(q.State)))
	}
	if q.UserID != "" {
		first, last := relational.UserRange(q.UserID, keySize)
		where, args = append(where, "dedupe BETWEEN ? AND ? AND user_id = ?"), append(args, first, last, q.UserID)
	}
	return i.read(ctx, "SELECT "+entryColumns+" FROM inbox WHERE "+strings.Join(where, " AND ")+" ORDER BY id LIMIT ?", append(args, q.Limit)...)
}

func (i *inbox) read(ctx context.Context, text string, args ...any) (list []store.Entry, err error) {
	st, err := i.db.query(ctx, text)
	if err != nil {
		return nil, err
	}
	err = each(ctx, st, args, func(rows *sql.Rows) error {
		row, err := scanEntry(rows)
		if err != nil {
			return err
		}
		e, err := i.open(row)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, i.db.readError(ctx, err)
	}
	return list, nil
}

func (i *inbox) Get(ctx context.Context, id string) (e store.Entry, err error) {
	missing := fmt.Errorf("%w: entry %.40q", store.ErrNotFound, id)
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return e, missing
	}
	list, err := i.read(ctx, "SELECT "+entryColumns+" FROM inbox WHERE id = ?", number)
	if err != nil {
		return e, err
	}
	if len(list) == 0 {
		return e, missing
	}
	e = list[0]
	st, err := i.db.query(ctx, "SELECT at_ms, what, reason FROM notes WHERE event_id = ? ORDER BY id")
	if err != nil {
		return e, err
	}
	err = each(ctx, st, []any{number}, func(rows *sql.Rows) error {
		var n store.Note
		var at int64
		var reason []byte
		if err := rows.Scan(&at, &n.What, &reason); err != nil {
			return err
		}
		reason, err := i.db.codec.Open(relational.ColumnReason, id, reason)
		n.At, n.Reason = relational.FromMilli(at), string(reason)
		e.History = append(e.History, n)
		return err
	})
	return e, i.db.readError(ctx, err)
}

// numbers are those of ids that are ones of ours, as a JSON array.
func numbers(ids []string) (string, error) {
	list := []int64{}
	for _, id := range ids {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			list = append(list, n)
		}
	}
	b, err := json.Marshal(list)
	return string(b), err
}

const deadAmong = "SELECT id FROM inbox WHERE state = 4 AND id IN (SELECT value FROM json_each(?))"

func (i *inbox) Replay(ctx context.Context, ids ...string) (int, error) {
	list, err := numbers(ids)
	if err != nil {
		return 0, err
	}
	n := 0
	err = i.db.write(ctx, urgent, 1, 0, func(t *tx) (err error) {
		now := t.now.UnixMilli()
		if _, err := t.exec("INSERT INTO notes (event_id, at_ms, what) SELECT id, ?, 'replay' FROM ("+deadAmong+")", now, list); err != nil {
			return err
		}
		n, err = t.exec("UPDATE inbox SET state = 1, attempts = 0, due_ms = ? WHERE id IN ("+deadAmong+")", now, list)
		return err
	})
	if err != nil {
		return 0, err
	}
	i.signal()
	return n, nil
}

func (i *inbox) Purge(ctx context.Context, ids ...string) (int, error) {
	list, err := numbers(ids)
	if err != nil {
		return 0, err
	}
	n := 0
	err = i.db.write(ctx, urgent, 1, 0, func(t *tx) (err error) {
		n, err = t.exec("DELETE FROM inbox WHERE id IN ("+deadAmong+")", list)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

const sweepEvents = "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE state = 3 AND received_ms < ? ORDER BY received_ms LIMIT ?)"

func (i *inbox) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	n := 0
	err := i.db.write(ctx, bulk, min(limit, maxRows), 0, func(t *tx) (err error) {
		youngest := min(relational.CeilMilli(before), t.now.Add(-store.DedupeWindow).UnixMilli())
		n, err = t.exec(sweepEvents, youngest, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

const countEvents = `
SELECT coalesce(sum(due_ms <= ?1), 0), coalesce(sum(due_ms > ?1 AND state = 1), 0), coalesce(sum(due_ms > ?1 AND state = 2), 0),
  coalesce(min(received_ms), ?2), (SELECT count(*) FROM inbox WHERE state = 4)
FROM inbox INDEXED BY inbox_due WHERE state < 3`

func (i *inbox) Depth(ctx context.Context) (d store.Depth, err error) {
	st, err := i.db.query(ctx, countEvents) //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return d, err
	}
	var oldest int64
	err = st.QueryRowContext(ctx, time.Now().UnixMilli(), relational.ZeroMilli).Scan(&d.Ready, &d.Delayed, &d.Leased, &oldest, &d.Dead)
	d.Oldest = relational.FromMilli(oldest)
	return d, i.db.readError(ctx, err)
}
