package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

const setTombstone = `INSERT INTO tombstones AS o (hash, until_ms) VALUES ($1, $2)
ON CONFLICT (hash) DO UPDATE SET until_ms = greatest(o.until_ms, excluded.until_ms)`

// forget removes events found, with their history and the memory of their keys.
// Rows are locked in the order of their ids, as everywhere.
const forget = `, gone AS (DELETE FROM inbox o USING found f WHERE o.id = f.id),
  unseen AS (DELETE FROM seen o USING found f WHERE o.key_hash = f.key_hash AND o.revision = f.revision),
  unnoted AS (DELETE FROM notes o USING found f WHERE o.event_id = f.id)
SELECT count(*) FROM found`

// forgetEvents removes the events of users and sessions. The ranges of hashes find
// them, the ids make sure of them; a session that is NULL is any.
const forgetEvents = `
WITH among AS MATERIALIZED (
  SELECT s.event_id, r.user_id, r.session_id
  FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[]) AS r (first, last, user_id, session_id)
  CROSS JOIN LATERAL (SELECT event_id FROM seen WHERE key_hash BETWEEN r.first AND r.last OFFSET 0) AS s
), found AS MATERIALIZED (
  SELECT o.id, o.key_hash, o.revision FROM inbox o JOIN among a ON a.event_id = o.id
  WHERE o.user_id = a.user_id AND (a.session_id IS NULL OR o.session_id = a.session_id) ORDER BY o.id FOR UPDATE OF o
)` + forget

// keySize is the length of a hash in the column key_hash.
const keySize = relational.EventPart

// ranges are what forgetEvents takes.
type ranges struct {
	first, last [][]byte
	users       []string
	sessions    []*string
}

func (r *ranges) add(first, last []byte, user string, session *string) {
	r.first, r.last = append(r.first, first), append(r.last, last)
	r.users, r.sessions = append(r.users, user), append(r.sessions, session)
}

func (r *ranges) addUser(user string) {
	first, last := relational.UserRange(user, keySize)
	r.add(first, last, user, nil)
}

func (r *ranges) addSession(user, id string) {
	first, last := relational.SessionRange(user, id, keySize)
	r.add(first, last, user, &id)
}

func (r *ranges) forget(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, forgetEvents, r.first, r.last, r.users, r.sessions).Scan(&n)
	return n, err
}

// bury takes the user's lock for itself and sets the tombstone.
func bury(ctx context.Context, tx pgx.Tx, user string, t store.Tombstone, until time.Time) error {
	var b pgx.Batch
	l := locks{}
	l.user(user, true)
	l.queue(&b)
	b.Queue(setTombstone, t[:], until.UnixMilli())
	return tx.SendBatch(ctx, &b).Close()
}

func (s *sessions) Delete(ctx context.Context, user, id string, until time.Time) (bool, error) {
	if err := errors.Join(store.CheckID("user id", user), store.CheckID("session id", id)); err != nil {
		return false, err
	}
	rows := 0
	err := s.db().inTx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := bury(ctx, tx, user, store.SessionTombstone(user, id), until); err != nil {
			return err
		}
		rows, err = deleteSession(ctx, tx, user, id)
		return err
	})
	if err != nil {
		return false, err
	}
	return rows > 0, nil
}

// deleteSession removes a session of a user and returns how many rows went.
func deleteSession(ctx context.Context, tx pgx.Tx, user, id string) (total int, err error) {
	for _, text := range []string{"DELETE FROM sessions WHERE session_id = $1 AND user_id = $2", "DELETE FROM windows WHERE session_id = $1 AND user_id = $2"} {
		tag, err := tx.Exec(ctx, text, id, user)
		if err != nil {
			return 0, err
		}
		total += int(tag.RowsAffected())
	}
	var others bool
	const known = "SELECT EXISTS (SELECT 1 FROM sessions WHERE session_id = $1) OR EXISTS (SELECT 1 FROM windows WHERE session_id = $1)"
	if err := tx.QueryRow(ctx, known, id).Scan(&others); err != nil {
		return 0, err
	}
	var r ranges
	r.addSession(user, id)
	if !others { // events that name no user are the session's, unless it is another user's
		r.addSession("", id)
	}
	n, err := r.forget(ctx, tx)
	return total + n, err
}

const (
	sessionsOf    = "SELECT session_id FROM sessions WHERE user_id = $1 UNION SELECT session_id FROM windows WHERE user_id = $1"
	eraseWindows  = "DELETE FROM windows WHERE user_id = $1 OR session_id IN (SELECT session_id FROM sessions WHERE user_id = $1)"
	eraseSessions = "DELETE FROM sessions WHERE user_id = $1"
)

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (store.Erasure, error) {
	if err := store.CheckID("user id", user); err != nil {
		return store.Erasure{}, err
	}
	var e store.Erasure
	err := s.db().inTx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := bury(ctx, tx, user, store.UserTombstone(user), until); err != nil {
			return err
		}
		e, err = eraseUser(ctx, tx, user)
		return err
	})
	if err != nil {
		return store.Erasure{}, err
	}
	return e, nil
}

func eraseUser(ctx context.Context, tx pgx.Tx, user string) (e store.Erasure, err error) {
	rows, err := tx.Query(ctx, sessionsOf, user)
	if err != nil {
		return e, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return e, err
	}
	var r ranges
	r.addUser(user)
	for _, id := range ids {
		r.addSession("", id)
	}
	if e.Events, err = r.forget(ctx, tx); err != nil {
		return e, err
	}
	tag, err := tx.Exec(ctx, eraseWindows, user)
	if err != nil {
		return e, err
	}
	e.Windows = int(tag.RowsAffected())
	tag, err = tx.Exec(ctx, eraseSessions, user)
	e.Sessions = int(tag.RowsAffected())
	return e, err
}

// Rows that somebody is writing are passed over until the next time.
const expireSessions = `DELETE FROM sessions WHERE session_id IN (
  SELECT session_id FROM sessions WHERE start_ms < $1 AND (start_ms > $2 OR created_ms < $1) ORDER BY start_ms, session_id LIMIT $3 FOR UPDATE SKIP LOCKED)`

const expireWindows = `DELETE FROM windows WHERE (session_id, seq) IN (
  SELECT session_id, seq FROM windows WHERE observed_ms < $1 ORDER BY observed_ms LIMIT $2 FOR UPDATE SKIP LOCKED)`

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	n, ms := 0, relational.CeilMilli(before)
	err := s.db().inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, expireSessions, ms, relational.ZeroMilli, limit)
		if err != nil {
			return err
		}
		n = int(tag.RowsAffected())
		_, err = tx.Exec(ctx, expireWindows, ms, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
