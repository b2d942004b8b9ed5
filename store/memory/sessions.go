package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

type sessions Store

func (s *sessions) store() *Store { return (*Store)(s) }

func (s *sessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	list, err := normalized(list, store.Session.Normalize)
	if err != nil {
		return nil, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Outcome
	for _, session := range list {
		out = append(out, s.put(session))
	}
	return out, nil
}

func normalized[T any](list []T, normalize func(T) (T, error)) ([]T, error) {
	out := make([]T, len(list))
	for i, v := range list {
		var err error
		if out[i], err = normalize(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *sessions) put(v store.Session) store.Outcome {
	if s.store().erased(v.UserID, v.ID, v.Origin()) {
		return store.Erased
	}
	now := store.Milli(time.Now())
	v.CreatedAt, v.UpdatedAt = now, now
	old, ok := s.sessions[v.ID]
	switch {
	case ok && old.UserID != v.UserID:
		return store.Foreign
	case ok && v.Rev() <= old.Rev():
		return store.Unchanged
	case ok:
		v.CreatedAt = old.CreatedAt
	}
	s.sessions[v.ID] = v.Clone()
	if v.Settled {
		delete(s.windows, v.ID)
	}
	if ok {
		return store.Updated
	}
	return store.Created
}

func (s *sessions) Get(ctx context.Context, id string) (store.Session, error) {
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return store.Session{}, err
	}
	defer unlock()
	v, ok := s.sessions[id]
	if !ok {
		return store.Session{}, fmt.Errorf("%w: session %.100q", store.ErrNotFound, id)
	}
	return v.Clone(), nil
}

func (s *sessions) List(ctx context.Context, q store.Query) ([]store.Session, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	list := s.newestFirst(q.Matches)
	list = slices.Clone(list[:min(len(list), q.Limit)])
	for i := range list {
		if q.Brief {
			list[i].Raw, list[i].Epochs = "", store.Epochs{}
		}
		list[i] = list[i].Clone()
	}
	return list, nil
}

func (s *sessions) newestFirst(matches func(store.Session) bool) (list []store.Session) {
	for _, v := range s.sessions {
		if matches(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b store.Session) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(b.ID, a.ID))
	})
	return list
}

func (s *sessions) Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	q, err := q.Normalize()
	if err != nil {
		return nil, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	tally := store.Tally{Period: q.Period}
	for _, v := range s.newestFirst(store.Query{UserID: q.UserID, From: q.From, To: q.To}.Matches) {
		tally.Add(v)
	}
	return tally.Buckets(), nil
}

func (s *sessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	list, err := normalized(list, store.Window.Normalize)
	if err != nil {
		return nil, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Outcome
	for _, w := range list {
		out = append(out, s.putWindow(w))
	}
	return out, nil
}

func (s *sessions) putWindow(w store.Window) store.Outcome {
	if s.store().erased(w.UserID, w.SessionID, w.Observed) {
		return store.Erased
	}
	if session, ok := s.sessions[w.SessionID]; ok {
		switch {
		case session.UserID != w.UserID:
			return store.Foreign
		case session.Settled:
			return store.Unchanged
		}
	}
	night := s.windows[w.SessionID]
	if len(night) > 0 && owner(night) != w.UserID {
		return store.Foreign
	}
	old, ok := night[w.Seq]
	if ok && !w.Observed.After(old.Observed) {
		return store.Unchanged
	}
	if night == nil {
		night = map[int]store.Window{}
		s.windows[w.SessionID] = night
	}
	w.Epochs = w.Epochs.Clone()
	night[w.Seq] = w
	if ok {
		return store.Updated
	}
	return store.Created
}

// owner is the user of a night's windows, which are one user's; "" if there are
// none.
func owner(night map[int]store.Window) string {
	for _, w := range night {
		return w.UserID
	}
	return ""
}

func (s *sessions) Partial(ctx context.Context, id string) (store.Partial, error) {
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return store.Partial{}, err
	}
	defer unlock()
	night := s.windows[id]
	if len(night) == 0 {
		return store.Partial{}, fmt.Errorf("%w: partial night of session %.100q", store.ErrNotFound, id)
	}
	var list []store.Window
	for _, w := range night {
		list = append(list, w)
	}
	return store.Assemble(list), nil
}

func (s *sessions) Partials(ctx context.Context, user string) (list []store.Partial, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return nil, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for id, night := range s.windows {
		if _, known := s.sessions[id]; known || owner(night) != user {
			continue
		}
		p := store.Assemble(slices.Collect(maps.Values(night)))
		p.Epochs = store.Epochs{}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b store.Partial) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), cmp.Compare(b.SessionID, a.SessionID))
	})
	return list[:min(len(list), store.MaxLimit)], nil
}

func (s *sessions) Delete(ctx context.Context, user, id string, until time.Time) (found bool, err error) {
	if err := errors.Join(store.CheckID("user id", user), store.CheckID("session id", id)); err != nil {
		return false, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	s.store().bury(store.SessionTombstone(user, id), until)
	if v, ok := s.sessions[id]; ok && v.UserID == user {
		delete(s.sessions, id)
		found = true
	}
	if owner(s.windows[id]) == user {
		delete(s.windows, id)
		found = true
	}
	// Events that name no user are the session's, unless it is another user's.
	_, other := s.sessions[id]
	other = other || len(s.windows[id]) > 0
	n := s.store().dropEntries(func(e *entry) bool {
		return e.SessionID == id && (e.UserID == user || e.UserID == "" && !other)
	})
	return found || n > 0, nil
}

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (e store.Erasure, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return e, err
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return e, err
	}
	defer unlock()
	s.store().bury(store.UserTombstone(user), until)
	gone := map[string]bool{}
	for id, v := range s.sessions {
		if v.UserID == user {
			delete(s.sessions, id)
			gone[id] = true
			e.Sessions++
		}
	}
	for id, night := range s.windows {
		if owner(night) == user || gone[id] {
			e.Windows += len(night)
			gone[id] = true
			delete(s.windows, id)
		}
	}
	e.Events = s.store().dropEntries(func(e *entry) bool { return e.UserID == user || e.UserID == "" && gone[e.SessionID] })
	return e, nil
}

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	unlock, err := s.store().lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	old := s.newestFirst(func(v store.Session) bool {
		return v.Start.Before(before) && (!v.Start.IsZero() || v.CreatedAt.Before(before))
	})
	slices.Reverse(old)
	old = old[:min(len(old), limit)]
	for _, v := range old {
		delete(s.sessions, v.ID)
	}
	left := limit
	for id, night := range s.windows {
		for seq, w := range night {
			if left > 0 && w.Observed.Before(before) {
				delete(night, seq)
				left--
			}
		}
		if len(night) == 0 {
			delete(s.windows, id)
		}
	}
	return len(old), nil
}
