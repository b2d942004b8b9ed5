package transport

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrThrottled marks a request that was refused because its token lies past the
// context's deadline. Nothing was sent and nothing was spent. The error in
// the chain is a [*ThrottledError].
var ErrThrottled = errors.New("throttled")

// ThrottledError is the refusal of a [Throttle].
type ThrottledError struct {
	// Wait is how long the token would have taken, as far as can be seen.
	Wait time.Duration
	// Gated is true if the upstream itself asked for the wait (Retry-After).
	Gated bool
}

func (e *ThrottledError) Error() string {
	why := "rate limit of the client"
	if e.Gated {
		why = "the upstream asked to wait"
	}
	return fmt.Sprintf("throttled: %s; a wait of %v would pass the deadline", why, e.Wait.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrThrottled) hold.
func (e *ThrottledError) Is(target error) bool { return target == ErrThrottled }

// DefaultGateCap is the longest quiet time that one Retry-After can impose.
const DefaultGateCap = 60 * time.Second

// ThrottleConfig is what a [Throttle] is made of. The zero value is off.
type ThrottleConfig struct {
	// Rate is the ceiling in attempts per second; 0 turns the throttle off.
	Rate float64
	// Burst is how many attempts may leave at once after idle time. 0 means one
	// second's worth, at least 1 and at most 10.
	Burst int
	// Floor is the rate, per second, that no cut goes below. 0 means one per
	// second, or a tenth of Rate if that is less.
	Floor float64
	// GateCap bounds the quiet time after a Retry-After. 0 means
	// DefaultGateCap.
	GateCap time.Duration
	// Fixed keeps the rate at Rate whatever the upstream answers. Retry-After
	// is honoured all the same.
	Fixed bool
}

func (c ThrottleConfig) check() error {
	var errs []error
	number := func(name string, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			errs = append(errs, fmt.Errorf("throttle: %s is %v; want a finite number of attempts per second, 0 for the default", name, v))
		}
	}
	number("Rate", c.Rate)
	number("Floor", c.Floor)
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("throttle: Burst is %d; want at least 1, or 0 for the default", c.Burst))
	}
	if c.GateCap < 0 {
		errs = append(errs, fmt.Errorf("throttle: GateCap is %v; want a positive duration, or 0 for the default of %v", c.GateCap, DefaultGateCap))
	}
	if c.Rate > 0 && c.Floor > c.Rate {
		errs = append(errs, fmt.Errorf("throttle: Floor %v is above Rate %v; want at most Rate", c.Floor, c.Rate))
	}
	return errors.Join(errs...)
}

func (c ThrottleConfig) withDefaults() ThrottleConfig {
	if c.Burst == 0 {
		c.Burst = int(min(max(math.Ceil(c.Rate), 1), 10))
	}
	if c.Floor == 0 {
		c.Floor = min(1, c.Rate/10)
	}
	if c.GateCap == 0 {
		c.GateCap = DefaultGateCap
	}
	return c
}

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
	gate   time.Duration // nothing leaves before: the upstream asked for it
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
	if ctx.Err() != nil {
		return Grant{}, waitError(ctx)
	}
	t.mu.Lock()
	now := t.now()
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
	var timer *time.Timer
	var due <-chan time.Time
	done := ctx.Done()
	for {
		g, wait, err := t.try(ctx, w)
		if wait == 0 || err != nil {
			if timer != nil {
				timer.Stop()
			}
			return g, err
		}
		switch {
		case wait < 0: // not the head
			due = nil
		case timer == nil:
			timer = time.NewTimer(wait)
			due = timer.C
		default:
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
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
func (t *Throttle) Feedback(g Grant, f Feedback) {
	if t == nil || !g.ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.adapt.settle(now)
	if !f.Limited {
		t.accepted++
		if !t.cfg.Fixed && t.adapt.accept(g, now) {
			t.bucket.resume(max(now, t.gate))
			if t.queue.head != nil {
				t.queue.head.rouse()
			}
		}
		return
	}
	t.limited++
	asked := min(max(f.RetryAfter, 0), t.cfg.GateCap)
	news := !t.cfg.Fixed && t.adapt.reject(g, now, asked)
	if until := now + asked; asked > 0 && until > t.gate {
		t.gate = until + rand.N(asked/20+1)
		news = true
	}
	if news {
		t.bucket.refill(now, t.adapt.rate)
		t.adapt.cut.opens = t.opening(now)
		t.bucket.drain(t.adapt.cut.opens)
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

// ThrottleStats is a snapshot of a [Throttle].
type ThrottleStats struct {
	Rate    float64 // current pace, per second
	Ceiling float64 // configured rate, per second
	Tokens  float64 // attempts that could leave at once
	Waiting int     // callers in the queue

	// GateUntil is when the upstream's Retry-After ends; zero if none is
	// running.
	GateUntil time.Time

	Accepted uint64 // answers reported as let through
	Limited  uint64 // rate-limit answers
	Cuts     uint64 // times that the rate was cut
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
	if t.gate > now {
		s.GateUntil = t.base.Add(t.gate)
	}
	return s
}

func (t *Throttle) now() time.Duration { return time.Since(t.base) }

// opening is the earliest time, from now on, that anything may leave.
func (t *Throttle) opening(now time.Duration) time.Duration {
	return max(now, t.gate, t.adapt.hold)
}

// ready brings the state up to now and returns how long the next departure has
// to wait.
func (t *Throttle) ready(now time.Duration) time.Duration {
	t.adapt.settle(now)
	if open := t.opening(now); open > now {
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
	from := max(t.opening(now), t.bucket.last)
	return from - now + t.bucket.wait(float64(ahead+1), t.adapt.rate)
}

func (t *Throttle) depart(now time.Duration) Grant {
	t.bucket.take()
	g := t.adapt.depart(now)
	if t.adapt.hold > now { // a probe: what follows it waits for its answer
		t.bucket.drain(t.adapt.hold)
	}
	return g
}

// refusal returns the error for a caller that cannot make its deadline.
func (t *Throttle) refusal(w *waiter, now time.Duration, ahead int) error {
	wait := t.need(now, ahead)
	if now+wait <= w.deadline {
		return nil
	}
	return &ThrottledError{Wait: wait, Gated: t.gate > now}
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
