package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
)

// writing is what one transaction writes of sessions and windows. Its outcomes
// are those of the sessions, then of the windows.
type writing struct {
	sessions []sessionRow
	windows  []windowRow
	outcomes []store.Outcome
}

// locks are those that the writing needs.
func (w *writing) locks() locks {
	l := locks{}
	for i := range w.sessions {
		r := &w.sessions[i]
		l.user(r.UserID, false)
		if r.Settled {
			l.session(r.ID, false)
		}
	}
	for i := range w.windows {
		l.user(w.windows[i].UserID, false)
		l.session(w.windows[i].SessionID, true)
	}
	return l
}

// alone writes in a transaction of its own. The statements are sent together, and
// the server runs what is sent together as one transaction: one round trip.
func (w *writing) alone(ctx context.Context, d *DB) error {
	return d.run(ctx, writes, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		w.locks().queue(&b)
		w.queue(&b)
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return w.settle(ctx, c)
	})
}

// queue adds the statements. The caller has taken the locks.
func (w *writing) queue(b *pgx.Batch) {
	w.outcomes = make([]store.Outcome, len(w.sessions)+len(w.windows))
	queueRounds(b, putSessions, w.sessions, sessionArgs, func() func(*sessionRow) bool {
		ids := map[string]bool{}
		return func(r *sessionRow) bool {
			again := ids[r.ID]
			ids[r.ID] = true
			return again
		}
	}, w.outcomes)
	var settled []string
	for i := range w.sessions {
		if w.sessions[i].Settled {
			settled = append(settled, w.sessions[i].ID)
		}
	}
	if len(settled) > 0 {
		b.Queue(endPartial, settled)
	}
	queueRounds(b, putWindows, w.windows, windowArgs, windowRound, w.outcomes[len(w.sessions):])
}

// queueRounds adds a statement for as many rows as one can take: a statement does
// not see what it writes itself, so rows that concern each other go into different
// ones. A new round's conflict reports whether a row concerns one before it in the
// round.
func queueRounds[R any](b *pgx.Batch, text string, rows []R, args func([]R) []any, round func() (conflict func(*R) bool), into []store.Outcome) {
	for first := 0; first < len(rows); {
		conflict := round()
		end := first
		for end < len(rows) && !conflict(&rows[end]) {
			end++
		}
		out := into[first:end]
		b.Queue(text, args(rows[first:end])...).Query(func(found pgx.Rows) error {
			codes, err := allRows(found, func(r pgx.Rows) (code int16, err error) {
				err = r.Scan(&code)
				return code, err
			})
			for i := range codes {
				out[i] = store.Outcome(codes[i]) //nolint:gosec // one of the statement's
			}
			return err
		})
		first = end
	}
}

// settle finds out about what was undecided.
func (w *writing) settle(ctx context.Context, c *pgx.Conn) (err error) {
	for i := range w.sessions {
		if w.outcomes[i] != 0 {
			continue
		}
		if w.outcomes[i], err = whose(ctx, c, &w.sessions[i]); err != nil {
			return err
		}
	}
	return nil
}
