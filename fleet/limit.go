package fleet

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

//go:embed limit.lua
var limitSource string

var limitScript = redis.NewScript(limitSource)

// Limit is how much each client of a server may ask of one route. Requests and Window
// are required.
type Limit struct {
	// Name tells limits apart, such as the route "GET /v1/sessions".
	Name string
	// Requests are allowed in each Window of 1 ms to 24 h.
	Requests int
	Window   time.Duration
	// Sliding allows at most Requests in any Window whatever, counted in sixteenths
	// of it. Otherwise a bucket holds Burst requests and gains Requests a Window.
	Sliding bool
	// Burst is what the bucket holds; 0 means Requests. It is for buckets only.
	Burst int
}

func (l Limit) check() error {
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("fleet: limit %q: "+format, append([]any{l.Name}, args...)...))
	}
	if l.Requests < 1 || l.Requests > maxFigure {
		problem("Requests is %d; want 1 to %.0f", l.Requests, maxFigure)
	}
	if l.Window < time.Millisecond || l.Window > 24*time.Hour {
		problem("Window is %v; want 1ms to 24h", l.Window)
	}
	switch {
	case l.Burst < 0 || l.Burst > maxFigure:
		problem("Burst is %d; want 1 to %.0f, or 0 for Requests", l.Burst, maxFigure)
	case l.Burst > 0 && l.Sliding:
		problem("Burst %d has no effect with Sliding: Requests is what may come at once", l.Burst)
	}
	return errors.Join(errs...)
}

func (l Limit) depth() int {
	if l.Burst > 0 {
		return l.Burst
	}
	return l.Requests
}

// Decision is what a limit says to one request.
type Decision struct {
	Allowed bool
	// Limit is how many requests may come at once at most, Remaining how many
	// may come now, after this one.
	Limit, Remaining int
	// Reset is how long until Remaining is Limit again if nothing comes.
	Reset time.Duration
	// RetryAfter is how long until this request would be allowed; 0 if it is. For
	// a cost above Limit, which is never allowed, it is until all that can be is
	// there.
	RetryAfter time.Duration
	// Local is true if this process decided alone, as Redis was away.
	Local bool
}

// Inbound is a [Limit] that the processes of a [Fleet] keep together, by the clock of
// Redis. It is safe for concurrent use.
type Inbound struct {
	fleet *Fleet
	limit Limit
	guard *redisconn.Guard
	local *Local
}

// Inbound makes a limit for the clients of a server, or returns an error that names
// every bad figure.
func (f *Fleet) Inbound(limit Limit) (*Inbound, error) {
	local, err := NewLocal(limit, 0)
	if err != nil {
		return nil, err
	}
	in := &Inbound{fleet: f, limit: limit, local: local}
	in.guard = f.guard("limit "+limit.Name, in.probe, func(bool) {})
	if err := f.adopt(in); err != nil {
		in.guard.Close()
		return nil, err
	}
	return in, nil
}

// Allow decides on a request of a client, by whatever tells clients apart: an address,
// the digest of a key. A cost below 1 counts as 1. It takes one round trip, and never
// waits longer than the fleet's budget: without Redis it fails open, which means that each
// process keeps the limit by itself and all of them together let more through. A ctx that
// ends is answered in the same way.
func (in *Inbound) Allow(ctx context.Context, client string, cost int) Decision {
	cost = min(max(cost, 1), maxFigure)
	d, err := redisconn.Call(ctx, in.guard, func(ctx context.Context) (Decision, error) {
		return in.ask(ctx, in.fleet.key("limit", "count", in.limit.Name, client), cost)
	})
	if err != nil {
		d = in.local.Allow(ctx, client, cost)
		d.Local = true
	}
	return d
}

func (in *Inbound) ask(ctx context.Context, key string, cost int) (Decision, error) {
	kind := "bucket"
	if in.limit.Sliding {
		kind = "window"
	}
	raw, err := limitScript.Run(ctx, in.fleet.client, []string{key},
		kind, in.limit.Requests, in.limit.Window.Microseconds(), in.limit.depth(), cost).Result()
	if err != nil {
		return Decision{}, err
	}
	return parseDecision(raw, in.limit)
}

// probe writes, as a Redis that does not is of no use.
func (in *Inbound) probe(ctx context.Context) error {
	_, err := in.ask(ctx, in.fleet.key("limit", "probe", in.limit.Name), 1)
	return err
}

func (in *Inbound) close() { in.guard.Close() }

// parseDecision believes nothing that the script would not say.
func parseDecision(raw any, l Limit) (Decision, error) {
	list, ok := raw.([]any)
	if !ok || len(list) != 4 {
		return Decision{}, fmt.Errorf("%w: a %T for a decision", errLie, raw)
	}
	var n [4]int64
	for i, v := range list {
		if n[i], ok = v.(int64); !ok {
			return Decision{}, fmt.Errorf("%w: a %T in place %d", errLie, v, i)
		}
	}
	longest := (time.Duration(l.depth())*l.Window/time.Duration(l.Requests) + 2*l.Window).Microseconds()
	if n[0] < 0 || n[0] > 1 || n[1] < 0 || n[1] > int64(l.depth()) || n[2] < 0 || n[2] > longest || n[3] < 0 || n[3] > longest {
		return Decision{}, fmt.Errorf("%w: figures %v", errLie, n)
	}
	return Decision{
		Allowed: n[0] == 1, Limit: l.depth(), Remaining: int(n[1]),
		Reset: time.Duration(n[2]) * time.Microsecond, RetryAfter: time.Duration(n[3]) * time.Microsecond,
	}, nil
}
