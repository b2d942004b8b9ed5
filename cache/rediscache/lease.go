package rediscache

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

// held is what the script of a lease returns.
type held struct {
	look

	holder string
}

// readHeld reads the answer of the script of a lease.
func readHeld(found []any) (held, error) {
	seen, err := readLook(found, 3)
	if err != nil {
		return held{}, err
	}
	holder, ok := found[2].(string)
	if !ok || holder == "" {
		return held{}, errAnswer
	}
	return held{seen, holder}, nil
}

// Lease implements [cache.Leaser]. Where Redis has no memory for a lease the grant is
// empty but for the value: nobody holds the key, and nobody can.
func (t *Tier) Lease(ctx context.Context, key cache.Key, ttl time.Duration) (cache.Grant, error) {
	n, lease := t.names(key), rand.Text()
	seen, err := try(ctx, t, "lease", func(ctx context.Context) (held, error) {
		found, err := leaseScript.Run(ctx, t.client, []string{n.marks, n.value, n.lease},
			newMarks(), ms(marksSpare), lease, ms(ttl)).Slice()
		if err != nil {
			return held{}, err
		}
		return readHeld(found)
	})
	switch {
	case redis.IsOOMError(err):
		value, marks, err := t.Get(ctx, key)
		return cache.Grant{Value: value, Marks: marks}, err
	case err != nil:
		return cache.Grant{}, err
	}
	g := cache.Grant{Holder: seen.holder, Value: t.open(key, seen.value), Marks: seen.marks}
	if seen.holder == lease {
		g.Lease = lease
	}
	return g, nil
}

// Release implements [cache.Leaser].
func (t *Tier) Release(ctx context.Context, key cache.Key, lease string) error {
	n := t.names(key)
	_, err := try(ctx, t, "release", func(ctx context.Context) (int64, error) {
		return releaseScript.Run(ctx, t.client, []string{n.lease}, lease).Int64()
	})
	return err
}
