package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep/store"
)

// page is how many documents are looked up at a time to be removed.
const page = 500

func (s *sessions) Delete(ctx context.Context, user, id string, until time.Time) (found bool, err error) {
	if err := errors.Join(store.CheckID("user id", user), store.CheckID("session id", id)); err != nil {
		return false, err
	}
	err = s.db().change(ctx, func(ctx context.Context) error {
		// The tombstone comes first: a put that does not see it yet is deleted.
		if err := s.bury(ctx, tombstone(store.SessionTombstone(user, id)), until); err != nil {
			return err
		}
		session, err := s.sleep.DeleteOne(ctx, bson.D{{Key: keySession, Value: id}, {Key: keyUser, Value: user}})
		if err != nil {
			return err
		}
		night, err := s.nights.DeleteOne(ctx, bson.D{{Key: keyID, Value: id}, {Key: keyUser, Value: user}})
		if err != nil {
			return err
		}
		found = session.DeletedCount+night.DeletedCount > 0
		return nil
	})
	if err != nil {
		return false, err
	}
	return found, nil
}

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (e store.Erasure, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return e, err
	}
	err = s.db().change(ctx, func(ctx context.Context) error {
		return s.bury(ctx, tombstone(store.UserTombstone(user)), until)
	})
	for more := true; more && err == nil; {
		err = s.db().change(ctx, func(ctx context.Context) (err error) {
			more, err = s.erasePage(ctx, user, &e)
			return err
		})
	}
	if err != nil {
		return store.Erasure{}, err
	}
	return e, nil
}

// erasePage removes some sessions of a user and their nights, or, when there are
// none, the user's other nights; more is false when nothing is left. Nights go
// before the session that leads to them.
func (s *sessions) erasePage(ctx context.Context, user string, e *store.Erasure) (more bool, err error) {
	mine := bson.D{{Key: keyUser, Value: user}}
	list, err := find[document](ctx, s.fresh(), mine, options.Find().SetLimit(page).SetProjection(bson.D{{Key: keySession, Value: 1}}))
	if err != nil {
		return false, err
	}
	if len(list) == 0 {
		n, err := s.eraseNights(ctx, mine)
		e.Windows += n
		return n > 0, err
	}
	keys, ids := make(bson.A, len(list)), make(bson.A, len(list))
	for i, d := range list {
		keys[i], ids[i] = d.Key, d.SessionID
	}
	for n := 1; n > 0 && err == nil; e.Windows += n {
		n, err = s.eraseNights(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: ids}}}})
	}
	if err != nil {
		return false, err
	}
	result, err := s.sleep.DeleteMany(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: keys}}}, mine[0]})
	if err != nil {
		return false, err
	}
	e.Sessions += int(result.DeletedCount)
	return true, nil
}

// eraseNights removes some of the nights that a filter selects and returns how
// many windows they had.
func (s *sessions) eraseNights(ctx context.Context, filter bson.D) (windows int, err error) {
	list, err := find[night](ctx, s.nights, filter, options.Find().SetLimit(nightsPage))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	ids := make(bson.A, len(list))
	for i, n := range list {
		ids[i] = n.SessionID
		windows += len(n.Windows)
	}
	_, err = s.nights.DeleteMany(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: ids}}}})
	return windows, err
}

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (total int, err error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: limit %d is below 1", store.ErrInvalid, limit)
	}
	before = ceilMilli(before)
	for more := true; more; {
		n := min(limit-total, page)
		err := s.db().change(ctx, func(ctx context.Context) error {
			gone, err := s.expirePage(ctx, before, n)
			total += gone
			more = gone == n && total < limit
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	err = s.db().change(ctx, func(ctx context.Context) error { return s.expireNights(ctx, before, limit) })
	if err != nil {
		return 0, err
	}
	return total, nil
}

func (s *sessions) expirePage(ctx context.Context, before time.Time, limit int) (gone int, err error) {
	old := bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: keyStart, Value: bson.D{{Key: "$lt", Value: date(before)}}}},
		bson.D{{Key: keyStart, Value: nil}, {Key: keyCreated, Value: bson.D{{Key: "$lt", Value: date(before)}}}},
	}}
	list, err := find[document](ctx, s.fresh(), bson.D{old}, options.Find().SetLimit(int64(limit)).
		SetSort(bson.D{{Key: keyStart, Value: 1}, {Key: keySession, Value: 1}}).SetProjection(bson.D{{Key: keyID, Value: 1}}))
	if err != nil || len(list) == 0 {
		return 0, err
	}
	keys := make(bson.A, len(list))
	for i, d := range list {
		keys[i] = d.Key
	}
	// News may have moved the start of one meanwhile.
	result, err := s.sleep.DeleteMany(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: keys}}}, old})
	if err != nil {
		return 0, err
	}
	return int(result.DeletedCount), nil
}

// ceilMilli rounds up: what is stored is whole milliseconds, and one before a
// fraction of the next is before it.
func ceilMilli(t time.Time) time.Time {
	ms := time.UnixMilli(t.UnixMilli())
	if ms.Before(t) {
		ms = ms.Add(time.Millisecond)
	}
	return ms
}
