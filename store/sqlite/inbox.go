package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
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

const insertEvent = `
INSERT INTO inbox (dedupe, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, 1 + coalesce((SELECT max(revision) FROM inbox WHERE dedupe BETWEEN ?8 AND ?9), 0), 0, 0, '', ?10
WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?11, ?12) AND until_ms >= ?6)
ON CONFLICT (dedupe) DO NOTHING
RETURNING id, revision`

const knownEvent = `
SELECT id, revision FROM inbox WHERE dedupe = ?1
AND NOT EXISTS (SELECT 1 FROM tombstones WHERE hash IN (?2, ?3) AND until_ms >= ?4)`

// eventRow is an event as it is stored.
type eventRow struct {
	store.Event
	dedupe        []byte
	first, last   []byte // the range of dedupe of the same key
	body          []byte
	user, session store.Tombstone
}

func (i *inbox) encode(e store.Event) (r eventRow, err error) {
	if r.Event, err = e.Normalize(time.Now()); err != nil {
		return r, err
	}
	r.dedupe = dedupeOf(e)
	r.first, r.last = dedupeRange(r.dedupe, keyPart)
	r.user, r.session = store.UserTombstone(e.UserID), store.SessionTombstone(e.UserID, e.SessionID)
	r.body, err = i.db.codec.Seal(columnBody, e.Key, blob(e.Body))
	return r, err
}

func (i *inbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	rows, bytes := make([]eventRow, len(events)), 0
	for n, e := range events {
		var err error
		if rows[n], err = i.encode(e); err != nil {
			return nil, err
		}
		bytes += len(rows[n].body)
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
	var id int64
	out := store.Receipt{Result: store.Stored}
	received := r.Received.UnixMilli()
	stored, err := t.row(insertEvent, []any{
		r.dedupe, blob(r.Key), string(r.Kind), r.UserID, r.SessionID, received, t.now.UnixMilli(),
		r.first, r.last, r.body, r.user[:], r.session[:],
	}, &id, &out.Revision)
	switch {
	case err != nil:
		return out, err
	case stored && out.Revision > 1:
		out.Result = store.Revised
	case !stored:
		known, err := t.row(knownEvent, []any{r.dedupe, r.user[:], r.session[:], received}, &id, &out.Revision)
		if err != nil {
			return out, err
		}
		if !known {
			return store.Receipt{Result: store.Refused}, nil
		}
		out.Result = store.Duplicate
	}
	out.ID = strconv.FormatInt(id, 10)
	return out, nil
}

const entryColumns = "id, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body"

func (i *inbox) scan(rows *sql.Rows) (e store.Entry, err error) {
	var id, received, due int64
	var state int
	var key, body []byte
	var steps string
	err = rows.Scan(&id, &key, &e.Kind, &e.UserID, &e.SessionID, &received, &state, &due, &e.Revision, &e.Attempts, &e.Claims, &steps, &body)
	if err != nil {
		return e, err
	}
	e.ID, e.Key, e.Received, e.State = strconv.FormatInt(id, 10), string(key), fromMilli(received), store.EntryState(state) //nolint:gosec // it was stored as one
	if e.State == store.Ready || e.State == store.Leased {
		e.Due = fromMilli(due)
	}
	if steps != "" {
		e.Steps = strings.Split(steps, ",")
	}
	body, err = i.db.codec.Open(columnBody, e.Key, body)
	e.Body = string(body)
	return e, err
}

const (
	dueEvents   = "SELECT id FROM inbox INDEXED BY inbox_due WHERE state < 3 AND due_ms <= ? ORDER BY due_ms, id LIMIT ?"
	leaseEvents = "UPDATE inbox SET state = 2, claims = claims + 1, due_ms = ? WHERE id IN (SELECT value FROM json_each(?)) RETURNING " + entryColumns
)

func (i *inbox) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	if limit < 1 || lease < time.Millisecond {
		return nil, fmt.Errorf("%w: claim of %d events for %v: want at least one for a millisecond", store.ErrInvalid, limit, lease)
	}
	limit = min(limit, store.MaxLimit)
	var entries []store.Entry
	var sealed error
	err := i.db.write(ctx, urgent, 1, 0, func(t *tx) error {
		entries, sealed = entries[:0], nil
		var ids []int64
		err := t.rows(dueEvents, []any{t.now.UnixMilli(), limit}, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		entries = make([]store.Entry, len(ids))
		return t.rows(leaseEvents, []any{t.now.Add(lease).UnixMilli(), string(list)}, func(rows *sql.Rows) error {
			e, err := i.scan(rows)
			if errors.Is(err, store.ErrSealed) || errors.Is(err, store.ErrCorrupt) {
				sealed = err // it stays leased and out of the way of the others
				return nil
			}
			if err != nil {
				return err
			}
			id, _ := strconv.ParseInt(e.ID, 10, 64)
			entries[slices.Index(ids, id)] = e // RETURNING keeps no order
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if sealed != nil {
		i.db.log.LogAttrs(ctx, slog.LevelError, "events cannot be read and wait for their lease to end", errorAttr(sealed))
	}
	claims := claimsOf(entries)
	if len(claims) == 0 {
		return nil, sealed
	}
	return claims, nil
}

func claimsOf(entries []store.Entry) []store.Claim {
	claims := make([]store.Claim, 0, len(entries))
	for _, e := range entries {
		if e.ID == "" {
			continue
		}
		claims = append(claims, store.Claim{
			Token: store.Token(e.ID + "-" + strconv.Itoa(e.Claims)), Event: e.Event, ID: e.ID, Revision: e.Revision,
			Attempts: e.Attempts, Claims: e.Claims, Steps: e.Steps, Until: e.Due,
		})
	}
	return claims
}

// claimOf takes a token apart. One that this program did not make fits no claim.
func claimOf(t store.Token) (id, claims int64) {
	a, b, _ := strings.Cut(string(t), "-")
	id, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return 0, 0
	}
	if claims, err = strconv.ParseInt(b, 10, 64); err != nil {
		return 0, 0
	}
	return id, claims
}

func (i *inbox) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) ([]store.Token, error) {
	if lease < time.Millisecond {
		return nil, fmt.Errorf("%w: lease of %v", store.ErrInvalid, lease)
	}
	var lost []store.Token
	err := i.db.write(ctx, urgent, len(tokens), 0, func(t *tx) error {
		lost = lost[:0]
		for _, token := range tokens {
			id, claims := claimOf(token)
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
