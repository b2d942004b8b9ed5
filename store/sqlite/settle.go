package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/relational"
)

func (i *inbox) Settle(ctx context.Context, list ...store.Settlement) ([]store.Token, error) {
	list = slices.Clone(list)
	for n := range list {
		var err error
		if list[n], err = list[n].Normalize(); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, ctx.Err()
	}
	var lost []store.Token
	ready := false
	err := i.db.write(ctx, urgent, len(list), 0, func(t *tx) error {
		lost = lost[:0]
		for _, s := range list {
			held, err := i.settle(t, s)
			switch {
			case err != nil:
				return err
			case !held:
				lost = append(lost, s.Token)
			case s.Action == store.Retry || s.Action == store.Release:
				ready = ready || !s.At.After(t.now)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if ready {
		i.signal()
	}
	return lost, nil
}

const (
	finishEvent = "UPDATE inbox SET state = 3, body = NULL WHERE id = ? AND claims = ? AND state = 2"
	buryEvent   = "UPDATE inbox SET state = 4, attempts = attempts + 1 WHERE id = ? AND claims = ? AND state = 2"
	readyEvent  = "UPDATE inbox SET state = 1, due_ms = ?, attempts = attempts + ? WHERE id = ? AND claims = ? AND state = 2"
)

// settle carries out one settlement; held is false if the claim is over.
func (i *inbox) settle(t *tx, s store.Settlement) (held bool, err error) {
	id, claims := relational.RowOf(s.Token)
	n, what, burnt := 0, "", 0
	switch s.Action {
	case store.StepDone:
		held, _, err := i.mark(t, s.Token, s.Step)
		return held, err
	case store.Finish:
		n, err = t.exec(finishEvent, id, claims)
		return n == 1, err
	case store.Bury:
		what = "bury"
		n, err = t.exec(buryEvent, id, claims)
	case store.Retry, store.Release:
		if what = "release"; s.Action == store.Retry {
			what, burnt = "retry", 1
		}
		due := t.now.UnixMilli()
		if s.At.After(t.now) {
			due = s.At.UnixMilli()
		}
		n, err = t.exec(readyEvent, due, burnt, id, claims)
	}
	if err != nil || n == 0 || what == "release" && s.Reason == "" {
		return n == 1, err
	}
	return true, i.note(t, id, what, s.Reason)
}

func (i *inbox) note(t *tx, id int64, what, reason string) error {
	sealed, err := i.db.codec.Seal(relational.ColumnReason, strconv.FormatInt(id, 10), relational.Bytes(reason))
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO notes (event_id, at_ms, what, reason) VALUES (?, ?, ?, ?)", id, t.now.UnixMilli(), what, sealed)
	return err
}

// mark marks a step of a claimed event; fresh is false if it was marked already.
func (i *inbox) mark(t *tx, token store.Token, step string) (held, fresh bool, err error) {
	id, claims := relational.RowOf(token)
	var steps string
	held, err = t.row("SELECT steps FROM inbox WHERE id = ? AND claims = ? AND state = 2", []any{id, claims}, &steps)
	if err != nil || !held {
		return false, false, err
	}
	if slices.Contains(strings.Split(steps, ","), step) {
		return true, false, nil
	}
	if steps != "" {
		step = steps + "," + step
	}
	_, err = t.exec("UPDATE inbox SET steps = ? WHERE id = ?", step, id)
	return true, true, err
}

// Apply does what [store.Applier] says.
func (i *inbox) Apply(ctx context.Context, token store.Token, step string, w store.Write) ([]store.Outcome, error) {
	if !store.IsStep(step) {
		return nil, fmt.Errorf("%w: step %.40q: want 1 to 40 letters, digits, '_' or '-'", store.ErrInvalid, step)
	}
	s := (*sessions)(i.db)
	rows, bytes, err := s.encode(w.Sessions)
	if err != nil {
		return nil, err
	}
	windows, more, err := s.encodeWindows(w.Windows)
	if err != nil {
		return nil, err
	}
	var out []store.Outcome
	held := false
	err = i.db.write(ctx, urgent, 1+len(rows)+len(windows), bytes+more, func(t *tx) error {
		out = out[:0]
		var fresh bool
		var err error
		if held, fresh, err = i.mark(t, token, step); err != nil || !fresh {
			return err
		}
		for n := range rows {
			o, err := rows[n].put(t)
			if err != nil {
				return err
			}
			out = append(out, o)
		}
		for n := range windows {
			o, err := windows[n].put(t)
			if err != nil {
				return err
			}
			out = append(out, o)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !held:
		return nil, store.ErrLeaseLost
	}
	return out, nil
}
