package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// inbox is the queue, owned by this process.
type inbox struct {
	db   *DB
	wake chan struct{}
}

var _ store.Applier = (*inbox)(nil)

// The states of an entry as they are stored.
const (
	stateReady  = int(store.Ready)
	stateLeased = int(store.Leased)
	stateDone   = int(store.Done)
	stateDead   = int(store.Dead)
)

func (i *inbox) Wake() <-chan struct{} { return i.wake }

func (i *inbox) signal() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// releaseAll hands out again what the last owner held.
func (i *inbox) releaseAll(ctx context.Context) error {
	return i.db.write(ctx, urgent, 1, 0, func(t *tx) error {
		_, err := t.exec("UPDATE inbox SET state = ?, due_ms = ? WHERE state = ?", stateReady, t.now.UnixMilli(), stateLeased)
		return err
	})
}

// The first insert stores the first body under a key, and nothing else: a
// revision that is known or erased is NULL, which the column refuses, and OR
// IGNORE passes it over. That is nearly every event, so it costs one statement
// without a temporary table, see [insertSession].
const insertEvent = `
INSERT OR IGNORE INTO inbox (revision, dedupe, key, kind, user_id, session_id, received_ms, body, due_ms, state, attempts, claims, steps)
VALUES (iif(` + erased + ` OR EXISTS (SELECT 1 FROM inbox WHERE dedupe BETWEEN ? AND ?), NULL, 1), ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, '')`

const reviseEvent = `
INSERT INTO inbox (revision, dedupe, key, kind, user_id, session_id, received_ms, body, due_ms, state, attempts, claims, steps)
SELECT (SELECT 1 + max(revision) FROM inbox WHERE dedupe BETWEEN ?5 AND ?6), ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, 0, 0, ''
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?1, ?3) AND until_ms >= ?2)
ON CONFLICT (dedupe) DO NOTHING
RETURNING id, revision`

const knownEvent = "SELECT id, revision FROM inbox WHERE NOT (" + erased + ") AND dedupe = ?"

// keySize is the length of a key in the column dedupe: all of it.
const keySize = len(relational.Key{})

// eventRow is an event as it is stored, ready to be bound: what erased takes,
// then the range of dedupe of the same key, then dedupe and the columns.
type eventRow struct {
	args  []any
	bytes int
}

const (
	argDedupe = 6
	argDue    = 13
)

func (i *inbox) encode(e store.Event) (r eventRow, err error) {
	if e, err = e.Normalize(time.Now()); err != nil {
		return r, err
	}
	user, session := store.UserTombstone(e.UserID), store.SessionTombstone(e.UserID, e.SessionID)
	dedupe := relational.KeyOf(user, session, e)
	first, last := dedupe.KeyRange(relational.EventPart, keySize)
	body, err := i.db.codec.Seal(relational.ColumnBody, e.Key, relational.Bytes(e.Body))
	received := e.Received.UnixMilli()
	return eventRow{bytes: len(body), args: []any{
		user[:], received, session[:], received, first, last,
		dedupe[:], relational.Bytes(e.Key), string(e.Kind), e.UserID, e.SessionID, received, body, nil,
	}}, err
}

func (i *inbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	rows, bytes := make([]eventRow, len(events)), 0
	for n, e := range events {
		var err error
		if rows[n], err = i.encode(e); err != nil {
			return nil, err
		}
		bytes += rows[n].bytes
	}
	if len(rows) == 0 {
		return nil, nil
	}
	var out []store.Receipt
	err := i.db.write(ctx, bulk, len(rows), bytes, func(t *tx) error {
		out = out[:0]
		for n := range rows {
			r, err := rows[n].put(t)
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	i.signal()
	return out, nil
}

func (r *eventRow) put(t *tx) (store.Receipt, error) {
	r.args[argDue] = t.now.UnixMilli()
	id, n, err := t.insert(insertEvent, r.args...)
	out := store.Receipt{Result: store.Stored, Revision: 1}
	if err == nil && n == 0 {
		out.Result = store.Revised
		revised, failed := t.row(reviseEvent, r.args, &id, &out.Revision)
		if err = failed; err == nil && !revised {
			out.Result = store.Duplicate
			known, failed := t.row(knownEvent, slices.Concat(r.args[:4], r.args[argDedupe:argDedupe+1]), &id, &out.Revision)
			if err = failed; err == nil && !known {
				return store.Receipt{Result: store.Refused}, nil
			}
		}
	}
	out.ID = strconv.FormatInt(id, 10)
	return out, err
}

const entryColumns = "id, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body"

// stored is an entry whose body is still as it is stored.
type stored struct {
	store.Entry
	body []byte
}

func scanEntry(rows *sql.Rows) (e stored, err error) {
	var id, received, due int64
	var state int
	var key []byte
	var steps string
	err = rows.Scan(&id, &key, &e.Kind, &e.UserID, &e.SessionID, &received, &state, &due, &e.Revision, &e.Attempts, &e.Claims, &steps, &e.body)
	if err != nil {
		return e, err
	}
	e.ID, e.Key, e.Received, e.State = strconv.FormatInt(id, 10), string(key), relational.FromMilli(received), store.EntryState(state) //nolint:gosec // it was stored as one
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

const (
	dueEvents   = "SELECT " + entryColumns + " FROM inbox INDEXED BY inbox_due WHERE state < 3 AND due_ms <= ? ORDER BY due_ms, id LIMIT ?"
	leaseEvents = "UPDATE inbox SET state = 2, claims = claims + 1, due_ms = ? WHERE id IN (SELECT value FROM json_each(?))"
)

func (i *inbox) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	if limit < 1 || lease < time.Millisecond {
		return nil, fmt.Errorf("%w: claim of %d events for %v: want at least one for a millisecond", store.ErrInvalid, limit, lease)
	}
	limit = min(limit, store.MaxLimit)
	var due []stored
	var until time.Time
	err := i.db.write(ctx, urgent, 1, 0, func(t *tx) error {
		due, until = due[:0], store.Milli(t.now.Add(lease))
		var ids []string
		err := t.rows(dueEvents, []any{t.now.UnixMilli(), limit}, func(rows *sql.Rows) error {
			e, err := scanEntry(rows)
			due, ids = append(due, e), append(ids, e.ID)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		_, err = t.exec(leaseEvents, until.UnixMilli(), "["+strings.Join(ids, ",")+"]")
		return err
	})
	if err != nil {
		return nil, err
	}
	return i.claims(ctx, due, until)
}

// claims hands out what was leased. What cannot be opened stays leased, out of
// the way of the others; it is an error only if there are none.
func (i *inbox) claims(ctx context.Context, due []stored, until time.Time) ([]store.Claim, error) {
	claims := make([]store.Claim, 0, len(due))
	var unread error
	for _, s := range due {
		e, err := i.open(s)
		if err != nil {
			unread = err
			continue
		}
		e.Claims++
		claims = append(claims, relational.ClaimOf(e, until))
	}
	if unread != nil {
		i.db.log.LogAttrs(ctx, slog.LevelError, "events cannot be read and wait for their lease to end", errorAttr(unread))
	}
	if len(claims) == 0 {
		return nil, unread
	}
	return claims, nil
}

func (i *inbox) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) ([]store.Token, error) {
	if lease < time.Millisecond {
		return nil, fmt.Errorf("%w: lease of %v", store.ErrInvalid, lease)
	}
	var lost []store.Token
	err := i.db.write(ctx, urgent, len(tokens), 0, func(t *tx) error {
		lost = lost[:0]
		for _, token := range tokens {
			id, claims := relational.RowOf(token)
			n, err := t.exec("UPDATE inbox SET due_ms = ? WHERE id = ? AND claims = ? AND state = 2", t.now.Add(lease).UnixMilli(), id, claims)
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, token)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}
