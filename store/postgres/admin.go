package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

func (i *inbox) List(ctx context.Context, q store.InboxQuery) ([]store.Entry, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	var c conditions
	if q.After != "" {
		after, err := strconv.ParseInt(q.After, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: entry id %.40q", store.ErrInvalid, q.After)
		}
		c.and("o.id > ?", after)
	} else {
		c.and("o.id > 0")
	}
	if q.State != 0 {
		// The number stands in the text so that the partial indexes fit.
		c.and("o.state = " + strconv.Itoa(int(q.State)))
	}
	if q.UserID != "" {
		if err := store.CheckID("user id", q.UserID); err != nil {
			return nil, err
		}
		first, last := relational.UserRange(q.UserID, keySize)
		c.and("o.user_id = ? AND o.id IN (SELECT event_id FROM seen WHERE key_hash BETWEEN ? AND ?)", q.UserID, first, last)
	}
	text := "SELECT " + entryColumns + " FROM inbox o WHERE " + c.text() + " ORDER BY o.id LIMIT " + c.arg(q.Limit)
	return collect(ctx, i.db, i.scanOpen, text, c.args...)
}

func (i *inbox) scanOpen(r pgx.Rows) (store.Entry, error) {
	e, err := scanEntry(r)
	if err != nil {
		return e.Entry, err
	}
	return i.open(e)
}

func (i *inbox) Get(ctx context.Context, id string) (e store.Entry, err error) {
	missing := fmt.Errorf("%w: entry %.40q", store.ErrNotFound, id)
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return e, missing
	}
	list, err := collect(ctx, i.db, i.scanOpen, "SELECT "+entryColumns+" FROM inbox o WHERE o.id = $1", number)
	if err != nil {
		return e, err
	}
	if len(list) == 0 {
		return e, missing
	}
	e = list[0]
	e.History, err = collect(ctx, i.db, func(r pgx.Rows) (n store.Note, err error) {
		var at int64
		var sealed []byte
		if err := r.Scan(&at, &n.What, &sealed); err != nil {
			return n, err
		}
		reason, err := i.db.codec.Open(relational.ColumnReason, id, sealed)
		n.At, n.Reason = relational.FromMilli(at), string(reason)
		return n, err
	}, "SELECT at_ms, what, reason FROM notes WHERE event_id = $1 ORDER BY id", number)
	return e, err
}

// numbers are those of ids that are ones of ours.
func numbers(ids []string) []int64 {
	list := []int64{}
	for _, id := range ids {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			list = append(list, n)
		}
	}
	return list
}

const (
	replayEvents = `
WITH found AS MATERIALIZED (SELECT id FROM inbox WHERE id = ANY($1) AND state = 4 ORDER BY id FOR UPDATE),
  noted AS (INSERT INTO notes (event_id, at_ms, what) SELECT id, ` + nowMilli + `, 'replay' FROM found),
  replayed AS (UPDATE inbox o SET state = 1, attempts = 0, due_ms = ` + nowMilli + ` FROM found f WHERE o.id = f.id)
SELECT count(*) FROM found`

	purgeEvents = `
WITH found AS MATERIALIZED (SELECT id, key_hash, revision FROM inbox WHERE id = ANY($1) AND state = 4 ORDER BY id FOR UPDATE)` + forget

	sweepEvents = `
WITH found AS MATERIALIZED (
  SELECT id, key_hash, revision FROM inbox WHERE state = 3 AND received_ms < least($1, ` + nowMilli + ` - $2) ORDER BY received_ms, id LIMIT $3 FOR UPDATE SKIP LOCKED
)` + forget
)

// change runs one statement that counts.
func (i *inbox) change(ctx context.Context, text string, args ...any) (n int, err error) {
	err = i.db.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, text, args...).Scan(&n)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (i *inbox) Replay(ctx context.Context, ids ...string) (int, error) {
	n, err := i.change(ctx, replayEvents, numbers(ids))
	if n > 0 {
		i.signal()
	}
	return n, err
}

func (i *inbox) Purge(ctx context.Context, ids ...string) (int, error) {
	return i.change(ctx, purgeEvents, numbers(ids))
}

func (i *inbox) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	return i.change(ctx, sweepEvents, relational.CeilMilli(before), store.DedupeWindow.Milliseconds(), limit)
}

const countEvents = `
SELECT count(*) FILTER (WHERE due_ms <= ` + nowMilli + `), count(*) FILTER (WHERE due_ms > ` + nowMilli + ` AND state = 1),
  count(*) FILTER (WHERE due_ms > ` + nowMilli + ` AND state = 2), coalesce(min(received_ms), $1), (SELECT count(*) FROM inbox WHERE state = 4)
FROM inbox WHERE state < 3`

func (i *inbox) Depth(ctx context.Context) (d store.Depth, err error) {
	list, err := collect(ctx, i.db, func(r pgx.Rows) (d store.Depth, err error) {
		var oldest int64
		err = r.Scan(&d.Ready, &d.Delayed, &d.Leased, &oldest, &d.Dead)
		d.Oldest = relational.FromMilli(oldest)
		return d, err
	}, countEvents, relational.ZeroMilli)
	if err != nil {
		return d, err
	}
	return list[0], nil
}
