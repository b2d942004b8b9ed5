package mongo

import (
	"context"
	"encoding/hex"
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
	key          any    // _id of its document, there or to be
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
		batch := s.batch(all)
		all = all[len(batch):]
		if err := s.db().change(ctx, func(ctx context.Context) error { return s.putBatch(ctx, batch) }); err != nil {
			return nil, err
		}
		for _, n := range batch {
			out = append(out, n.outcome)
		}
	}
	return out, nil
}

// batch is what goes into one command: so many sessions, none of them twice.
func (s *sessions) batch(all []*news) []*news {
	seen := map[string]bool{}
	for i, n := range all {
		if seen[n.session.ID] || i == s.cfg.Batch {
			return all[:i]
		}
		seen[n.session.ID] = true
	}
	return all
}

func (s *sessions) putBatch(ctx context.Context, batch []*news) error {
	if err := s.refuseErased(ctx, batch, nil); err != nil {
		return err
	}
	if err := s.compare(ctx, batch); err != nil {
		return err
	}
	fresh := undecided(batch)
	if len(fresh) > 0 {
		if err := s.write(ctx, fresh); err != nil {
			return err
		}
		// An erasure that came between sets its tombstone before it deletes. Either
		// it deletes what was just written, or its tombstone is seen now.
		if err := s.refuseErased(ctx, fresh, s.takeBack); err != nil {
			return err
		}
	}
	return s.endNights(ctx, batch)
}

func undecided(batch []*news) (list []*news) {
	for _, n := range batch {
		if n.outcome == 0 {
			list = append(list, n)
		}
	}
	return list
}

// refuseErased finds what a tombstone covers, and calls covered for each.
func (s *sessions) refuseErased(ctx context.Context, batch []*news, covered func(context.Context, *news) error) error {
	var hashes []string
	for _, n := range batch {
		hashes = append(hashes, n.user, n.hidden)
	}
	until, err := s.erasedUntil(ctx, hashes...)
	if err != nil {
		return err
	}
	for _, n := range batch {
		if !until.covers(n.session.Origin(), n.user, n.hidden) {
			continue
		}
		n.outcome = store.Erased
		if covered != nil {
			if err := covered(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBack deletes what was written, unless it was replaced by other news.
func (s *sessions) takeBack(ctx context.Context, n *news) error {
	_, err := s.sleep.DeleteOne(ctx, bson.D{{Key: keyID, Value: n.key}, {Key: keyUser, Value: n.session.UserID}, {Key: keyRev, Value: n.rev}})
	return err
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
		case doc.UserID != n.session.UserID:
			n.outcome = store.Foreign
		case doc.Ours != nil && doc.Ours.Rev >= n.rev:
			n.outcome = store.Unchanged
		default:
			n.key = doc.Key
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
	found, err := find[document](ctx, s.fresh(), bson.D{{Key: keySession, Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetProjection(bson.D{{Key: keySession, Value: 1}, {Key: keyUser, Value: 1}, {Key: keyRev, Value: 1}}))
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
// and however often they run, the newest news stay.
func (n *news) updates(now time.Time) []mongo.WriteModel {
	moved := append(n.set[:len(n.set):len(n.set)], bson.E{Key: keyUpdated, Value: date(now)})
	made := append(moved[:len(moved):len(moved)], bson.E{Key: keySession, Value: n.session.ID},
		bson.E{Key: keyUser, Value: n.session.UserID}, bson.E{Key: keyCreated, Value: date(now)})
	older := bson.D{{Key: "$not", Value: bson.D{{Key: "$gte", Value: n.rev}}}}
	return []mongo.WriteModel{
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: keyID, Value: n.key}}).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: made}}).SetUpsert(true),
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: keyID, Value: n.key}, {Key: keyUser, Value: n.session.UserID}, {Key: keyRev, Value: older}}).
			SetUpdate(bson.D{{Key: "$set", Value: moved}}),
	}
}

// attempts bounds how often a batch is sent: two first writes of one session at
// once may collide, and the loser finds the session there the next time.
const attempts = 3

// write sends a batch and finds out what became of each session.
func (s *sessions) write(ctx context.Context, batch []*news) error {
	models := make([]mongo.WriteModel, 0, 2*len(batch))
	now := time.Now()
	for _, n := range batch {
		models = append(models, n.updates(now)...)
	}
	modified := int64(0)
	for try := 1; ; try++ {
		result, err := s.sleep.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		if result != nil {
			modified += result.ModifiedCount
			for at := range result.UpsertedIDs {
				batch[at/2].outcome = store.Created
			}
		}
		if err == nil {
			break
		}
		if try == attempts || !mongo.IsDuplicateKeyError(err) {
			return err
		}
	}
	return s.judge(ctx, undecided(batch), modified)
}

// judge tells what became of sessions that were not created, of which so many
// were modified. Only when some were not, somebody else was faster: then what is
// there now tells.
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
		case ok && doc.UserID != n.session.UserID:
			n.outcome = store.Foreign
		case modified > 0 && ok && doc.Ours != nil && doc.Ours.Rev == n.rev:
			n.outcome = store.Updated
		default:
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
	_, err := s.nights.DeleteMany(ctx, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: ids}}}})
	return err
}

func tombstone(t store.Tombstone) string { return hex.EncodeToString(t[:]) }
