package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep/store"
)

// few is how many documents are walked through within one deadline.
const few = 50

// walk calls do for every document of a collection in the order of key, which is
// a text and unique. What begins by then is seen, what comes later may be.
func walk[T any](ctx context.Context, d *DB, c *mongo.Collection, key string, idOf func(T) string, do func(context.Context, T) error) error {
	filter := bson.D{}
	for {
		var list []T
		err := d.call(ctx, func(ctx context.Context) (err error) {
			list, err = find[T](ctx, c, filter, options.Find().SetSort(bson.D{{Key: key, Value: 1}}).SetLimit(few))
			for i := 0; err == nil && i < len(list); i++ {
				err = do(ctx, list[i])
			}
			return err
		})
		if err != nil || len(list) < few {
			return err
		}
		filter = bson.D{{Key: key, Value: bson.D{{Key: "$gt", Value: idOf(list[len(list)-1])}}}}
	}
}

func sessionOf(d document) string { return d.SessionID }
func nightOf(n night) string      { return n.SessionID }

// maxProblems is how many damaged documents Check names.
const maxProblems = 20

// Check reads and opens every session and every night, as [store.Checker] says.
func (d *DB) Check(ctx context.Context) error {
	s := (*sessions)(d)
	var problems []error
	note := func(what, id string, err error) error {
		if err == nil {
			return nil
		}
		problems = append(problems, fmt.Errorf("%s %.100q: %w", what, id, err))
		if len(problems) == maxProblems {
			return errors.Join(problems...)
		}
		return nil
	}
	err := walk(ctx, d, d.sleep, keySession, sessionOf, func(_ context.Context, doc document) error {
		_, err := s.decode(doc, false)
		return note("session", doc.SessionID, err)
	})
	if err != nil {
		return err
	}
	err = walk(ctx, d, d.nights, keyID, nightOf, func(_ context.Context, n night) error {
		_, err := s.windows(n)
		return note("partial night", n.SessionID, err)
	})
	if err != nil {
		return err
	}
	return errors.Join(problems...)
}

// Reseal does what [store.Resealer] says. With a Sealer it also removes the
// figures and stages that were kept in the clear for other programs; documents
// which those wrote themselves stay as they are.
func (d *DB) Reseal(ctx context.Context) (rows int, err error) {
	if d.readOnly {
		return 0, store.ErrReadOnly
	}
	s := (*sessions)(d)
	err = walk(ctx, d, d.sleep, keySession, sessionOf, func(ctx context.Context, doc document) error {
		n, err := s.resealSession(ctx, doc)
		rows += n
		return err
	})
	if err != nil {
		return rows, err
	}
	err = walk(ctx, d, d.nights, keyID, nightOf, func(ctx context.Context, doc night) error {
		n, err := s.resealNight(ctx, doc)
		rows += n
		return err
	})
	return rows, err
}

// resealSession rewrites the payloads of one session, unless news have replaced
// them meanwhile, which were sealed with the current key.
func (s *sessions) resealSession(ctx context.Context, doc document) (rows int, err error) {
	if doc.Ours == nil {
		return 0, nil
	}
	set := bson.D{}
	for _, p := range []struct {
		column, key string
		stored      []byte
	}{
		{columnMetrics, keyOurs + ".metrics", doc.Ours.Metrics},
		{columnEpochs, keyOurs + ".epochs", doc.Ours.Epochs},
		{columnRaw, keyOurs + ".raw", doc.Ours.Raw},
	} {
		again, err := s.reseal(p.column, doc.SessionID, p.stored)
		if err != nil {
			return 0, err
		}
		if again != nil {
			set = append(set, bson.E{Key: p.key, Value: again})
		}
	}
	if s.codec.Sealer != nil {
		for key, v := range map[string]bson.RawValue{keyStatistics: doc.Statistics, keyStages: doc.Stages} {
			if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
				set = append(set, bson.E{Key: key, Value: nil})
			}
		}
	}
	if len(set) == 0 {
		return 0, nil
	}
	result, err := s.sleep.UpdateOne(ctx, bson.D{{Key: keyID, Value: doc.Key}, {Key: keyRev, Value: doc.Ours.Rev}}, bson.D{{Key: "$set", Value: set}})
	if err != nil {
		return 0, err
	}
	return int(result.ModifiedCount), nil
}

func (s *sessions) resealNight(ctx context.Context, n night) (rows int, err error) {
	set := bson.D{}
	for number, w := range n.Windows {
		again, err := s.reseal(columnWindow, n.SessionID, w.Epochs)
		if err != nil {
			return 0, err
		}
		if again != nil {
			set = append(set, bson.E{Key: keyWindows + "." + number + ".e", Value: again})
		}
	}
	if len(set) == 0 {
		return 0, nil
	}
	asRead := bson.D{{Key: keyID, Value: n.SessionID}, {Key: keyChanges, Value: n.Changes}}
	result, err := s.nights.UpdateOne(ctx, asRead, bson.D{{Key: "$set", Value: set}, changed})
	if err != nil {
		return 0, err
	}
	return int(result.ModifiedCount) * len(set), nil
}

// reseal is the payload as it would be stored now; nil if it is already.
func (s *sessions) reseal(column, id string, stored []byte) ([]byte, error) {
	if s.codec.Current(stored) {
		return nil, nil
	}
	plain, err := s.codec.Open(column, id, stored)
	if err != nil {
		return nil, fmt.Errorf("session %.100q: %w", id, err)
	}
	return s.codec.Seal(column, id, plain)
}
