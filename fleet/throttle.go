package fleet

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

// Throttle is a rate limit over all processes of a [Fleet]. It fits
// client.WithLimiter. All methods are safe for concurrent use, and none waits for
// Redis longer than the fleet's budget.
type Throttle struct {
	fleet   *Fleet
	rate    Rate
	guard   *redisconn.Guard
	state   string // keys
	members string
	channel string

	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
	kick chan struct{} // wakes the loop

	accepted atomic.Int64 // attempts let through, to be told

	mu      sync.Mutex
	closed  bool
	flying  bool   // exchanges are being made
	pending []*ask // for the next one
	due     duties // besides
	link    link
	demand  demand
	stock   stock
	share   share
	quiet   time.Time // nothing is sent before
	counts  counts
}

// ask is a caller that waits for an exchange.
type ask struct {
	cost    int
	maxWait time.Duration
	left    bool        // nobody waits any more
	done    chan answer // of one
}

type answer struct {
	wait time.Duration
	ok   bool
	err  error
}

// duties are what the next exchange has to do besides serving callers.
type duties struct {
	beat    bool
	limited bool
	refund  float64
}

// Throttle makes a throttle of the fleet, or returns an error that names every
// bad figure.
func (f *Fleet) Throttle(rate Rate) (*Throttle, error) {
	if err := rate.check(); err != nil {
		return nil, err
	}
	rate = rate.withDefaults()
	t := &Throttle{
		fleet: f, rate: rate, kick: make(chan struct{}, 1),
		state: f.key("throttle", "bucket", rate.Name), members: f.key("throttle", "members", rate.Name),
		channel: f.key("throttle", "news", rate.Name),
		link:    link{rate: rate.PerSecond, members: rate.Members},
		stock:   stock{late: rate.late()},
	}
	t.life, t.end = context.WithCancel(context.Background())
	t.guard = f.guard("throttle", t.rejoin, t.changed)
	if err := f.adopt(t); err != nil {
		t.end()
		return nil, err
	}
	t.wg.Go(t.run)
	f.bus.listen(t.channel, t.beat)
	return t, nil
}

// Reserve takes cost tokens. The caller sleeps: wait is how long from now until they
// are earned. If they take longer than maxWait nothing is taken, and that longer
// wait is returned with ok false.
//
// Callers of all processes are served in the order in which they ask. While Redis is
// away the tokens are those of this process's share. The error is ctx's,
// [ErrAway], [ErrClosed], or tells of a cost below 1 or above [Rate].Burst.
func (t *Throttle) Reserve(ctx context.Context, cost int, maxWait time.Duration) (wait time.Duration, ok bool, err error) {
	switch {
	case cost < 1 || float64(cost) > t.rate.depth():
		return 0, false, fmt.Errorf("fleet: throttle: a cost of %d; want 1 to %.0f, which is what the bucket holds", cost, math.Floor(t.rate.depth()))
	case ctx.Err() != nil:
		return 0, false, ctx.Err()
	}
	maxWait = max(0, maxWait)
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return 0, false, ErrClosed
	}
	now := time.Now()
	t.demand.add(cost)
	if t.guard.Away() {
		defer t.mu.Unlock()
		return t.alone(now, cost, maxWait)
	}
	if wait, ok := t.fromStock(now, cost, maxWait); ok {
		t.mu.Unlock()
		return wait, true, nil
	}
	a := &ask{cost: cost, maxWait: maxWait, done: make(chan answer, 1)}
	t.pending = append(t.pending, a)
	t.fly()
	t.mu.Unlock()
	return t.await(ctx, a)
}

// await waits for the exchange that serves a, as long as the budget allows.
func (t *Throttle) await(ctx context.Context, a *ask) (time.Duration, bool, error) {
	budget := time.NewTimer(t.budget())
	defer budget.Stop()
	select {
	case got := <-a.done:
		return got.wait, got.ok, got.err
	case <-budget.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select { // it may have come just now
	case got := <-a.done:
		return got.wait, got.ok, got.err
	default:
	}
	a.left = true
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	return t.alone(time.Now(), a.cost, a.maxWait)
}

func (t *Throttle) budget() time.Duration {
	if b := t.fleet.options.Budget; b > 0 {
		return b
	}
	return 20 * time.Millisecond
}

// fromStock serves a caller with what was taken ahead.
func (t *Throttle) fromStock(now time.Time, cost int, maxWait time.Duration) (time.Duration, bool) {
	if cost != 1 || t.share.on || now.Before(t.quiet) {
		return 0, false
	}
	t.due.refund += float64(t.stock.expire(now))
	wait, ok := t.stock.take(now, maxWait)
	if !ok {
		return 0, false
	}
	t.counts.fromStock++
	return wait, true
}

// alone serves a caller from the share of this process.
func (t *Throttle) alone(now time.Time, cost int, maxWait time.Duration) (time.Duration, bool, error) {
	if t.link.members == 0 && t.guard.Away() {
		return 0, false, ErrAway
	}
	t.share.start(later(now, t.link.tail))
	quiet := max(0, t.quiet.Sub(now))
	if quiet > maxWait {
		return quiet, false, nil
	}
	rate, burst := t.part()
	wait, ok := t.share.take(later(now, t.quiet), cost, rate, burst, maxWait-quiet)
	if ok {
		t.counts.alone++
	}
	return quiet + wait, ok, nil
}

// strangers is how many processes are supposed to share before Redis has told.
const strangers = 16

// part is this process's part of the rate and of the burst.
func (t *Throttle) part() (rate, burst float64) {
	n := float64(t.link.members)
	if n == 0 {
		n = strangers
	}
	return t.link.rate / n, t.rate.depth() / n
}

// Feedback tells what the upstream said to an attempt. A rate-limit answer quiets
// this process at once and the others within a round trip, for retryAfter, at most
// [Rate].MaxQuiet; with [Rate].Adaptive it cuts the rate of all. It does not
// block.
func (t *Throttle) Feedback(limited bool, retryAfter time.Duration) {
	if !limited {
		t.accepted.Add(1)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.counts.limited++
	now := time.Now()
	t.hush(now, min(max(0, retryAfter), t.rate.MaxQuiet))
	if t.guard.Away() && t.rate.Adaptive {
		t.link.cut(now, t.rate.Floor)
	}
	t.due.limited = true
	t.fly()
}

// hush lets nothing be sent for a time. What was taken ahead goes back.
func (t *Throttle) hush(now time.Time, quiet time.Duration) {
	if until := now.Add(quiet); quiet > 0 && until.After(t.quiet) {
		t.quiet = until
		t.due.refund += float64(t.stock.drop())
	}
}

// Quiet is until when nothing is to be sent because the upstream asked some process
// for quiet; zero if that is over. A token that was reserved before and comes due
// in it is not to be used. It answers from memory.
func (t *Throttle) Quiet() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.quiet) {
		return t.quiet
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
