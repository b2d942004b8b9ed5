package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// inbox is the queue, shared with other processes.
type inbox struct {
	db     *DB
	gather *gather
	wake   chan struct{}
	tell   chan struct{} // something is to be told to other processes
}

var _ store.Applier = (*inbox)(nil)

func newInbox(d *DB) *inbox {
	i := &inbox{db: d, wake: make(chan struct{}, 1), tell: make(chan struct{}, 1)}
	i.gather = newGather(i.putTogether)
	d.beside.Go(i.listen)
	d.beside.Go(i.notify)
	return i
}

// putEvents stores events, and tells what became of each: a [store.Result], or 0
// when an event with the same key was put at the same time or earlier in the
// batch, and then what id and revision it has. The numbers are drawn in the order
// of the events, the keys written in their own, so that batches do not wait for
// each other in a circle.
const putEvents = `
WITH i AS MATERIALIZED (
  SELECT nextval('inbox_id') AS id, u.* FROM (
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bytea[]) WITH ORDINALITY
    AS u (key_hash, body_hash, user_hash, session_hash, key, kind, user_id, session_id, origin_ms, body, n) ORDER BY n) AS u
), fresh AS (
  INSERT INTO seen (key_hash, revision, body_hash, event_id)
  SELECT key_hash, 1 + coalesce((SELECT max(revision) FROM seen s WHERE s.key_hash = i.key_hash), 0), body_hash, id FROM i
  WHERE NOT ` + erasedNews + `
    AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.key_hash = i.key_hash AND s.body_hash = i.body_hash OFFSET 0)
  ORDER BY key_hash, n
  ON CONFLICT (key_hash, revision) DO NOTHING
  RETURNING event_id, revision
), queued AS (
  INSERT INTO inbox (id, key_hash, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body)
  SELECT i.id, key_hash, key, kind, user_id, session_id, origin_ms, 1, ` + nowMilli + `, fresh.revision, 0, 0, '', body
  FROM i JOIN fresh ON fresh.event_id = i.id
)
SELECT CASE WHEN fresh.revision = 1 THEN 1 WHEN fresh.revision > 1 THEN 2 WHEN ` + erasedNews + ` THEN 4 WHEN known.revision IS NOT NULL THEN 3 ELSE 0 END,
  coalesce(fresh.event_id, known.event_id, 0), coalesce(fresh.revision, known.revision, 0)
FROM i LEFT JOIN fresh ON fresh.event_id = i.id
LEFT JOIN LATERAL (SELECT s.event_id, s.revision FROM seen s WHERE s.key_hash = i.key_hash AND s.body_hash = i.body_hash OFFSET 0) AS known ON fresh.event_id IS NULL
ORDER BY i.n`

// eventRow is an event as it is stored.
type eventRow struct {
	store.Event
	key           relational.Key
	user, session store.Tombstone
	body          []byte
}

func (i *inbox) encode(e store.Event) (r eventRow, err error) {
	if r.Event, err = e.Normalize(time.Now()); err != nil {
		return r, err
	}
	r.user, r.session = store.UserTombstone(r.UserID), store.SessionTombstone(r.UserID, r.SessionID)
	r.key = relational.KeyOf(r.user, r.session, r.Event)
	r.body, err = i.db.codec.Seal(relational.ColumnBody, r.Key, relational.Bytes(r.Body))
	return r, err
}

func eventArgs(rows []eventRow) []any {
	type row = eventRow
	return []any{
		column(rows, func(r *row) []byte { return r.key[:keySize] }),
		column(rows, func(r *row) []byte { return r.key[keySize:] }),
		column(rows, func(r *row) []byte { return r.user[:] }),
		column(rows, func(r *row) []byte { return r.session[:] }),
		column(rows, func(r *row) []byte { return relational.Bytes(r.Key) }),
		column(rows, func(r *row) string { return string(r.Kind) }),
		column(rows, func(r *row) string { return r.UserID }),
		column(rows, func(r *row) string { return r.SessionID }),
		column(rows, func(r *row) int64 { return r.Received.UnixMilli() }),
		column(rows, func(r *row) []byte { return r.body }),
	}
}

// Put stores the events of one call in one commit. Calls with one event, as a
// receiver makes them, share commits with each other.
func (i *inbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	rows := make([]eventRow, len(events))
	for n, e := range events {
		var err error
		if rows[n], err = i.encode(e); err != nil {
			return nil, err
		}
	}
	switch len(rows) {
	case 0:
		return nil, nil
	case 1:
		r, err := i.gather.put(ctx, i.db, rows[0])
		if err != nil || r.Result != 0 {
			return []store.Receipt{r}, err
		}
	}
	return i.putAlone(ctx, rows)
}

func userLocks(rows []eventRow) locks {
	l := locks{}
	for n := range rows {
		if rows[n].UserID != "" {
			l.add(lockUser, rows[n].user, false)
		}
	}
	return l
}

// putTogether puts the events of several callers in one round trip. Those that
// are undecided have a receipt without a result.
func (i *inbox) putTogether(ctx context.Context, rows []eventRow) (out []store.Receipt, err error) {
	err = i.db.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		userLocks(rows).queue(&b)
		b.Queue(putEvents, eventArgs(rows)...).Query(func(found pgx.Rows) (err error) {
			out, err = allRows(found, scanReceipt)
			return err
		})
		return c.SendBatch(ctx, &b).Close()
	})
	i.signalStored(out)
	return out, err
}

// putAlone puts the events of one caller in one transaction, and goes on until
// all are decided.
func (i *inbox) putAlone(ctx context.Context, rows []eventRow) (out []store.Receipt, err error) {
	err = i.db.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = make([]store.Receipt, len(rows))
		var b pgx.Batch
		userLocks(rows).queue(&b)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		for first := 0; first < len(rows); {
			end := beforeRevision(rows, first)
			if err := putAll(ctx, tx, rows[first:end], out[first:end]); err != nil {
				return err
			}
			first = end
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	i.signalStored(out)
	return out, nil
}

// beforeRevision is where the rows end, from first on, that one statement can number:
// what revises one of them is known as such only after it, and what comes behind the
// revision is to be numbered behind it.
func beforeRevision(rows []eventRow, first int) (end int) {
	bodies := map[[keySize]byte]relational.Key{}
	for end = first; end < len(rows); end++ {
		r := &rows[end]
		event := [keySize]byte(r.key[:keySize])
		if body, again := bodies[event]; again && body != r.key {
			break
		}
		bodies[event] = r.key
	}
	return end
}

// putAll puts rows of which none revises another, until all are decided.
func putAll(ctx context.Context, tx pgx.Tx, rows []eventRow, out []store.Receipt) (err error) {
	open := make([]int, len(rows))
	for n := range open {
		open[n] = n
	}
	for vain := 0; len(open) > 0; vain++ {
		before := len(open)
		if open, err = putOpen(ctx, tx, rows, open, out); err != nil {
			return err
		}
		if len(open) < before {
			vain = 0
		}
		if vain > maxAttempts {
			return fmt.Errorf("%w: others put events with the same keys all the time", store.ErrBusy)
		}
	}
	return nil
}

// putOpen puts the rows that are still open, and returns those that stay so.
func putOpen(ctx context.Context, tx pgx.Tx, rows []eventRow, open []int, out []store.Receipt) (left []int, err error) {
	some := make([]eventRow, len(open))
	for n, at := range open {
		some[n] = rows[at]
	}
	found, err := tx.Query(ctx, putEvents, eventArgs(some)...)
	if err != nil {
		return nil, err
	}
	receipts, err := allRows(found, scanReceipt)
	if err != nil {
		return nil, err
	}
	for n, at := range open {
		if out[at] = receipts[n]; out[at].Result == 0 {
			left = append(left, at)
		}
	}
	return left, nil
}

func scanReceipt(r pgx.Rows) (out store.Receipt, err error) {
	var id int64
	if err := r.Scan(&out.Result, &id, &out.Revision); err != nil {
		return out, err
	}
	if out.Result == store.Refused {
		return store.Receipt{Result: store.Refused}, nil
	}
	out.ID = strconv.FormatInt(id, 10)
	return out, nil
}

func (i *inbox) signalStored(out []store.Receipt) {
	if slices.ContainsFunc(out, func(r store.Receipt) bool { return r.Result == store.Stored || r.Result == store.Revised }) {
		i.signal()
	}
}

const entryColumns = "o.id, o.key, o.kind, o.user_id, o.session_id, o.received_ms, o.state, o.due_ms, o.revision, o.attempts, o.claims, o.steps, o.body"

// stored is an entry whose body is still as it is stored.
type stored struct {
	store.Entry
	number int64
	due    int64 // when a claimed event was due
	body   []byte
}

// scanEntry reads a row of entryColumns, and more behind it.
func scanEntry(rows pgx.Rows, more ...any) (e stored, err error) {
	var received, due int64
	var key []byte
	var steps string
	into := []any{&e.number, &key, &e.Kind, &e.UserID, &e.SessionID, &received, &e.State, &due, &e.Revision, &e.Attempts, &e.Claims, &steps, &e.body}
	if err := rows.Scan(append(into, more...)...); err != nil {
		return e, err
	}
	e.ID, e.Key, e.Received = strconv.FormatInt(e.number, 10), string(key), relational.FromMilli(received)
	if e.State == store.Ready || e.State == store.Leased {
		e.Due = relational.FromMilli(due)
	}
	if steps != "" {
		e.Steps = strings.Split(steps, ",")
	}
	return e, nil
}

// open opens the body.
func (i *inbox) open(e stored) (store.Entry, error) {
	body, err := i.db.codec.Open(relational.ColumnBody, e.Key, e.body)
	e.Body = string(body)
	return e.Entry, err
}

// Events that another process is claiming right now are passed over.
const claimEvents = `
WITH due AS MATERIALIZED (
  SELECT id, due_ms FROM inbox WHERE state < 3 AND due_ms <= ` + nowMilli + ` ORDER BY due_ms, id LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE inbox o SET state = 2, claims = o.claims + 1, due_ms = ` + nowMilli + ` + $2 FROM due WHERE o.id = due.id
RETURNING ` + entryColumns + `, due.due_ms`

func (i *inbox) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	if limit < 1 || lease < time.Millisecond {
		return nil, fmt.Errorf("%w: claim of %d events for %v: want at least one for a millisecond", store.ErrInvalid, limit, lease)
	}
	var list []stored
	err := i.db.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, claimEvents, min(limit, store.MaxLimit), lease.Milliseconds())
		if err != nil {
			return err
		}
		list, err = allRows(rows, func(r pgx.Rows) (stored, error) {
			var due int64
			e, err := scanEntry(r, &due)
			e.due = due
			return e, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b stored) int {
		if a.due != b.due {
			return int(max(-1, min(1, a.due-b.due)))
		}
		return int(max(-1, min(1, a.number-b.number)))
	})
	return i.claims(ctx, list)
}

// claims hands out what was leased. What cannot be opened stays leased, out of
// the way of the others; it is an error only if there are none.
func (i *inbox) claims(ctx context.Context, list []stored) ([]store.Claim, error) {
	claims := make([]store.Claim, 0, len(list))
	var unread error
	for _, s := range list {
		e, err := i.open(s)
		if err != nil {
			unread = err
			continue
		}
		claims = append(claims, relational.ClaimOf(e, e.Due))
	}
	if unread != nil {
		i.db.log.LogAttrs(ctx, slog.LevelError, "events cannot be read and wait for their lease to end", slog.Any("error", unread))
	}
	if len(claims) == 0 {
		return nil, unread
	}
	return claims, nil
}

// Rows are locked in the order of their ids before they are written.
const extendLeases = `
WITH held AS MATERIALIZED (
  SELECT o.id FROM inbox o JOIN unnest($1::bigint[], $2::bigint[]) AS i (id, claims) ON o.id = i.id AND o.claims = i.claims
  WHERE o.state = 2 ORDER BY o.id FOR UPDATE OF o
)
UPDATE inbox o SET due_ms = ` + nowMilli + ` + $3 FROM held WHERE o.id = held.id RETURNING o.id, o.claims`

func (i *inbox) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) ([]store.Token, error) {
	if lease < time.Millisecond {
		return nil, fmt.Errorf("%w: lease of %v", store.ErrInvalid, lease)
	}
	if len(tokens) == 0 {
		return nil, ctx.Err()
	}
	type claim struct{ id, claims int64 }
	ids, claims := make([]int64, len(tokens)), make([]int64, len(tokens))
	for n, t := range tokens {
		ids[n], claims[n] = relational.RowOf(t)
	}
	held := map[claim]bool{}
	err := i.db.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, extendLeases, ids, claims, lease.Milliseconds())
		if err != nil {
			return err
		}
		_, err = allRows(rows, func(r pgx.Rows) (x claim, err error) {
			err = r.Scan(&x.id, &x.claims)
			held[x] = true
			return x, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	var lost []store.Token
	for n, t := range tokens {
		if !held[claim{ids[n], claims[n]}] {
			lost = append(lost, t)
		}
	}
	return lost, nil
}
