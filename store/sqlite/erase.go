package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

const setTombstone = `INSERT INTO tombstones (hash, until_ms) VALUES (?, ?)
ON CONFLICT (hash) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)`

const (
	// The range of dedupe finds the events, the ids make sure of them.
	deleteEvents = "DELETE FROM inbox WHERE dedupe BETWEEN ? AND ? AND user_id = ? AND session_id = ?"
	eraseEvents  = "DELETE FROM inbox WHERE dedupe BETWEEN ? AND ? AND user_id = ?"

	known = "SELECT EXISTS (SELECT 1 FROM sessions WHERE session_id = ?1) OR EXISTS (SELECT 1 FROM windows WHERE session_id = ?1)"
)

func (s *sessions) Delete(ctx context.Context, user, id string, until time.Time) (found bool, err error) {
	if err := errors.Join(store.CheckID("user id", user), store.CheckID("session id", id)); err != nil {
		return false, err
	}
	rows := 0
	err = s.db().write(ctx, urgent, 1, 0, func(t *tx) (err error) {
		rows, err = t.deleteSession(user, id, until)
		s.writer.scrub = true
		return err
	})
	if err != nil {
		return false, err
	}
	return rows > 0, nil
}

// deleteSession removes a session of a user and returns how many rows went.
func (t *tx) deleteSession(user, id string, until time.Time) (total int, err error) {
	hash := store.SessionTombstone(user, id)
	if _, err := t.exec(setTombstone, hash[:], until.UnixMilli()); err != nil {
		return 0, err
	}
	for _, text := range []string{"DELETE FROM sessions WHERE session_id = ? AND user_id = ?", "DELETE FROM windows WHERE session_id = ? AND user_id = ?"} {
		n, err := t.exec(text, id, user)
		if err != nil {
			return 0, err
		}
		total += n
	}
	first, last := relational.SessionRange(user, id, keySize)
	n, err := t.exec(deleteEvents, first, last, user, id)
	if err != nil {
		return 0, err
	}
	var others bool
	if _, err := t.row(known, []any{id}, &others); err != nil || others {
		return total + n, err
	}
	nameless, err := t.deleteNameless(id)
	return total + n + nameless, err
}

// deleteNameless removes the events of a session that name no user.
func (t *tx) deleteNameless(session string) (int, error) {
	first, last := relational.SessionRange("", session, keySize)
	return t.exec(deleteEvents, first, last, "", session)
}

const (
	sessionsOf    = `SELECT session_id FROM sessions WHERE user_id = ?1 UNION SELECT session_id FROM windows WHERE user_id = ?1`
	eraseWindows  = `DELETE FROM windows WHERE user_id = ?1 OR session_id IN (SELECT session_id FROM sessions WHERE user_id = ?1)`
	eraseSessions = `DELETE FROM sessions WHERE user_id = ?1`
)

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (store.Erasure, error) {
	if err := store.CheckID("user id", user); err != nil {
		return store.Erasure{}, err
	}
	var e store.Erasure
	err := s.db().write(ctx, urgent, 1, 0, func(t *tx) (err error) {
		e, err = t.eraseUser(user, until)
		s.writer.scrub = true
		return err
	})
	if err != nil {
		return store.Erasure{}, err
	}
	return e, nil
}

func (t *tx) eraseUser(user string, until time.Time) (e store.Erasure, err error) {
	hash := store.UserTombstone(user)
	if _, err := t.exec(setTombstone, hash[:], until.UnixMilli()); err != nil {
		return e, err
	}
	first, last := relational.UserRange(user, keySize)
	if e.Events, err = t.exec(eraseEvents, first, last, user); err != nil {
		return e, err
	}
	var ids []string
	err = t.rows(sessionsOf, []any{user}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return e, err
	}
	for _, id := range ids {
		n, err := t.deleteNameless(id)
		if err != nil {
			return e, err
		}
		e.Events += n
	}
	if e.Windows, err = t.exec(eraseWindows, user); err != nil {
		return e, err
	}
	e.Sessions, err = t.exec(eraseSessions, user)
	return e, err
}

const expireSessions = `DELETE FROM sessions WHERE session_id IN (
  SELECT session_id FROM sessions WHERE start_ms < ?1 AND (start_ms > ?2 OR created_ms < ?1) ORDER BY start_ms, session_id LIMIT ?3)`

const expireWindows = `DELETE FROM windows WHERE (session_id, seq) IN (
  SELECT session_id, seq FROM windows WHERE observed_ms < ?1 ORDER BY observed_ms LIMIT ?2)`

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	n, ms := 0, relational.CeilMilli(before)
	err := s.db().write(ctx, bulk, min(limit, maxRows), 0, func(t *tx) (err error) {
		if n, err = t.exec(expireSessions, ms, relational.ZeroMilli, limit); err != nil {
			return err
		}
		_, err = t.exec(expireWindows, ms, limit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
