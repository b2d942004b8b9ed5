package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep/store"
)

// The members of a night. Its _id is the session's, so that a night has one
// owner without any transaction.
const (
	keyWindows = "windows" // by number
	keyFirst   = "first"   // no window was observed earlier
	keyChanges = "changes" // counts writes, for those that read first
)

// night is the windows of a session that is still recorded.
type night struct {
	SessionID string             `bson:"_id"`
	UserID    string             `bson:"user_id"`
	First     bson.DateTime      `bson:"first"`
	Changes   int64              `bson:"changes"`
	Windows   map[string]aWindow `bson:"windows"`
}

type aWindow struct {
	Observed bson.DateTime `bson:"o"`
	Epochs   []byte        `bson:"e"`
}

func (s *sessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	all := make([]store.Window, len(list))
	stored := make([]aWindow, len(list))
	for i, w := range list {
		var err error
		if all[i], err = w.Normalize(); err != nil {
			return nil, err
		}
		plain, err := w.Epochs.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		stored[i].Observed = date(all[i].Observed)
		if stored[i].Epochs, err = s.codec.Seal(columnWindow, w.SessionID, plain); err != nil {
			return nil, err
		}
	}
	var out []store.Outcome
	for i := range all {
		err := s.db().change(ctx, func(ctx context.Context) error {
			o, err := s.putWindow(ctx, all[i], stored[i])
			out = append(out, o)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// putWindow looks twice, as putGroup does: an erasure, or the settled report, may
// come between.
func (s *sessions) putWindow(ctx context.Context, w store.Window, stored aWindow) (store.Outcome, error) {
	refused, err := s.refuseWindow(ctx, w)
	placed := refused
	if err == nil && refused == 0 {
		if placed, err = s.placeWindow(ctx, w, stored); placed == store.Created || placed == store.Updated {
			refused, err = s.refuseWindow(ctx, w)
		}
	}
	switch {
	case err != nil:
		return 0, err
	case refused == store.Erased, refused == store.Unchanged:
		return refused, s.takeBackWindow(ctx, w, stored)
	}
	return placed, nil
}

// takeBackWindow removes a window, unless it was replaced by another.
func (s *sessions) takeBackWindow(ctx context.Context, w store.Window, stored aWindow) error {
	at := keyWindows + "." + strconv.Itoa(w.Seq)
	filter := bson.D{{Key: keyID, Value: w.SessionID}, {Key: keyUser, Value: w.UserID}, {Key: at + ".o", Value: stored.Observed}}
	result, err := s.nights.UpdateOne(ctx, filter, bson.D{{Key: "$unset", Value: bson.D{{Key: at, Value: ""}}}, changed})
	if err != nil || result.MatchedCount == 0 {
		return err
	}
	_, err = s.nights.DeleteOne(ctx, bson.D{{Key: keyID, Value: w.SessionID}, {Key: keyWindows, Value: bson.D{}}})
	return err
}

// changed counts a write of a night.
var changed = bson.E{Key: "$inc", Value: bson.D{{Key: keyChanges, Value: 1}}}

// refuseWindow tells why a window must not be stored: it was erased, or its
// session is another user's or has its settled report; 0 if it may be.
func (s *sessions) refuseWindow(ctx context.Context, w store.Window) (store.Outcome, error) {
	user, session := tombstone(store.UserTombstone(w.UserID)), tombstone(store.SessionTombstone(w.UserID, w.SessionID))
	until, err := s.erasedUntil(ctx, user, session)
	if err != nil {
		return 0, err
	}
	if until.covers(w.Observed, user, session) {
		return store.Erased, nil
	}
	list, err := find[document](ctx, s.fresh(), bson.D{{Key: keySession, Value: w.SessionID}},
		options.Find().SetLimit(1).SetProjection(bson.D{{Key: keyUser, Value: 1}, {Key: keyOurs + ".settled", Value: 1}}))
	switch {
	case err != nil || len(list) == 0:
		return 0, err
	case list[0].UserID != w.UserID:
		return store.Foreign, nil
	case list[0].Ours != nil && list[0].Ours.Settled:
		return store.Unchanged, nil
	}
	return 0, nil
}

// placeWindow stores a window whose number is new, and makes the night if there
// is none; or else replaces one that was observed earlier.
func (s *sessions) placeWindow(ctx context.Context, w store.Window, stored aWindow) (store.Outcome, error) {
	at := keyWindows + "." + strconv.Itoa(w.Seq)
	update := bson.D{
		{Key: "$set", Value: bson.D{{Key: at, Value: stored}}},
		{Key: "$min", Value: bson.D{{Key: keyFirst, Value: stored.Observed}}},
		changed,
	}
	mine := bson.D{{Key: keyID, Value: w.SessionID}, {Key: keyUser, Value: w.UserID}}
	absent := append(mine[:2:2], bson.E{Key: at, Value: bson.D{{Key: "$exists", Value: false}}})
	older := append(mine[:2:2], bson.E{Key: at + ".o", Value: bson.D{{Key: "$lt", Value: stored.Observed}}})
	for try := 1; ; try++ {
		result, err := s.nights.UpdateOne(ctx, absent, update, options.UpdateOne().SetUpsert(true))
		switch {
		case err == nil && result.MatchedCount+result.UpsertedCount > 0:
			return store.Created, nil
		case err != nil && !mongo.IsDuplicateKeyError(err):
			return 0, err
		}
		// The night is there: with this number, or another user's.
		if result, err = s.nights.UpdateOne(ctx, older, update); err != nil {
			return 0, err
		}
		if result.MatchedCount > 0 {
			return store.Updated, nil
		}
		there, err := find[night](ctx, s.nights, bson.D{{Key: keyID, Value: w.SessionID}},
			options.Find().SetProjection(bson.D{{Key: keyUser, Value: 1}, {Key: at + ".o", Value: 1}}))
		if err != nil {
			return 0, err
		}
		if len(there) > 0 && there[0].UserID != w.UserID {
			return store.Foreign, nil
		}
		// Two that made the night at once collide as well: the loser tries again.
		if (len(there) > 0 && len(there[0].Windows) > 0) || try == attempts {
			return store.Unchanged, nil
		}
	}
}

func (s *sessions) Partial(ctx context.Context, id string) (p store.Partial, err error) {
	err = s.db().call(ctx, func(ctx context.Context) error {
		var n night
		err := s.nights.FindOne(ctx, bson.D{{Key: keyID, Value: id}}).Decode(&n)
		if errors.Is(err, mongo.ErrNoDocuments) || err == nil && len(n.Windows) == 0 {
			return fmt.Errorf("%w: partial night of session %.100q", store.ErrNotFound, id)
		}
		if err != nil {
			return err
		}
		list, err := s.windows(n)
		p = store.Assemble(list)
		return err
	})
	if err != nil {
		return store.Partial{}, err
	}
	return p, nil
}

func (s *sessions) Partials(ctx context.Context, user string) (list []store.Partial, err error) {
	if err := store.CheckID("user id", user); err != nil {
		return nil, err
	}
	err = s.db().call(ctx, func(ctx context.Context) error {
		nights, err := find[night](ctx, s.nights, bson.D{{Key: keyUser, Value: user}}, options.Find())
		if err != nil || len(nights) == 0 {
			return err
		}
		ids := make([]string, len(nights))
		for i, n := range nights {
			ids[i] = n.SessionID
		}
		docs, err := find[document](ctx, s.sleep, bson.D{{Key: keySession, Value: bson.D{{Key: "$in", Value: ids}}}},
			options.Find().SetProjection(bson.D{{Key: keySession, Value: 1}}))
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, d := range docs {
			known[d.SessionID] = true
		}
		for _, n := range nights {
			if len(n.Windows) == 0 || known[n.SessionID] {
				continue
			}
			p, err := n.brief()
			if err != nil {
				return err
			}
			list = append(list, p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b store.Partial) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), cmp.Compare(b.SessionID, a.SessionID))
	})
	return list[:min(len(list), store.MaxLimit)], nil
}

// brief is a night without its epochs.
func (n night) brief() (store.Partial, error) {
	var list []store.Window
	for number, stored := range n.Windows {
		seq, err := strconv.Atoi(number)
		if err != nil {
			return store.Partial{}, fmt.Errorf("%w: window %.20q of session %.100q", store.ErrCorrupt, number, n.SessionID)
		}
		list = append(list, store.Window{SessionID: n.SessionID, UserID: n.UserID, Seq: seq, Observed: stored.Observed.Time().UTC()})
	}
	return store.Assemble(list), nil
}

// windows opens those of a night.
func (s *sessions) windows(n night) ([]store.Window, error) {
	list := make([]store.Window, 0, len(n.Windows))
	for number, stored := range n.Windows {
		seq, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%w: window %.20q of session %.100q", store.ErrCorrupt, number, n.SessionID)
		}
		w := store.Window{SessionID: n.SessionID, UserID: n.UserID, Seq: seq, Observed: stored.Observed.Time().UTC()}
		plain, err := s.codec.Open(columnWindow, n.SessionID, stored.Epochs)
		if err != nil {
			return nil, err
		}
		if err := w.Epochs.UnmarshalBinary(plain); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// expireNights removes the windows that were observed before an instant, at most
// limit, the oldest nights first.
func (s *sessions) expireNights(ctx context.Context, before time.Time, limit int) error {
	for limit > 0 {
		list, err := find[night](ctx, s.nights, bson.D{{Key: keyFirst, Value: bson.D{{Key: "$lt", Value: date(before)}}}},
			options.Find().SetSort(bson.D{{Key: keyFirst, Value: 1}}).SetLimit(int64(min(limit, nightsPage))))
		if err != nil || len(list) == 0 {
			return err
		}
		for _, n := range list {
			gone, err := s.expireNight(ctx, n, before, limit)
			if err != nil {
				return err
			}
			limit -= gone
			if limit <= 0 {
				return nil
			}
		}
	}
	return nil
}

const nightsPage = 20

// expireNight removes windows of one night, if nobody has changed it meanwhile;
// if somebody has, its turn comes again.
func (s *sessions) expireNight(ctx context.Context, n night, before time.Time, limit int) (gone int, err error) {
	asRead := bson.D{{Key: keyID, Value: n.SessionID}, {Key: keyChanges, Value: n.Changes}}
	unset, first := bson.D{}, time.Time{}
	for number, w := range n.Windows {
		observed := w.Observed.Time()
		if len(unset) < limit && observed.Before(before) {
			unset = append(unset, bson.E{Key: keyWindows + "." + number, Value: ""})
		} else {
			first = earlier(first, observed)
		}
	}
	if len(unset) == len(n.Windows) {
		result, err := s.nights.DeleteOne(ctx, asRead)
		if err != nil {
			return 0, err
		}
		return int(result.DeletedCount) * len(unset), nil
	}
	update := bson.D{{Key: "$set", Value: bson.D{{Key: keyFirst, Value: date(first)}}}, changed}
	if len(unset) > 0 {
		update = append(update, bson.E{Key: "$unset", Value: unset})
	}
	result, err := s.nights.UpdateOne(ctx, asRead, update)
	if err != nil {
		return 0, err
	}
	return int(result.ModifiedCount) * len(unset), nil
}
