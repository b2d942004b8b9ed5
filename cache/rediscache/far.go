package rediscache

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

// errAnswer is an answer that no Redis gives to what was asked.
var errAnswer = errors.New("the answer is not one of Redis")

// look is what Get and Lease read.
type look struct {
	value any // string or nil
	marks cache.Marks
}

// Get implements [cache.Far]. Where there are no marks and Redis has no memory for new
// ones, they are empty and the error is nil: nothing can be stored, which is no
// trouble.
func (t *Tier) Get(ctx context.Context, key cache.Key) (string, cache.Marks, error) {
	n := t.names(key)
	seen, err := try(ctx, t, "get", func(ctx context.Context) (look, error) {
		found, err := t.client.MGet(ctx, n.marks, n.value).Result()
		if err != nil {
			return look{}, err
		}
		if len(found) != 2 {
			return look{}, errAnswer
		}
		if marks, ok := parseMarks(found[0]); ok {
			return look{found[1], marks}, nil
		}
		return t.mark(ctx, n)
	})
	if err != nil {
		return "", cache.Marks{}, err
	}
	return t.open(key, seen.value), seen.marks, nil
}

// mark is Get for an owner without marks.
func (t *Tier) mark(ctx context.Context, n names) (look, error) {
	found, err := lookScript.Run(ctx, t.client, []string{n.marks, n.value}, newMarks(), ms(marksSpare)).Slice()
	if redis.IsOOMError(err) {
		return look{}, nil
	}
	if err != nil {
		return look{}, err
	}
	return readLook(found, 2)
}

// readLook reads the answer of a script that looked.
func readLook(found []any, size int) (look, error) {
	if len(found) != size {
		return look{}, errAnswer
	}
	marks, ok := parseMarks(found[0])
	if !ok {
		return look{}, errAnswer
	}
	return look{found[1], marks}, nil
}

// Fill implements [cache.Far]. Where Redis has no memory for the value it is not
// stored, and the error is nil.
func (t *Tier) Fill(ctx context.Context, f cache.Fill) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	n := t.names(f.Key)
	value, err := t.seal(f.Key, f.Value)
	if err != nil {
		return false, err
	}
	return try(ctx, t, "fill", func(ctx context.Context) (bool, error) {
		stored, err := fillScript.Run(ctx, t.client, []string{n.marks, n.value, n.lease},
			formatMarks(f.Marks), value, ms(f.TTL), f.Lease, ms(marksSpare)).Bool()
		if redis.IsOOMError(err) {
			return false, nil
		}
		return stored, err
	})
}

// Delete implements [cache.Far].
func (t *Tier) Delete(ctx context.Context, key cache.Key) error {
	n := t.names(key)
	_, err := try(ctx, t, "delete", func(ctx context.Context) (int64, error) {
		return t.client.Del(ctx, n.value).Result()
	})
	return err
}

// Bump implements [cache.Far]. Of an owner without marks there is nothing to take back:
// whoever reads next draws new ones.
func (t *Tier) Bump(ctx context.Context, owner cache.Owner, scope cache.Scope) error {
	name := t.marksName(owner)
	_, err := try(ctx, t, "bump", func(ctx context.Context) (int64, error) {
		if scope == cache.Everything {
			return t.client.Del(ctx, name).Result()
		}
		return bumpScript.Run(ctx, t.client, []string{name}, rand.Text()).Int64()
	})
	return err
}

// Ping implements [cache.Far]: everything that is done elsewhere is tried, so that a user of
// Redis who may not do all of it is found out here. Being full is no trouble. For a look
// at the health of a service it is right too. The cache itself asks by [Tier.PingPart], which
// leaves the bus out: without one the tier is of use still.
func (t *Tier) Ping(ctx context.Context) error {
	if err := t.ping(ctx, rand.Text()); err != nil { // any node of a cluster
		return err
	}
	_, err := try(ctx, t, "publish", func(ctx context.Context) (int64, error) {
		return t.client.Publish(ctx, t.silent(), "").Result()
	})
	return err
}

func (t *Tier) ping(ctx context.Context, tag string) error {
	key := t.slot(tag) + ":p"
	_, err := try(ctx, t, "ping", func(ctx context.Context) (int64, error) {
		if err := pingScript.Run(ctx, t.client, []string{key}).Err(); err != nil {
			return 0, err
		}
		return 0, t.client.MGet(ctx, key).Err()
	})
	return err
}
