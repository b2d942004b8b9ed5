package redisconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrAway means that Redis has failed lately and was not asked.
var ErrAway = errors.New("redis is away")

// Limits are the figures of a [Guard]. Zero fields take the defaults named.
type Limits struct {
	// Budget is how long one call may take; 0 means 20 ms.
	Budget time.Duration
	// Failures in a row declare Redis away; 0 means 3.
	Failures int
	// Probe is the time to the first probe, which doubles up to ProbeMax, both
	// give or take a fifth; 0 means 50 ms and 250 ms.
	Probe, ProbeMax time.Duration
}

func (l Limits) withDefaults() Limits {
	preset(&l.Budget, 20*time.Millisecond)
	preset(&l.Failures, 3)
	preset(&l.Probe, 50*time.Millisecond)
	preset(&l.ProbeMax, 250*time.Millisecond)
	return l
}

// Guard keeps the trouble of one Redis from its callers. It runs a goroutine only
// while Redis is away. All methods are safe for concurrent use.
type Guard struct {
	limits  Limits
	probe   func(context.Context) error
	changed func(away bool, cause error)
	inline  bool // the client ends commands with their context

	away   atomic.Bool
	failed atomic.Int64 // calls in a row

	life context.Context
	end  context.CancelFunc
	mu   sync.Mutex // guards starting a probe against Close
	wg   sync.WaitGroup
}

// NewGuard makes a guard for what client does. The probe finds out whether Redis is of use
// again; nil is a PING, which a Redis that refuses to write answers too. It has the budget of
// a call. If changed is not nil it is told of each going, with the last failure, and coming
// back, on the goroutine that found out; it must not block.
func NewGuard(client redis.UniversalClient, limits Limits, probe func(context.Context) error, changed func(away bool, cause error)) *Guard {
	if probe == nil {
		probe = func(ctx context.Context) error { return client.Ping(ctx).Err() }
	}
	if changed == nil {
		changed = func(bool, error) {}
	}
	g := &Guard{limits: limits.withDefaults(), probe: probe, changed: changed, inline: bounded(client)}
	g.life, g.end = context.WithCancel(context.Background())
	return g
}

// Away reports whether calls return [ErrAway] at present.
func (g *Guard) Away() bool { return g.away.Load() }

// Close ends the probe, if one runs, and waits for it. Calls made afterwards are
// not harmed.
func (g *Guard) Close() {
	g.end()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wg.Wait()
}

// Call runs operation within the guard's budget. It returns the operation's result,
// [ErrAway] without running it, or ctx's error if that ended first. An operation
// whose client does not heed contexts is left behind when the budget ends, to end
// by itself: it must not touch what belongs to the caller.
func Call[T any](ctx context.Context, g *Guard, operation func(context.Context) (T, error)) (T, error) {
	var none T
	if g.Away() {
		return none, ErrAway
	}
	bounded, cancel := context.WithTimeout(ctx, g.limits.Budget)
	defer cancel()
	result, err := run(bounded, g.inline, operation)
	if err != nil && !errors.Is(err, redis.Nil) {
		if ctx.Err() != nil { // the caller's end says nothing about Redis
			return none, ctx.Err()
		}
		g.fail(err)
		return result, err
	}
	g.failed.Store(0)
	return result, err
}

func run[T any](ctx context.Context, inline bool, operation func(context.Context) (T, error)) (T, error) {
	if inline {
		return operation(ctx)
	}
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := operation(ctx)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (g *Guard) fail(cause error) {
	if g.failed.Add(1) < int64(g.limits.Failures) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.life.Err() != nil || g.away.Swap(true) {
		return
	}
	g.wg.Go(g.watch)
	g.changed(true, cause)
}

// watch probes until Redis serves.
func (g *Guard) watch() {
	for wait := g.limits.Probe; ; wait = min(2*wait, g.limits.ProbeMax) {
		timer := time.NewTimer(wait*4/5 + rand.N(wait*2/5+1))
		select {
		case <-timer.C:
		case <-g.life.Done():
			timer.Stop()
			return
		}
		ctx, cancel := context.WithTimeout(g.life, g.limits.Budget)
		_, err := run(ctx, g.inline, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.probe(ctx) })
		cancel()
		if err == nil {
			g.failed.Store(0)
			g.away.Store(false)
			g.changed(false, nil)
			return
		}
	}
}
