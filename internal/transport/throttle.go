package transport

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// Throttle paces the attempts of one client: a token per attempt, first come,
// first served. Attempts that left in any interval t never exceed
// Rate*t + Burst, also after the process was stopped for a while, as a token is
// taken when it is used and never booked ahead. Below that ceiling it follows
// what the upstream accepts (see Feedback).
//
// It runs no goroutine of its own. All methods are safe for concurrent use, and
// on a nil *Throttle they do nothing: every Take succeeds at once.
type Throttle struct {
	base time.Time // the throttle's clock counts from here

	mu     sync.Mutex
	cfg    ThrottleConfig
	bucket bucket
	adapt  adapt
	gate   gate
	queue  queue

	accepted, limited uint64
}

// NewThrottle returns a throttle, nil if cfg.Rate is 0, or an error that names every
// bad field.
func NewThrottle(cfg ThrottleConfig) (*Throttle, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Rate == 0 {
		return nil, nil //nolint:nilnil // a nil throttle is one that is off
	}
	cfg = cfg.withDefaults()
	t := &Throttle{base: time.Now(), cfg: cfg}
	t.bucket = bucket{burst: float64(cfg.Burst), tokens: float64(cfg.Burst)}
	t.adapt = newAdapt(cfg.Rate, cfg.Floor, cfg.Burst)
	t.adapt.ramp.over = cfg.Fixed
	t.gate.whole = cfg.Fixed || cfg.WholeGate
	return t, nil
}

// Grant is the leave to send one attempt now. Hand it to Feedback with what
// the upstream answered. The zero Grant is ignored there.
type Grant struct {
	at    time.Duration
	epoch uint32
	ok    bool
}

// Take waits for a token and returns the leave to send one attempt, which should
// then leave at once. Waiting callers are served in the order they came.
//
// If the token lies past ctx's deadline Take returns a [*ThrottledError] at once;
// a caller that is already waiting gets it as soon as that becomes clear. If
// ctx ends first its error is returned. In both cases no token is spent.
func (t *Throttle) Take(ctx context.Context) (Grant, error) {
	if t == nil {
		return Grant{}, nil
	}
	clock := time.Now()
	if endedAt(ctx, clock) != nil {
		return Grant{}, waitError(ctx)
	}
	// The clock may have moved on by the time the lock is had; then the tokens earned
	// meanwhile are not counted yet, which errs on the slow side.
	now := clock.Sub(t.base)
	t.mu.Lock()
	if t.queue.size == 0 && t.ready(now) == 0 {
		g := t.depart(now)
		t.mu.Unlock()
		return g, nil
	}
	w := t.waiter(ctx)
	if err := t.refusal(w, now, t.queue.size); err != nil {
		t.mu.Unlock()
		return Grant{}, err
	}
	t.queue.push(w)
	t.mu.Unlock()
	return t.await(ctx, w)
}

// await is the wait in the queue. The one at its head holds a timer, the
// others wait to become it. Nobody is handed a token: each takes its own when
// it is awake, so that late risers cannot bunch up.
func (t *Throttle) await(ctx context.Context, w *waiter) (Grant, error) {
	var head alarm
	defer head.stop()
	done := ctx.Done()
	for {
		g, wait, err := t.try(ctx, w)
		if wait == 0 || err != nil {
			return g, err
		}
		head.set(wait)
		select {
		case <-head.due:
		case <-w.wake:
		case <-done:
		}
	}
}

// try lets w leave if it is its turn. Otherwise it returns how long the head has
// to wait, or a negative time to anybody behind it.
func (t *Throttle) try(ctx context.Context, w *waiter) (g Grant, wait time.Duration, err error) {
	ended := ctx.Err() != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case w.refused != nil:
		return g, 0, w.refused
	case ended:
		t.queue.remove(w)
		return g, 0, waitError(ctx)
	case t.queue.head != w:
		return g, -1, nil
	}
	now := t.now()
	wait = t.ready(now)
	if wait == 0 {
		t.queue.remove(w)
		return t.depart(now), 0, nil
	}
	if err := t.refusal(w, now, 0); err != nil {
		t.queue.remove(w)
		return g, 0, err
	}
	return g, wait, nil
}

// Feedback is what the upstream said to one attempt.
type Feedback struct {
	// Limited is true for a rate-limit answer. Any other answer that
	// shows that the attempt was let through counts as accepted.
	Limited bool
	// RetryAfter is the wait that the answer asked for, 0 for none.
	RetryAfter time.Duration
}

// Feedback reports what became of an attempt. Call it once per grant when the
// upstream has answered; do not call it if there was no answer, or none that
// tells (a transport error, a 5xx).
//
// A rate-limit answer cuts the rate, once for all attempts that were under way
// together; accepted attempts let it grow again, up to Rate. A Retry-After closes
// the gate for every caller of this throttle, for that long plus up to a
// twentieth of it (so that several processes do not return together), bounded by
// GateCap. It reopens with an empty bucket.
//
// Behind a Retry-After of less than 2 s, which may well be a fraction of a second rounded
// up, one attempt may look in after 50 ms or a round trip, whichever is longer, unless
// WholeGate or Fixed is set. If it is accepted, the gate opens at once, for the rate cut
// as without a Retry-After; if it is turned away, the gate stays closed to its end, and
// looks become rare as long as none is accepted.
func (t *Throttle) Feedback(g Grant, f Feedback) {
	if t == nil || !g.ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.adapt.settle(now)
	if f.Limited {
		t.turnedAway(g, now, min(max(f.RetryAfter, 0), t.cfg.GateCap))
	} else {
		t.letThrough(g, now)
	}
}

// letThrough takes in that a request was accepted.
func (t *Throttle) letThrough(g Grant, now time.Duration) {
	t.accepted++
	sooner := t.gate.lookedIn(g, now)
	if sooner {
		t.gate.open(g, now)
		t.adapt.cut.opens, t.adapt.cut.asked = now, 0 // as if nothing had been asked
		t.adapt.cut.due = now
		t.adapt.settle(now)
	}
	if !t.cfg.Fixed && t.adapt.accept(g, now) || sooner {
		t.bucket.resume(max(now, t.gate.until))
		if t.queue.head != nil {
			t.queue.head.rouse()
		}
	}
}

// turnedAway takes in that a request was not.
func (t *Throttle) turnedAway(g Grant, now, asked time.Duration) {
	t.limited++
	if t.gate.lookedIn(g, now) {
		t.gate.confirm()
		t.adapt.cut.due = now
		t.adapt.settle(now)
	}
	news := !t.cfg.Fixed && t.adapt.reject(g, now, asked)
	if t.gate.close(g, now, asked, t.adapt.history.roundTrip()) {
		news = true
	}
	if news {
		t.bucket.refill(now, t.adapt.rate)
		cut := &t.adapt.cut
		cut.opens = max(now, t.gate.until, t.adapt.hold)
		if t.gate.look > 0 { // how much to cut depends on what is seen
			cut.due = t.gate.until
		}
		t.bucket.drain(t.opening(now, 0))
		t.sweep(now)
	}
}

// SetRate moves the ceiling to rate attempts per second, more than 0. A rate that
// was not cut follows it; a cut one stays where it is, below the new ceiling.
func (t *Throttle) SetRate(rate float64) error {
	if t == nil {
		return nil
	}
	if math.IsNaN(rate) || math.IsInf(rate, 0) || rate <= 0 {
		return fmt.Errorf("throttle: rate is %v; want a finite number above 0", rate)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.ready(now) // what was earned so far was earned at the old rate
	t.adapt.setCeiling(rate)
	t.sweep(now)
	if t.queue.head != nil {
		t.queue.head.rouse() // its timer was set for the old rate
	}
	return nil
}

// Stats returns a snapshot; on a nil throttle it is zero.
func (t *Throttle) Stats() ThrottleStats {
	if t == nil {
		return ThrottleStats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.ready(now)
	s := ThrottleStats{
		Rate: t.adapt.rate, Ceiling: t.adapt.ceiling, Tokens: t.bucket.tokens, Waiting: t.queue.size,
		Accepted: t.accepted, Limited: t.limited, Cuts: t.adapt.cuts,
	}
	if t.gate.until > now {
		s.GateUntil = t.base.Add(t.gate.until)
	}
	if t.adapt.hold > now {
		s.HeldUntil = t.base.Add(t.adapt.hold)
	}
	return s
}

func (t *Throttle) now() time.Duration { return time.Since(t.base) }

// opening is the earliest time, from now on, at which somebody may leave who has so many
// ahead.
func (t *Throttle) opening(now time.Duration, ahead int) time.Duration {
	if ahead > 0 {
		return max(now, t.gate.until, t.adapt.hold)
	}
	return max(now, t.gate.opens(), t.adapt.hold)
}

// ready brings the state up to now and returns how long the next departure has
// to wait.
func (t *Throttle) ready(now time.Duration) time.Duration {
	t.adapt.settle(now)
	if open := t.opening(now, 0); open > now {
		return max(open-now, t.need(now, 0))
	}
	if b := t.adapt.burst; b > 0 {
		t.bucket.burst = min(float64(t.cfg.Burst), b)
	}
	t.bucket.refill(now, t.adapt.rate)
	return max(t.bucket.wait(1, t.adapt.rate), t.adapt.ramp.wait(now, t.adapt.rate))
}

// need is how long the caller has to wait that has ahead others before it.
func (t *Throttle) need(now time.Duration, ahead int) time.Duration {
	from := max(t.opening(now, ahead), t.bucket.last)
	return from - now + t.bucket.wait(float64(ahead+1), t.adapt.rate)
}

func (t *Throttle) depart(now time.Duration) Grant {
	t.bucket.take()
	g := t.adapt.depart(now)
	if t.adapt.hold > now { // a probe: what follows it waits for its answer
		t.bucket.drain(t.adapt.hold)
	}
	if t.gate.depart(now) {
		t.bucket.drain(t.gate.until)
		t.sweep(now)
	}
	return g
}

// refusal returns the error for a caller that cannot make its deadline.
func (t *Throttle) refusal(w *waiter, now time.Duration, ahead int) error {
	wait := t.need(now, ahead)
	if now+wait <= w.deadline {
		return nil
	}
	return &ThrottledError{Wait: wait, Gated: t.gate.until > now}
}

// sweep refuses everybody in the queue whose deadline has become too early.
func (t *Throttle) sweep(now time.Duration) {
	ahead := 0
	for w := t.queue.head; w != nil; {
		next := w.next
		if err := t.refusal(w, now, ahead); err != nil {
			w.refused = err
			t.queue.remove(w)
			w.rouse()
		} else {
			ahead++
		}
		w = next
	}
}

func (t *Throttle) waiter(ctx context.Context) *waiter {
	w := &waiter{wake: make(chan struct{}, 1), deadline: math.MaxInt64}
	if deadline, ok := ctx.Deadline(); ok {
		w.deadline = deadline.Sub(t.base)
	}
	return w
}

// waitError is the error of a context that ended during a wait; the cause the
// caller gave is in its chain too.
func waitError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err { //nolint:errorlint // identity is meant: no cause was given
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
