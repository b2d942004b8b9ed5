package transport

import (
	"context"
	"math"
	"time"
)

// briefly is how long an impatient call waits for the next probe to end when one
// has succeeded already.
const briefly = 250 * time.Millisecond

// breakerWaiter is a call that waits for the breaker.
type breakerWaiter struct {
	place      uint64 // calls keep it over all their waits
	wake       chan struct{}
	deadline   time.Time // zero: none
	patience   time.Time // of an impatient call, until the breaker closes; zero: as long as it takes
	prev, next *breakerWaiter
	queued     bool
}

// tooLate reports whether the call cannot, or would not, wait for a probe at until.
func (w *breakerWaiter) tooLate(until time.Time) bool {
	return !w.patience.IsZero() || !w.deadline.IsZero() && !until.Before(w.deadline)
}

func (w *breakerWaiter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// waitingLine is a queue in the order in which the calls first came.
type waitingLine struct {
	head, tail *breakerWaiter
	size       int
	last       uint64 // place handed out
}

// insert puts w in its place, nearly always the last.
func (l *waitingLine) insert(w *breakerWaiter) {
	after := l.tail
	for after != nil && after.place > w.place {
		after = after.prev
	}
	w.prev = after
	if after == nil {
		w.next, l.head = l.head, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		l.tail = w
	} else {
		w.next.prev = w
	}
	w.queued = true
	l.size++
}

func (l *waitingLine) remove(w *breakerWaiter) {
	if !w.queued {
		return
	}
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	l.size--
}

// rouse wakes the first, who decides.
func (l *waitingLine) rouse() {
	if l.head != nil {
		l.head.rouse()
	}
}

// sweep wakes everybody who cannot wait for the next probe.
func (l *waitingLine) sweep(until time.Time) {
	for w := l.head; w != nil; w = w.next {
		if w.tooLate(until) {
			w.rouse()
		}
	}
}

// join puts a call into the line.
func (b *Breaker) join(ctx context.Context, call *Call) *breakerWaiter {
	if call.state.place == 0 {
		b.waiting.last++
		call.state.place = b.waiting.last
		b.arrived++
	}
	w := &breakerWaiter{place: call.state.place, wake: make(chan struct{}, 1)}
	w.deadline, _ = ctx.Deadline()
	if !call.Limits.Patient {
		w.patience = time.Now().Add(briefly)
	}
	b.waiting.insert(w)
	b.calm.Store(false)
	return w
}

// await is the wait in line. Only the first has a timer; who leaves wakes the
// next.
func (b *Breaker) await(ctx context.Context, w *breakerWaiter) (pass, error) {
	var head alarm
	defer head.stop()
	for {
		p, wait, err := b.turn(ctx, w)
		b.tell()
		if wait == 0 || err != nil {
			return p, err
		}
		head.set(wait)
		select {
		case <-head.due:
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// turn lets w go if it may: wait is 0 then. Otherwise it says when to ask again,
// unless woken; a negative wait means not before that.
func (b *Breaker) turn(ctx context.Context, w *breakerWaiter) (p pass, wait time.Duration, err error) {
	var ended error
	if ctx.Err() != nil {
		ended = contextError(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.heed(now)
	left := b.patience(w, now)
	switch {
	case ended != nil:
		err = b.refuse(ended)
	case b.state == BreakerOpen && w.tooLate(b.until), left == 0:
		err = b.refuse(nil)
	case w != b.waiting.head:
		return pass{}, left, nil
	default:
		if p.probe, wait = b.release(now); wait != 0 {
			return pass{}, soonest(wait, left), nil
		}
		p.b = b
	}
	b.waiting.remove(w)
	b.next()
	return p, 0, err
}

// soonest is the shorter of two waits; negative ones last until somebody is woken.
func soonest(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// patience is how long w will wait yet, negative if until it is woken: whoever has
// lived to see the breaker close waits for the ramp as well.
func (b *Breaker) patience(w *breakerWaiter, now time.Time) time.Duration {
	if w.patience.IsZero() || b.state == BreakerClosed || b.state == BreakerForcedClosed {
		return -1
	}
	return max(0, w.patience.Sub(now))
}

// release is try for those who waited: they leave a closed breaker on a ramp.
func (b *Breaker) release(now time.Time) (*probe, time.Duration) {
	if b.state == BreakerClosed {
		if wait := b.ramp.wait(now); wait > 0 {
			return nil, wait
		}
		b.ramp.released++
	}
	goes, p, wait := b.try(now)
	if !goes && wait == 0 {
		wait = -1
	}
	return p, wait
}

// breakerRamp lets those who waited go when the breaker has closed: not all at once, since
// an upstream that has just come back meets its normal load as well. In the first
// second they come at half the normal rate, rising to all of it; so the upstream
// sees less than twice its normal load. After that their rate doubles every
// second.
type breakerRamp struct {
	rate     float64 // calls per second in normal times
	base     float64 // the same, as the present ramp sees it
	from     time.Time
	released int
}

// minRate keeps the ramp moving where the normal rate is next to nothing.
const minRate = 5

// learn takes the load from what the window held when the breaker tripped.
func (r *breakerRamp) learn(calls int, span time.Duration) {
	r.rate = float64(calls) / max(span.Seconds(), 1)
}

// begin starts the ramp after an outage that so many calls came in.
func (r *breakerRamp) begin(now time.Time, arrived int, outage time.Duration) {
	r.base = max(r.rate, float64(arrived)/max(outage.Seconds(), 1), minRate)
	r.from, r.released = now, 0
}

// wait is how long after now the next may go.
func (r *breakerRamp) wait(now time.Time) time.Duration {
	n := float64(r.released) / r.base
	var t float64 // seconds after from
	if n <= 0.75 {
		t = math.Sqrt(1+4*n) - 1
	} else {
		t = 1 + math.Log2(1+(n-0.75)*math.Ln2)
	}
	return time.Duration(t*float64(time.Second)) - now.Sub(r.from)
}
