package memory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

func (i *inbox) List(ctx context.Context, q store.InboxQuery) ([]store.Entry, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	after := 0
	if q.After != "" {
		if after, err = strconv.Atoi(q.After); err != nil {
			return nil, fmt.Errorf("%w: entry id %.40q", store.ErrInvalid, q.After)
		}
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []store.Entry
	for _, e := range i.entries {
		if e.seq > after && (q.State == 0 || e.State == q.State) && (q.UserID == "" || e.UserID == q.UserID) && len(list) < q.Limit {
			v := e.copied()
			v.History = nil
			list = append(list, v)
		}
	}
	return list, nil
}

func (e *entry) copied() store.Entry {
	v := e.Entry
	v.Steps, v.History = slices.Clone(v.Steps), slices.Clone(v.History)
	return v
}

func (i *inbox) Get(ctx context.Context, id string) (store.Entry, error) {
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	defer unlock()
	for _, e := range i.entries {
		if e.ID == id {
			return e.copied(), nil
		}
	}
	return store.Entry{}, fmt.Errorf("%w: entry %.40q", store.ErrNotFound, id)
}

func (i *inbox) Replay(ctx context.Context, ids ...string) (n int, err error) {
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	now := store.Milli(time.Now())
	for _, e := range i.entries {
		if e.State == store.Dead && slices.Contains(ids, e.ID) {
			e.State, e.Attempts, e.Due = store.Ready, 0, now
			e.note(now, "replay", "")
			n++
			i.signal()
		}
	}
	return n, nil
}

func (i *inbox) Purge(ctx context.Context, ids ...string) (int, error) {
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return i.store().dropEntries(func(e *entry) bool { return e.State == store.Dead && slices.Contains(ids, e.ID) }), nil
}

func (i *inbox) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if youngest := time.Now().Add(-store.DedupeWindow); before.After(youngest) {
		before = youngest
	}
	n := 0
	return i.store().dropEntries(func(e *entry) bool {
		if e.State != store.Done || !e.Received.Before(before) || n == limit {
			return false
		}
		n++
		return true
	}), nil
}

func (i *inbox) Depth(ctx context.Context) (d store.Depth, err error) {
	unlock, err := i.store().lock(ctx)
	if err != nil {
		return d, err
	}
	defer unlock()
	now := time.Now()
	for _, e := range i.entries {
		switch {
		case e.State == store.Dead:
			d.Dead++
		case e.State == store.Done:
		case !e.Due.After(now):
			d.Ready++
		case e.State == store.Leased:
			d.Leased++
		default:
			d.Delayed++
		}
		if e.State <= store.Leased && (d.Oldest.IsZero() || e.Received.Before(d.Oldest)) {
			d.Oldest = e.Received
		}
	}
	return d, nil
}

func (s *Store) dropEntries(drop func(*entry) bool) int {
	n := len(s.entries)
	s.entries = slices.DeleteFunc(s.entries, drop)
	return n - len(s.entries)
}
