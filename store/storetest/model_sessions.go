package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

func modelSessions(f *fixture) {
	d := newDice(f)
	oracle := memory.New()
	for n := range 400 {
		if n == 200 && f.h.Reopen != nil {
			f.reopen()
		}
		what, do := d.onSessions()
		bothSessions(f, oracle, what, do)
	}
	f.sameSessions(d, oracle)
}

// onSessions draws a step.
func (d *dice) onSessions() (what string, do func(context.Context, store.Sessions) (any, error)) {
	switch n := d.IntN(40); {
	case n < 18:
		list := some(d, d.session)
		return fmt.Sprintf("put %+v", list), func(ctx context.Context, x store.Sessions) (any, error) { return x.Put(ctx, list...) }
	case n < 23:
		list := some(d, d.window)
		return fmt.Sprintf("windows %+v", list), func(ctx context.Context, x store.Sessions) (any, error) { return x.PutWindow(ctx, list...) }
	case n < 28:
		return d.onErasure()
	case n < 36:
		q := d.query()
		return fmt.Sprintf("list %+v", q), func(ctx context.Context, x store.Sessions) (any, error) { return timeless(x.List(ctx, q)) }
	case n < 38:
		q := d.stats()
		return fmt.Sprintf("stats %+v", q), func(ctx context.Context, x store.Sessions) (any, error) { return x.Stats(ctx, q) }
	}
	id := d.id()
	return "get " + id, func(ctx context.Context, x store.Sessions) (any, error) { return maybe(x.Get(ctx, id)) }
}

// onErasure draws a step that removes something. How many are to expire is told
// only where no window is as old: which windows go first is not said.
func (d *dice) onErasure() (what string, do func(context.Context, store.Sessions) (any, error)) {
	user, id, until := d.user(), d.id(), d.until()
	switch d.IntN(5) {
	case 0, 1:
		return fmt.Sprint("delete ", user, id, until), func(ctx context.Context, x store.Sessions) (any, error) { return x.Delete(ctx, user, id, until) }
	case 2:
		return fmt.Sprint("erase ", user, until), func(ctx context.Context, x store.Sessions) (any, error) { return x.EraseUser(ctx, user, until) }
	case 3:
		n := 1 + d.IntN(3)
		return fmt.Sprint("expire ", n), func(ctx context.Context, x store.Sessions) (any, error) { return x.Expire(ctx, early, n) }
	}
	before := d.until()
	return fmt.Sprint("expire before ", before), func(ctx context.Context, x store.Sessions) (any, error) { return x.Expire(ctx, before, 1000) }
}

// bothSessions takes one step on the backend and on the oracle.
func bothSessions(f *fixture, oracle store.Store, what string, do func(context.Context, store.Sessions) (any, error)) {
	f.Helper()
	both(f, what, func() (any, error) { return do(f.Context(), oracle.Sessions()) }, func() (any, error) { return do(f.Context(), f.sessions()) })
}

// sameSessions compares all that can be read of sessions.
func (f *fixture) sameSessions(d *dice, oracle store.Store) {
	f.Helper()
	for _, user := range append([]string{""}, d.users...) {
		bothSessions(f, oracle, "all of "+user, func(ctx context.Context, x store.Sessions) (any, error) {
			return timeless(x.List(ctx, store.Query{UserID: user, Limit: store.MaxLimit}))
		})
	}
	for _, user := range d.users {
		for _, period := range []store.Period{store.PeriodAll, store.PeriodDaily, store.PeriodHourly} {
			q := store.StatsQuery{UserID: user, Period: period}
			bothSessions(f, oracle, fmt.Sprintf("stats %+v", q), func(ctx context.Context, x store.Sessions) (any, error) { return x.Stats(ctx, q) })
		}
		bothSessions(f, oracle, "partial nights of "+user, func(ctx context.Context, x store.Sessions) (any, error) { return x.Partials(ctx, user) })
	}
	for _, id := range d.nights {
		bothSessions(f, oracle, "get "+id, func(ctx context.Context, x store.Sessions) (any, error) { return maybe(x.Get(ctx, id)) })
		bothSessions(f, oracle, "partial "+id, func(ctx context.Context, x store.Sessions) (any, error) {
			p, err := x.Partial(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				err = nil
			}
			return p, err
		})
	}
}

// maybe is a session, or none, as [timeless] has it.
func maybe(s store.Session, err error) (any, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return timeless([]store.Session{s}, err)
}

// timeless forgets the two times that each store sets for itself.
func timeless(list []store.Session, err error) ([]store.Session, error) {
	for i := range list {
		list[i].CreatedAt, list[i].UpdatedAt = time.Time{}, time.Time{}
	}
	return list, err
}
