package fleet

import (
	"context"
	_ "embed" // the script
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/redisconn"
	"github.com/asleep-sdk/asleep/server/limits"
)

//go:embed limit.lua
var limitSource string

var limitScript = redis.NewScript(limitSource)

// inbound is a rate that the processes of a [Fleet] keep together, by the clock of
// Redis.
type inbound struct {
	fleet *Fleet
	name  string
	rate  limits.Rate
	guard *redisconn.Guard
	local *limits.Memory
}

// Inbound makes limits for the clients of a server that all processes keep together, by
// the clock of Redis. The name tells limits apart, such as that of a route. As
// server.WithLimits(f.Inbound) a server has all its limits so. The error is that
// of [limits.Rate.Check], or [ErrClosed].
//
// A decision takes one exchange, and never longer than the fleet's budget: without Redis
// each process keeps the rate by itself, so that all of them together let more
// through, and says so ([limits.Decision].Local). Its error is always nil. Processes
// that give a name different rates count apart.
func (f *Fleet) Inbound(name string, rate limits.Rate) (limits.Limits, error) {
	local, err := limits.NewMemory(rate)
	if err != nil {
		return nil, fmt.Errorf("fleet: the limit %q: %w", name, err)
	}
	in := &inbound{fleet: f, name: name, rate: rate, local: local}
	in.guard = f.guard("limit "+name, in.probe, func(bool) {})
	if err := f.adopt(in); err != nil {
		in.guard.Close()
		return nil, err
	}
	return in, nil
}

// Allow implements [limits.Limits].
func (in *inbound) Allow(ctx context.Context, client string) (limits.Decision, error) {
	d, err := redisconn.Call(ctx, in.guard, func(ctx context.Context) (limits.Decision, error) {
		return in.ask(ctx, in.key("count", client))
	})
	if err != nil {
		return in.local.Allow(ctx, client)
	}
	return d, nil
}

// key is of the rate too: a state says nothing to whom counts by another.
func (in *inbound) key(part string, names ...string) string {
	figures := []string{in.name, in.kind(), strconv.Itoa(in.rate.Requests), in.rate.Window.String(), strconv.Itoa(in.rate.Depth())}
	return in.fleet.key("limit", part, append(figures, names...)...)
}

func (in *inbound) kind() string {
	if in.rate.Algorithm == limits.SlidingWindow {
		return "window"
	}
	return "bucket"
}

func (in *inbound) ask(ctx context.Context, key string) (limits.Decision, error) {
	raw, err := limitScript.Run(ctx, in.fleet.client, []string{key},
		in.kind(), in.rate.Requests, in.rate.Window.Microseconds(), in.rate.Depth()).Result()
	if err != nil {
		return limits.Decision{}, err
	}
	return parseDecision(raw, in.rate)
}

// probe writes, as a Redis that does not is of no use.
func (in *inbound) probe(ctx context.Context) error {
	_, err := in.ask(ctx, in.key("probe"))
	return err
}

func (in *inbound) close() { in.guard.Close() }

// parseDecision believes nothing that the script would not say.
func parseDecision(raw any, r limits.Rate) (limits.Decision, error) {
	list, ok := raw.([]any)
	if !ok || len(list) != 4 {
		return limits.Decision{}, fmt.Errorf("%w: a %T for a decision", errLie, raw)
	}
	var n [4]int64
	for i, v := range list {
		if n[i], ok = v.(int64); !ok {
			return limits.Decision{}, fmt.Errorf("%w: a %T in place %d", errLie, v, i)
		}
	}
	depth, longest := int64(r.Depth()), r.Longest().Microseconds()
	if n[0] < 0 || n[0] > 1 || n[1] < 0 || n[1] > depth || n[2] < 0 || n[2] > longest || n[3] < 0 || n[3] > longest || n[0]+min(n[3], 1) != 1 {
		return limits.Decision{}, fmt.Errorf("%w: figures %v", errLie, n)
	}
	return limits.Decision{
		Allowed: n[0] == 1, Limit: r.Depth(), Remaining: int(n[1]),
		Reset: time.Duration(n[2]) * time.Microsecond, RetryAfter: time.Duration(n[3]) * time.Microsecond,
	}, nil
}
