package mongo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/asleep-sdk/asleep/store"
)

// schema is the version of what this program writes.
const schema = 1

// The indexes of each collection, by the names that MongoDB itself gives them. A
// session is found by session_id and not by _id, as programs before this one left
// _id to the server. The driver changes what it is given, so they are made anew.
func indexes() map[string][]mongo.IndexModel {
	return map[string][]mongo.IndexModel{
		sessionsName: {
			{Keys: bson.D{{Key: keySession, Value: 1}}, Options: options.Index().SetName("session_id_1").SetUnique(true)},
			{
				Keys:    bson.D{{Key: keyUser, Value: 1}, {Key: keyStart, Value: -1}, {Key: keySession, Value: -1}},
				Options: options.Index().SetName("user_id_1_session_start_time_-1_session_id_-1"),
			},
			{
				Keys:    bson.D{{Key: keyStart, Value: 1}, {Key: keySession, Value: 1}},
				Options: options.Index().SetName("session_start_time_1_session_id_1"),
			},
			{Keys: bson.D{{Key: keyCreated, Value: 1}}, Options: options.Index().SetName("created_at_1")},
		},
		nightsName: {
			{Keys: bson.D{{Key: keyUser, Value: 1}}, Options: options.Index().SetName("user_id_1")},
			{Keys: bson.D{{Key: keyFirst, Value: 1}}, Options: options.Index().SetName("first_1")},
		},
	}
}

// Schema returns the version of the database's schema, 0 if this program has
// never opened it, and the version that it brings it to. The error matches
// fs.ErrNotExist if the database has no sessions, otherwise as [Open]'s.
func Schema(ctx context.Context, u *url.URL, cfg Config) (have, want int, err error) {
	d, err := connect(u, cfg, store.Options{ReadOnly: true})
	if err != nil {
		return 0, schema, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	err = d.call(ctx, func(ctx context.Context) error {
		if have, err = d.version(ctx); err != nil || have > 0 {
			return err
		}
		return d.sleep.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(bson.D{{Key: keyID, Value: 1}})).Err()
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = fmt.Errorf("the MongoDB database %q holds no sessions: %w", databaseOf(u), fs.ErrNotExist)
	}
	return have, schema, err
}

// version reads the version of the schema; 0 if there is none.
func (d *DB) version(ctx context.Context) (int, error) {
	var doc struct {
		Version int `bson:"version"`
	}
	err := d.meta.FindOne(ctx, bson.D{{Key: keyID, Value: "schema"}}).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = nil
	}
	return doc.Version, err
}

// migrate refuses a newer schema and brings an older one up to date. Every step
// of it may be repeated, so several programs may do it at once.
func (d *DB) migrate(ctx context.Context) error {
	version := 0
	err := d.call(ctx, func(ctx context.Context) (err error) {
		version, err = d.version(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case version > schema:
		return fmt.Errorf("%w: version %d, and this program knows up to %d", store.ErrNewerSchema, version, schema)
	case d.readOnly:
		return nil
	}
	for _, c := range []*mongo.Collection{d.sleep, d.nights} {
		if err := d.index(ctx, c); err != nil {
			return err
		}
	}
	if err := d.adopt(ctx); err != nil {
		return err
	}
	return d.call(ctx, func(ctx context.Context) error {
		_, err := d.meta.UpdateOne(ctx, bson.D{{Key: keyID, Value: "schema"}},
			bson.D{{Key: "$max", Value: bson.D{{Key: "version", Value: schema}}}}, options.UpdateOne().SetUpsert(true))
		return err
	})
}

// index makes the indexes that are missing. It may take long on a collection
// that is large already, so only the caller's own deadline counts.
func (d *DB) index(ctx context.Context, c *mongo.Collection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	const longest = 24 * time.Hour
	long, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	missing, err := missingIndexes(long, c)
	if err == nil && len(missing) > 0 {
		_, err = c.Indexes().CreateMany(long, missing)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case hasCode(err, codeDuplicateKey):
		return fmt.Errorf("%w: %s holds several documents with one session_id, or without any: leave one of each", store.ErrCorrupt, c.Name())
	case hasCode(err, codeOptionsConflict), hasCode(err, codeKeysConflict):
		return fmt.Errorf("%w: an index of %s has other options than it must have, such as one on session_id that is not unique: drop it", store.ErrCorrupt, c.Name())
	}
	return d.classify(err)
}

// missingIndexes are those that a collection has not got, or not as they must be.
func missingIndexes(ctx context.Context, c *mongo.Collection) (list []mongo.IndexModel, err error) {
	there, err := c.Indexes().ListSpecifications(ctx)
	if err != nil {
		return nil, err
	}
	for _, model := range indexes()[c.Name()] {
		var want options.IndexOptions
		for _, set := range model.Options.List() {
			if err := set(&want); err != nil {
				return nil, err
			}
		}
		found := slices.ContainsFunc(there, func(have mongo.IndexSpecification) bool {
			unique := have.Unique != nil && *have.Unique
			return have.Name == *want.Name && unique == (want.Unique != nil)
		})
		if !found {
			list = append(list, model)
		}
	}
	return list, nil
}

// adoptPage is how many documents are adopted at a time.
const adoptPage = 200

// adopt makes dates of the starts that another program stored as text: ranges
// would pass over those. The text is kept in a member beside.
func (d *DB) adopt(ctx context.Context) error {
	for {
		n := 0
		err := d.call(ctx, func(ctx context.Context) error {
			list, err := find[document](ctx, d.sleep, bson.D{{Key: keyStart, Value: bson.D{{Key: "$type", Value: "string"}}}},
				options.Find().SetLimit(adoptPage).SetProjection(bson.D{{Key: keyStart, Value: 1}}))
			n = len(list)
			for _, doc := range list {
				set := bson.D{{Key: keyStart, Value: dateOrNull(instant(doc.Start))}, {Key: keyStart + "_text", Value: doc.Start}}
				filter := bson.D{{Key: keyID, Value: doc.Key}, {Key: keyStart, Value: doc.Start}}
				if _, err := d.sleep.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: set}}); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil || n < adoptPage {
			return err
		}
	}
}
