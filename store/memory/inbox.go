package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

type inbox Store

var _ store.Applier = (*inbox)(nil)

// entry keeps the body of a done event until Sweep only as far as duplicates
// need it: as what it is compared with.
type entry struct {
	store.Entry
	seq  int
	body string
}

func (i *inbox) store() *Store { return (*Store)(i) }

func (i *inbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	events, err := normalized(events, func(e store.Event) (store.Event, error) { return e.Normalize(time.Now()) })
	if err != nil {
		return nil, err
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Receipt
	for _, e := range events {
		out = append(out, i.put(e))
	}
	return out, nil
}

func (i *inbox) put(e store.Event) store.Receipt {
	if i.store().erased(e.UserID, e.SessionID, e.Received) {
		return store.Receipt{Result: store.Refused}
	}
	revision := 1
	for _, old := range i.entries {
		if old.Key != e.Key || old.UserID != e.UserID || old.SessionID != e.SessionID {
			continue
		}
		if old.body == e.Body {
			return store.Receipt{ID: old.ID, Result: store.Duplicate, Revision: old.Revision}
		}
		revision = max(revision, old.Revision+1)
	}
	i.lastID++
	i.entries = append(i.entries, &entry{seq: i.lastID, body: e.Body, Entry: store.Entry{
		ID: strconv.Itoa(i.lastID), Event: e, State: store.Ready, Revision: revision, Due: store.Milli(time.Now()),
	}})
	i.signal()
	if revision > 1 {
		return store.Receipt{ID: strconv.Itoa(i.lastID), Result: store.Revised, Revision: revision}
	}
	return store.Receipt{ID: strconv.Itoa(i.lastID), Result: store.Stored, Revision: 1}
}

func (i *inbox) signal() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

func (i *inbox) Wake() <-chan struct{} { return i.wake }

func (i *inbox) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	if limit < 1 || lease < time.Millisecond {
		return nil, fmt.Errorf("%w: claim of %d events for %v: want at least one for a millisecond", store.ErrInvalid, limit, lease)
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := time.Now()
	var due []*entry
	for _, e := range i.entries {
		if e.State <= store.Leased && !e.Due.After(now) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.seq, b.seq)) })
	var claims []store.Claim
	for _, e := range due[:min(len(due), limit)] {
		e.State, e.Due = store.Leased, store.Milli(now.Add(lease))
		e.Claims++
		claims = append(claims, store.Claim{
			Token: e.token(), Event: e.Event, ID: e.ID, Revision: e.Revision, Attempts: e.Attempts,
			Claims: e.Claims, Steps: slices.Clone(e.Steps), Until: e.Due,
		})
	}
	return claims, nil
}

func (e *entry) token() store.Token { return store.Token(fmt.Sprintf("%s-%d", e.ID, e.Claims)) }

func (i *inbox) leased(t store.Token) *entry {
	for _, e := range i.entries {
		if e.State == store.Leased && e.token() == t {
			return e
		}
	}
	return nil
}

func (i *inbox) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) (lost []store.Token, err error) {
	if lease < time.Millisecond {
		return nil, fmt.Errorf("%w: lease of %v", store.ErrInvalid, lease)
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, t := range tokens {
		if e := i.leased(t); e != nil {
			e.Due = store.Milli(time.Now().Add(lease))
		} else {
			lost = append(lost, t)
		}
	}
	return lost, nil
}

func (i *inbox) Settle(ctx context.Context, list ...store.Settlement) (lost []store.Token, err error) {
	if list, err = normalized(list, store.Settlement.Normalize); err != nil {
		return nil, err
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, s := range list {
		if e := i.leased(s.Token); e != nil {
			i.settle(e, s)
		} else {
			lost = append(lost, s.Token)
		}
	}
	return lost, nil
}

func (i *inbox) settle(e *entry, s store.Settlement) {
	now := store.Milli(time.Now())
	switch s.Action {
	case store.StepDone:
		e.mark(s.Step)
	case store.Finish:
		e.State, e.Body, e.Due = store.Done, "", time.Time{}
	case store.Bury:
		e.State, e.Due = store.Dead, time.Time{}
		e.Attempts++
		e.note(now, "bury", s.Reason)
	case store.Retry, store.Release:
		e.State, e.Due = store.Ready, store.Milli(s.At)
		if !e.Due.After(now) {
			e.Due = now
			i.signal()
		}
		if s.Action == store.Retry {
			e.Attempts++
			e.note(now, "retry", s.Reason)
		} else if s.Reason != "" {
			e.note(now, "release", s.Reason)
		}
	}
}

func (e *entry) mark(step string) {
	if !slices.Contains(e.Steps, step) {
		e.Steps = append(e.Steps, step)
	}
}

func (e *entry) note(at time.Time, what, reason string) {
	e.History = append(e.History, store.Note{At: at, What: what, Reason: reason})
}

func (i *inbox) Apply(ctx context.Context, t store.Token, step string, w store.Write) ([]store.Outcome, error) {
	if !store.IsStep(step) {
		return nil, fmt.Errorf("%w: step %.40q", store.ErrInvalid, step)
	}
	list, err := normalized(w.Sessions, store.Session.Normalize)
	if err != nil {
		return nil, err
	}
	windows, err := normalized(w.Windows, store.Window.Normalize)
	if err != nil {
		return nil, err
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	e := i.leased(t)
	switch {
	case e == nil:
		return nil, store.ErrLeaseLost
	case slices.Contains(e.Steps, step):
		return nil, nil
	}
	var out []store.Outcome
	for _, v := range list {
		out = append(out, (*sessions)(i).put(v))
	}
	for _, v := range windows {
		out = append(out, (*sessions)(i).putWindow(v))
	}
	e.mark(step)
	return out, nil
}
