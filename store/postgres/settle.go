package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

// lockEvents reads what a claim stands and falls with, and keeps it so until the
// transaction ends.
const lockEvents = "SELECT id, claims, state, steps FROM inbox WHERE id = ANY($1) ORDER BY id FOR UPDATE"

// held is an event in the hands of a settlement.
type held struct {
	id, claims int64
	state      store.EntryState
	steps      string
	due        int64 // 0: at once; keepDue: as it is
	burnt      int64 // attempts
	changed    bool
}

const keepDue = -1

func scanHeld(r pgx.Rows) (*held, error) {
	h := &held{due: keepDue}
	return h, r.Scan(&h.id, &h.claims, &h.state, &h.steps)
}

// mark marks a step; fresh is false if it was marked already.
func (h *held) mark(step string) (fresh bool) {
	if slices.Contains(strings.Split(h.steps, ","), step) {
		return false
	}
	if h.steps != "" {
		step = h.steps + "," + step
	}
	h.steps, h.changed = step, true
	return true
}

// note is a line of the history that is to be written.
type note struct {
	event        int64
	what, reason string
}

// carryOut carries out one settlement, which may leave a note.
func (h *held) carryOut(s store.Settlement) (n note, noted bool) {
	h.changed = true
	switch s.Action {
	case store.StepDone:
		h.mark(s.Step)
		return note{}, false
	case store.Finish:
		h.state = store.Done
		return note{}, false
	case store.Bury:
		h.state = store.Dead
		h.burnt++
		return note{h.id, "bury", s.Reason}, true
	case store.Retry:
		h.burnt++
	case store.Release:
	}
	h.state, h.due = store.Ready, 0
	if !s.At.IsZero() {
		h.due = max(0, s.At.UnixMilli())
	}
	if s.Action == store.Retry {
		return note{h.id, "retry", s.Reason}, true
	}
	return note{h.id, "release", s.Reason}, s.Reason != ""
}

func (i *inbox) Settle(ctx context.Context, list ...store.Settlement) ([]store.Token, error) {
	list = slices.Clone(list)
	ids := make([]int64, len(list))
	for n := range list {
		var err error
		if list[n], err = list[n].Normalize(); err != nil {
			return nil, err
		}
		ids[n], _ = relational.RowOf(list[n].Token)
	}
	if len(list) == 0 {
		return nil, ctx.Err()
	}
	var lost []store.Token
	ready := false
	err := i.db.inTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		lost, ready = nil, false
		rows, err := tx.Query(ctx, lockEvents, ids)
		if err != nil {
			return err
		}
		found, err := allRows(rows, scanHeld)
		if err != nil {
			return err
		}
		var notes []note
		for _, s := range list {
			h := claimed(found, s.Token)
			if h == nil {
				lost = append(lost, s.Token)
				continue
			}
			if n, noted := h.carryOut(s); noted {
				notes = append(notes, n)
			}
			ready = ready || h.state == store.Ready && !s.At.After(time.Now())
		}
		return i.write(ctx, tx, found, notes)
	})
	if err != nil {
		return nil, err
	}
	if ready {
		i.signal()
	}
	return lost, nil
}

// claimed finds the event of a token that is good.
func claimed(found []*held, t store.Token) *held {
	id, claims := relational.RowOf(t)
	at, ok := slices.BinarySearchFunc(found, id, func(h *held, id int64) int { return int(max(-1, min(1, h.id-id))) })
	if !ok || found[at].claims != claims || found[at].state != store.Leased {
		return nil
	}
	return found[at]
}

const (
	writeEvents = `
UPDATE inbox o SET state = i.state, attempts = o.attempts + i.burnt, steps = i.steps, body = CASE WHEN i.state = 3 THEN NULL ELSE o.body END,
  due_ms = CASE WHEN i.due_ms < 0 THEN o.due_ms ELSE greatest(i.due_ms, ` + nowMilli + `) END
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::text[], $5::bigint[]) AS i (id, state, burnt, steps, due_ms) WHERE o.id = i.id`

	writeNotes = `
INSERT INTO notes (event_id, at_ms, what, reason)
SELECT event_id, ` + nowMilli + `, what, reason FROM unnest($1::bigint[], $2::text[], $3::bytea[]) WITH ORDINALITY AS i (event_id, what, reason, n) ORDER BY n`
)

// write writes what was changed of the events, and their notes.
func (i *inbox) write(ctx context.Context, tx pgx.Tx, found []*held, notes []note) error {
	found = slices.DeleteFunc(found, func(h *held) bool { return !h.changed })
	if len(found) == 0 {
		return nil
	}
	var b pgx.Batch
	type row = *held
	b.Queue(writeEvents,
		column(found, func(h *row) int64 { return (*h).id }),
		column(found, func(h *row) int16 { return int16((*h).state) }),
		column(found, func(h *row) int64 { return (*h).burnt }),
		column(found, func(h *row) string { return (*h).steps }),
		column(found, func(h *row) int64 { return (*h).due }),
	)
	if len(notes) > 0 {
		sealed := make([][]byte, len(notes))
		for n, x := range notes {
			var err error
			if sealed[n], err = i.db.codec.Seal(relational.ColumnReason, strconv.FormatInt(x.event, 10), relational.Bytes(x.reason)); err != nil {
				return err
			}
		}
		b.Queue(writeNotes, column(notes, func(n *note) int64 { return n.event }), column(notes, func(n *note) string { return n.what }), sealed)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// Apply does what [store.Applier] says.
func (i *inbox) Apply(ctx context.Context, token store.Token, step string, w store.Write) ([]store.Outcome, error) {
	if !store.IsStep(step) {
		return nil, fmt.Errorf("%w: step %.40q: want 1 to 40 letters, digits, '_' or '-'", store.ErrInvalid, step)
	}
	s := (*sessions)(i.db)
	rows, err := s.encode(w.Sessions)
	if err != nil {
		return nil, err
	}
	windows, err := s.encodeWindows(w.Windows)
	if err != nil {
		return nil, err
	}
	x := &writing{sessions: rows, windows: windows}
	fresh := false
	err = i.db.inTx(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		fresh, err = i.apply(ctx, tx, token, step, x)
		return err
	})
	if err != nil || !fresh {
		return nil, err
	}
	return x.outcomes, nil
}

func (i *inbox) apply(ctx context.Context, tx pgx.Tx, token store.Token, step string, x *writing) (fresh bool, err error) {
	id, _ := relational.RowOf(token)
	var found []*held
	var b pgx.Batch
	x.locks().queue(&b)
	b.Queue(lockEvents, []int64{id}).Query(func(rows pgx.Rows) (err error) {
		found, err = allRows(rows, scanHeld)
		return err
	})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return false, err
	}
	h := claimed(found, token)
	switch {
	case h == nil:
		return false, store.ErrLeaseLost
	case !h.mark(step):
		return false, nil
	}
	b = pgx.Batch{}
	b.Queue("UPDATE inbox SET steps = $2 WHERE id = $1", h.id, h.steps)
	x.queue(&b)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return false, err
	}
	return true, x.settle(ctx, tx.Conn())
}
