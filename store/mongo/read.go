package mongo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/asleep-sdk/asleep/store"
)

// find reads all that a query selects, which its filter and options bound.
func find[T any](ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) (list []T, err error) {
	err = each(ctx, c, filter, o, func(v T) error {
		list = append(list, v)
		return nil
	})
	return list, err
}

// each calls do with what a query selects, one document in memory after another.
func each[T any](ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder, do func(T) error) error {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return err
	}
	// How ending it goes is of no interest: the server ends it by itself in time.
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		var v T
		if err := cursor.Decode(&v); err != nil {
			return fmt.Errorf("%w: the document %s of %s: %w", store.ErrCorrupt, cursor.Current.Lookup("_id"), c.Name(), err)
		}
		if err := do(v); err != nil {
			return err
		}
	}
	return cursor.Err()
}

// fresh is the collection of sessions as its primary has it.
func (s *sessions) fresh() *mongo.Collection {
	return s.sleep.Clone(options.Collection().SetReadPreference(readpref.Primary()))
}

func (s *sessions) Get(ctx context.Context, id string) (v store.Session, err error) {
	err = s.db().call(ctx, func(ctx context.Context) error {
		list, err := find[document](ctx, s.sleep, bson.D{{Key: keySession, Value: id}}, options.Find().SetLimit(1))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%w: session %.100q", store.ErrNotFound, id)
		}
		v, err = s.decode(list[0], false)
		return err
	})
	if err != nil {
		return store.Session{}, err
	}
	return v, nil
}

// newestFirst is the order of lists.
var newestFirst = bson.D{{Key: keyStart, Value: -1}, {Key: keySession, Value: -1}}

func (s *sessions) List(ctx context.Context, q store.Query) (list []store.Session, err error) {
	if q, err = q.Normalize(); err != nil {
		return nil, err
	}
	o := options.Find().SetSort(newestFirst).SetLimit(int64(q.Limit))
	if q.Brief {
		o.SetProjection(bson.D{{Key: keyStages, Value: 0}, {Key: keyOurs + ".epochs", Value: 0}, {Key: keyOurs + ".raw", Value: 0}})
	}
	err = s.db().call(ctx, func(ctx context.Context) error {
		filter := selection(q)
		if filter == nil {
			return nil
		}
		docs, err := find[document](ctx, s.sleep, filter, o)
		if err != nil {
			return err
		}
		list = make([]store.Session, len(docs))
		for i := range docs {
			if list[i], err = s.decode(docs[i], q.Brief); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// selection is the filter of a query; nil if it can select nothing. Whatever
// bounds the start stands in every branch of its own, so that each is one range
// of the index: a page reads no page before it.
func selection(q store.Query) bson.D {
	var branches []bson.D
	for _, start := range starts(q) {
		branch := bson.D{}
		if q.UserID != "" {
			branch = append(branch, bson.E{Key: keyUser, Value: q.UserID})
		}
		branch = append(branch, start...)
		if q.FromDate.IsZero() && q.ToDate.IsZero() {
			branches = append(branches, branch)
			continue
		}
		for _, day := range dates(q) {
			branches = append(branches, append(slices.Clip(branch), day...))
		}
	}
	switch len(branches) {
	case 0:
		return nil
	case 1:
		return branches[0]
	}
	return bson.D{{Key: "$or", Value: branches}}
}

// starts are the ranges of starts, and of ids where starts are equal, that a
// query leaves: those before its cursor, then those at it, then no start at all.
func starts(q store.Query) (list []bson.D) {
	from, to := q.From, q.To
	dated := !q.FromDate.IsZero() || !q.ToDate.IsZero()
	if !q.FromDate.IsZero() { // a local date is within a day of the same date in UTC
		from = later(from, q.FromDate.AddDays(-1).In(time.UTC))
	}
	if !q.ToDate.IsZero() {
		to = earlier(to, q.ToDate.AddDays(2).In(time.UTC))
	}
	unknown := bson.D{{Key: keyStart, Value: nil}}
	mayBeUnknown := q.From.IsZero() && !dated
	at := q.After
	switch {
	case !at.IsZero() && at.Start.IsZero():
		if !mayBeUnknown {
			return nil
		}
		return []bson.D{append(unknown, bson.E{Key: keySession, Value: bson.D{{Key: "$lt", Value: at.ID}}})}
	case !at.IsZero():
		if (from.IsZero() || !at.Start.Before(from)) && (to.IsZero() || at.Start.Before(to)) {
			list = append(list, bson.D{{Key: keyStart, Value: date(at.Start)}, {Key: keySession, Value: bson.D{{Key: "$lt", Value: at.ID}}}})
		}
		to = earlier(to, at.Start)
	case from.IsZero() && to.IsZero() && mayBeUnknown:
		return []bson.D{{}}
	}
	list = append(list, between(from, to))
	if mayBeUnknown {
		list = append(list, unknown)
	}
	return list
}

// between is a half-open range of starts that are known.
func between(from, to time.Time) bson.D {
	bounds := bson.D{}
	if !from.IsZero() {
		bounds = append(bounds, bson.E{Key: "$gte", Value: date(from)})
	}
	if !to.IsZero() {
		bounds = append(bounds, bson.E{Key: "$lt", Value: date(to)})
	}
	if len(bounds) == 0 {
		bounds = bson.D{{Key: "$ne", Value: nil}}
	}
	return bson.D{{Key: keyStart, Value: bounds}}
}

// dates are the local dates of a query: those of our documents, and those in UTC
// of other programs' documents.
func dates(q store.Query) []bson.D {
	ours, theirs := bson.D{{Key: "$gte", Value: max(1, dateNumber(q.FromDate))}}, bson.D{}
	if !q.FromDate.IsZero() {
		theirs = append(theirs, bson.E{Key: "$gte", Value: date(q.FromDate.In(time.UTC))})
	}
	if !q.ToDate.IsZero() {
		ours = append(ours, bson.E{Key: "$lte", Value: dateNumber(q.ToDate)})
		theirs = append(theirs, bson.E{Key: "$lt", Value: date(q.ToDate.AddDays(1).In(time.UTC))})
	}
	return []bson.D{
		{{Key: keyDate, Value: ours}},
		{{Key: keyOurs, Value: nil}, {Key: "$and", Value: bson.A{bson.D{{Key: keyStart, Value: theirs}}}}},
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Newest first, as the oracle does, so that means are the same to the last bit.
func (s *sessions) Stats(ctx context.Context, q store.StatsQuery) (buckets []store.Bucket, err error) {
	if q, err = q.Normalize(); err != nil {
		return nil, err
	}
	o := options.Find().SetSort(newestFirst).SetProjection(bson.D{
		{Key: keySession, Value: 1},
		{Key: keyUser, Value: 1},
		{Key: keyStart, Value: 1},
		{Key: keyStatistics, Value: 1},
		{Key: keyOurs + ".metrics", Value: 1},
		{Key: keyOurs + ".offset_s", Value: 1},
	})
	err = s.db().call(ctx, func(ctx context.Context) error {
		tally := store.Tally{Period: q.Period}
		filter := selection(store.Query{UserID: q.UserID, From: q.From, To: q.To})
		err := each(ctx, s.sleep, filter, o, func(d document) error {
			v, err := s.decode(d, true)
			tally.Add(v)
			return err
		})
		buckets = tally.Buckets()
		return err
	})
	if err != nil {
		return nil, err
	}
	return buckets, nil
}
