package redisconn

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Attempt runs one operation on client without a [Guard], for callers that have bounds
// of their own. It returns soon after ctx ends, whether or not the client heeds contexts:
// an operation that does not is left behind then, to end by itself, and must not touch
// what belongs to the caller.
func Attempt[T any](ctx context.Context, client redis.UniversalClient, operation func(context.Context) (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	return run(ctx, bounded(client), operation)
}
