package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

const setTombstone = `INSERT INTO tombstones (hash, until_ms) VALUES (?, ?)
ON CONFLICT (hash) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)`

// sum runs deletions with the same arguments and adds up their rows.
func (t *tx) sum(args []any, texts ...string) (total int, err error) {
	for _, text := range texts {
		n, err := t.exec(text, args...)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (s *sessions) Delete(ctx context.Context, id string, until time.Time) (found bool, err error) {
	if err := store.CheckID("session id", id); err != nil {
		return false, err
	}
	err = s.db().write(ctx, urgent, 1, 0, func(t *tx) error {
		hash := store.SessionTombstone(id)
		if _, err := t.exec(setTombstone, hash[:], until.UnixMilli()); err != nil {
			return err
		}
		n, err := t.sum([]any{id}, "DELETE FROM sessions WHERE session_id = ?", "DELETE FROM windows WHERE session_id = ?",
			"DELETE FROM inbox WHERE session_id <> '' AND session_id = ?")
		found = n > 0
		s.writer.scrub = true
		return err
	})
	return found && err == nil, err
}

const (
	// Events of the user's sessions that name no user themselves.
	eraseEvents = `DELETE FROM inbox WHERE user_id <> '' AND user_id = ?1
  OR session_id <> '' AND session_id IN (SELECT session_id FROM sessions WHERE user_id = ?1 UNION SELECT session_id FROM windows WHERE user_id = ?1)`
	eraseWindows  = `DELETE FROM windows WHERE user_id = ?1 OR session_id IN (SELECT session_id FROM sessions WHERE user_id = ?1)`
	eraseSessions = `DELETE FROM sessions WHERE user_id = ?1`
)

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (e store.Erasure, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return e, err
	}
	err = s.db().write(ctx, urgent, 1, 0, func(t *tx) (err error) {
		hash := store.UserTombstone(user)
		if _, err := t.exec(setTombstone, hash[:], until.UnixMilli()); err != nil {
			return err
		}
		if e.Events, err = t.exec(eraseEvents, user); err != nil {
			return err
		}
		if e.Windows, err = t.exec(eraseWindows, user); err != nil {
			return err
		}
		e.Sessions, err = t.exec(eraseSessions, user)
		s.writer.scrub = true
		return err
	})
	if err != nil {
		return store.Erasure{}, err
	}
	return e, nil
}

const expireSessions = `DELETE FROM sessions WHERE session_id IN (
  SELECT session_id FROM sessions WHERE start_ms < ?1 AND (start_ms > ?2 OR created_ms < ?1) ORDER BY start_ms, session_id LIMIT ?3)`

const expireWindows = `DELETE FROM windows WHERE (session_id, seq) IN (
  SELECT session_id, seq FROM windows WHERE observed_ms < ?1 ORDER BY observed_ms LIMIT ?2)`

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (n int, err error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	ms := ceilMilli(before)
	err = s.db().write(ctx, bulk, min(limit, maxRows), 0, func(t *tx) (err error) {
		if n, err = t.exec(expireSessions, ms, zeroMilli, limit); err != nil {
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
