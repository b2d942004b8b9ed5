package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// erasures are tombstones: until when what they name was erased, by hash.
type erasures map[string]time.Time

// covers reports whether one of these tombstones covers an instant.
func (e erasures) covers(at time.Time, hashes ...string) bool {
	for _, h := range hashes {
		if until, ok := e[h]; ok && !at.After(until) {
			return true
		}
	}
	return false
}

// erasedUntil reads tombstones.
func (s *sessions) erasedUntil(ctx context.Context, hashes ...string) (erasures, error) {
	type stone struct {
		Hash  string        `bson:"_id"`
		Until bson.DateTime `bson:"until"`
	}
	if len(hashes) == 0 {
		return nil, nil
	}
	list, err := find[stone](ctx, s.tombstones, bson.D{{Key: keyID, Value: bson.D{{Key: "$in", Value: hashes}}}}, options.Find())
	if err != nil {
		return nil, err
	}
	e := make(erasures, len(list))
	for _, t := range list {
		e[t.Hash] = t.Until.Time()
	}
	return e, nil
}

// bury sets a tombstone, which never moves back.
func (s *sessions) bury(ctx context.Context, hash string, until time.Time) error {
	_, err := s.tombstones.UpdateOne(ctx, bson.D{{Key: keyID, Value: hash}},
		bson.D{{Key: "$max", Value: bson.D{{Key: "until", Value: date(until)}}}}, options.UpdateOne().SetUpsert(true))
	return err
}
