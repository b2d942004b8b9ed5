package rediscache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

// heartbeat is how long a subscription may be silent before it is asked whether it is
// alive, and how long it has to answer.
const heartbeat = 3 * time.Second

// Publish implements [cache.Bus].
func (t *Tier) Publish(ctx context.Context, n cache.Notice) error {
	_, err := try(ctx, t, "publish", func(ctx context.Context) (int64, error) {
		to, err := t.speaker(ctx)
		if err != nil {
			return 0, err
		}
		return to.Publish(ctx, t.channel(), formatNotice(n)).Result()
	})
	return err
}

// speaker is who publishes. A cluster client would take any node, and notices overtake
// each other on their way between nodes.
func (t *Tier) speaker(ctx context.Context) (redis.Cmdable, error) {
	if c, ok := t.client.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, t.channel())
	}
	return t.client, nil
}

// Subscribe implements [cache.Bus]. It does not let go-redis mend a connection behind its
// back: it returns when one is lost, or was silent for two heartbeats. With a cluster it
// returns too when any of its masters is lost or replaced.
func (t *Tier) Subscribe(ctx context.Context, listener cache.Listener) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, end := context.WithCancelCause(ctx)
	defer end(nil)
	if c, ok := t.client.(*redis.ClusterClient); ok {
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			end(t.watchMasters(bounded, c))
		}()
		defer func() { end(nil); <-watched }()
	}
	err := t.follow(bounded, t.client, t.channel(), listener)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		err = context.Cause(bounded)
	}
	return fmt.Errorf("asleep/rediscache: subscribe: %w", err)
}

// subscriber is a client, or a node of one.
type subscriber interface {
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// follow listens to one channel until the connection is lost or ctx ends.
func (t *Tier) follow(ctx context.Context, from subscriber, channel string, listener cache.Listener) error {
	sub := from.Subscribe(ctx, channel)
	unblock := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer func() {
		unblock()
		_ = sub.Close()
	}()
	return listen(ctx, sub, listener)
}

var errSilent = errors.New("the connection is silent")

// listen hands on what comes, until the connection is lost.
func listen(ctx context.Context, sub *redis.PubSub, listener cache.Listener) error {
	asked := false
	for {
		message, err := sub.ReceiveTimeout(ctx, heartbeat)
		switch {
		case err == nil:
			asked = false
			hear(message, listener)
		case !timedOut(err):
			return err
		case asked:
			return errSilent
		default:
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			asked = true
		}
	}
}

func timedOut(err error) bool {
	failure, ok := errors.AsType[net.Error](err)
	return ok && failure.Timeout()
}

func hear(message any, listener cache.Listener) {
	switch m := message.(type) {
	case *redis.Subscription:
		listener.Gap() // whatever was sent before was not heard
	case *redis.Message:
		n, ok := parseNotice(m.Payload)
		if !ok {
			listener.Gap() // of a newer version, say: nobody knows what it took back
			return
		}
		listener.Notice(n)
	}
}

// A notice on the wire is the scope, the owner and the sender, parted by spaces.
func formatNotice(n cache.Notice) string {
	return strconv.Itoa(int(n.Scope)) + " " + string(n.Owner) + " " + n.From
}

func parseNotice(text string) (cache.Notice, bool) {
	scope, rest, _ := strings.Cut(text, " ")
	owner, from, ok := strings.Cut(rest, " ")
	n := cache.Notice{From: from, Owner: cache.Owner(owner)}
	switch scope {
	case "1":
		n.Scope = cache.Changing
	case "2":
		n.Scope = cache.Everything
	default:
		return cache.Notice{}, false
	}
	return n, ok && owner != ""
}
