package mongo

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep/store"
)

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

// news is a session on its way into the database.
type news struct {
	session      store.Session
	rev          int64
	set          bson.D
	user, hidden string // the tombstones of its user and of itself
	key          any    // _id of its document
	there        bool   // the document was seen
	outcome      store.Outcome
}

func (s *sessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	all := make([]*news, len(list))
	for i, v := range list {
		v, err := v.Normalize()
		if err != nil {
			return nil, err
		}
		set, err := s.encode(v)
		if err != nil {
			return nil, err
		}
		all[i] = &news{
			session: v, rev: v.Rev(), set: set, key: v.ID,
			user: tombstone(store.UserTombstone(v.UserID)), hidden: tombstone(store.SessionTombstone(v.UserID, v.ID)),
		}
	}
	var out []store.Outcome
	for len(all) > 0 {
		group := distinct(all)
		all = all[len(group):]
		if err := s.putGroup(ctx, group); err != nil {
			return nil, err
		}
		for _, n := range group {
			out = append(out, n.outcome)
		}
	}
	return out, nil
}

// distinct is what can be put at once: none of them twice, and as many as one
// read may name.
func distinct(all []*news) []*news {
	seen := map[string]bool{}
	for i, n := range all {
		if seen[n.session.ID] || i == maxBatch {
			return all[:i]
		}
		seen[n.session.ID] = true
	}
	return all
}

// attempts bounds how often news are compared and sent again, because somebody
// else made the same session at the same moment.
const attempts = 5

func (s *sessions) putGroup(ctx context.Context, group []*news) error {
	if s.readOnly && !s.closed.Load() {
		return store.ErrReadOnly
	}
	if err := s.refuseErased(ctx, group); err != nil {
		return err
	}
	var sent []*news
	for try := 0; len(undecided(group)) > 0; try++ {
		if try == attempts {
			return fmt.Errorf("%w: session %.100q is made and deleted all the time", store.ErrBusy, undecided(group)[0].session.ID)
		}
		if err := s.compare(ctx, group); err != nil {
			return err
		}
		for batch := range slices.Chunk(undecided(group), s.cfg.Batch) {
			if try == 0 {
				sent = append(sent, batch...)
			}
			if err := s.write(ctx, batch); err != nil {
				return err
			}
		}
	}
	// An erasure that came between sets its tombstone before it deletes. Either it
	// deletes what was just written, or its tombstone is seen now.
	if err := s.refuseErased(ctx, sent); err != nil {
		return err
	}
	return s.endNights(ctx, group)
}

func undecided(batch []*news) (list []*news) {
	for _, n := range batch {
		if n.outcome == 0 {
			list = append(list, n)
		}
	}
	return list
}

// refuseErased finds what a tombstone covers, and takes it back: also before it
// is written, for an earlier call that failed may have written it.
func (s *sessions) refuseErased(ctx context.Context, batch []*news) error {
	var hashes []string
	for _, n := range batch {
		hashes = append(hashes, n.user, n.hidden)
	}
	var until erasures
	err := s.db().call(ctx, func(ctx context.Context) (err error) {
		until, err = s.erasedUntil(ctx, hashes...)
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range batch {
		if !until.covers(n.session.Origin(), n.user, n.hidden) {
			continue
		}
		n.outcome = store.Erased
		if err := s.takeBack(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// takeBack deletes these news, unless others are there: replaced ones, or ones
// as new that began at another time, which the tombstone need not cover.
func (s *sessions) takeBack(ctx context.Context, n *news) error {
	return s.db().change(ctx, func(ctx context.Context) error {
		_, err := s.sleep.DeleteOne(ctx, bson.D{
			{Key: keySession, Value: n.session.ID},
			{Key: keyUser, Value: n.session.UserID},
			{Key: keyRev, Value: n.rev},
			{Key: keyStart, Value: dateOrNull(n.session.Start)},
		})
		return err
	})
}

// compare settles what the database has in a newer form already, or from
// another user. Revisions only grow, so that needs no second look.
func (s *sessions) compare(ctx context.Context, batch []*news) error {
	held, err := s.held(ctx, undecided(batch))
	if err != nil {
		return err
	}
	for _, n := range undecided(batch) {
		doc, ok := held[n.session.ID]
		switch {
		case !ok:
			n.there = false
		case doc.UserID != n.session.UserID:
			n.outcome = store.Foreign
		case doc.Ours != nil && doc.Ours.Rev >= n.rev:
			n.outcome = store.Unchanged
		default:
			n.key, n.there = doc.Key, true // perhaps not the session's id, in what others wrote
		}
	}
	return nil
}

// held reads whose the sessions are that are there, and what news of them.
func (s *sessions) held(ctx context.Context, list []*news) (map[string]document, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make(bson.A, len(list))
	for i, n := range list {
		ids[i] = n.session.ID
	}
	var found []document
	err := s.db().call(ctx, func(ctx context.Context) (err error) {
		found, err = find[document](ctx, s.fresh(), bson.D{{Key: keySession, Value: bson.D{{Key: "$in", Value: ids}}}},
			options.Find().SetProjection(bson.D{{Key: keySession, Value: 1}, {Key: keyUser, Value: 1}, {Key: keyRev, Value: 1}}))
		return err
	})
	if err != nil {
		return nil, err
	}
	held := make(map[string]document, len(found))
	for _, doc := range found {
		held[doc.SessionID] = doc
	}
	return held, nil
}

// updates are two that commute: make the document if it is not there, and
// replace its news if they are older, or another program's. Whatever the order,
// and however often they run, the newest news stay. The second is left out where
// no document was seen.
func (n *news) updates(now time.Time) []mongo.WriteModel {
	moved := append(slices.Clip(n.set), bson.E{Key: keyUpdated, Value: date(now)})
	made := append(slices.Clip(moved), bson.E{Key: keySession, Value: n.session.ID},
		bson.E{Key: keyUser, Value: n.session.UserID}, bson.E{Key: keyCreated, Value: date(now)})
	list := []mongo.WriteModel{
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: keyID, Value: n.key}}).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: made}}).SetUpsert(true),
	}
	if n.there {
		older := bson.D{{Key: "$not", Value: bson.D{{Key: "$gte", Value: n.rev}}}}
		list = append(list, mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: keyID, Value: n.key}, {Key: keyUser, Value: n.session.UserID}, {Key: keyRev, Value: older}}).
			SetUpdate(bson.D{{Key: "$set", Value: moved}}))
	}
	return list
}

// write sends a batch and finds out what became of each session. Those that
// somebody else has made since they were compared stay undecided.
func (s *sessions) write(ctx context.Context, batch []*news) error {
	var models []mongo.WriteModel
	now := time.Now()
	for _, n := range batch {
		models = append(models, n.updates(now)...)
	}
	var modified int64
	created := map[any]bool{}
	err := s.db().change(ctx, func(ctx context.Context) error {
		result, err := s.sleep.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		if result != nil {
			modified = result.ModifiedCount
			// By _id, as FerretDB numbers them in a way of its own.
			for _, id := range result.UpsertedIDs {
				if text, ok := id.(string); ok {
					created[text] = true
				}
			}
		}
		if mongo.IsDuplicateKeyError(err) { // two made it at once
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	var replaced []*news
	for _, n := range batch {
		switch {
		case created[n.session.ID]:
			n.outcome = store.Created
		case n.there:
			replaced = append(replaced, n)
		}
	}
	return s.judge(ctx, replaced, modified)
}

// judge tells what became of sessions that were there, of which so many were
// modified. If that is not all, what is there now tells: one that was deleted, or
// not reached, stays undecided.
func (s *sessions) judge(ctx context.Context, list []*news, modified int64) error {
	if int64(len(list)) == modified {
		for _, n := range list {
			n.outcome = store.Updated
		}
		return nil
	}
	held, err := s.held(ctx, list)
	if err != nil {
		return err
	}
	for _, n := range list {
		doc, ok := held[n.session.ID]
		switch {
		case !ok:
		case doc.UserID != n.session.UserID:
			n.outcome = store.Foreign
		case modified > 0 && doc.Ours != nil && doc.Ours.Rev == n.rev:
			n.outcome = store.Updated
		case doc.Ours != nil && doc.Ours.Rev >= n.rev:
			n.outcome = store.Unchanged
		}
	}
	return nil
}

// endNights removes the partial nights of sessions whose settled report is
// stored, also when an earlier call was cut off before it came to that.
func (s *sessions) endNights(ctx context.Context, batch []*news) error {
	var ids bson.A
	for _, n := range batch {
		if n.session.Settled && n.outcome <= store.Updated {
			ids = append(ids, n.session.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return s.db().change(ctx, func(ctx context.Context) error {
		_, err := s.nights.DeleteMany(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: ids}}}})
		return err
	})
}

func tombstone(t store.Tombstone) string { return hex.EncodeToString(t[:]) }
