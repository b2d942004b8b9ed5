package fleet

import (
	"math"
	"time"
)

// tally is what a limit remembers of one client. Times are microseconds of one
// clock. limit.lua keeps the same in Redis, figure by figure.
type tally interface {
	// decide counts a request of this cost if it is allowed.
	decide(l Limit, now int64, cost int) Decision
}

// bucket gains requests as time passes and holds no more than its depth.
type bucket struct {
	at    int64
	level float64 // in millionths
}

func newBucket(l Limit, now int64) *bucket {
	return &bucket{at: now, level: float64(l.depth()) * micro}
}

func (b *bucket) decide(l Limit, now int64, cost int) Decision {
	requests, window, depth := float64(l.Requests), float64(l.Window.Microseconds()), float64(l.depth())
	gained := math.Floor(float64(max(0, now-b.at)) * requests * micro / window)
	b.level, b.at = min(depth*micro, b.level+gained), now
	d := Decision{Limit: l.depth(), Allowed: float64(cost)*micro <= b.level}
	if d.Allowed {
		b.level -= float64(cost) * micro
	} else {
		d.RetryAfter = micros((min(float64(cost), depth)*micro - b.level) * window / (requests * micro))
	}
	d.Remaining = int(b.level / micro)
	d.Reset = micros((depth*micro - b.level) * window / (requests * micro))
	return d
}

// slots are a window of 16, and one more for the part of the oldest that the window
// still covers: so that no window, wherever it begins, holds more than the limit.
const slots = 17

// window counts requests by slot, the newest first.
type window struct {
	base   int64 // number of the newest slot
	counts [slots]int
}

func width(l Limit) int64 {
	us := l.Window.Microseconds()
	return (us + slots - 2) / (slots - 1)
}

func newWindow(l Limit, now int64) *window { return &window{base: now / width(l)} }

// turn moves the window on to now. A clock that went back by more than a window
// empties it; by less, it stands still.
func (w *window) turn(l Limit, now int64) int64 {
	slot := now / width(l)
	switch passed := slot - w.base; {
	case passed < 1-slots:
		*w = window{base: slot}
	case passed > 0:
		var counts [slots]int
		if passed < slots {
			copy(counts[passed:], w.counts[:])
		}
		w.base, w.counts = slot, counts
	}
	return max(now, w.base*width(l))
}

func (w *window) decide(l Limit, now int64, cost int) Decision {
	now = w.turn(l, now)
	sum, newest := 0, slots
	for i := slots - 1; i >= 0; i-- {
		sum += w.counts[i]
		if w.counts[i] > 0 {
			newest = i
		}
	}
	leaves := func(i int) time.Duration {
		return time.Duration((w.base-int64(i)+slots)*width(l)-now) * time.Microsecond
	}
	d := Decision{Limit: l.Requests, Allowed: sum+cost <= l.Requests}
	if d.Allowed {
		w.counts[0] += cost
		sum, newest = sum+cost, 0
	} else {
		left := sum
		for i := slots - 1; i >= 0 && left+cost > l.Requests; i-- {
			if w.counts[i] > 0 {
				left -= w.counts[i]
				d.RetryAfter = leaves(i)
			}
		}
	}
	d.Remaining = l.Requests - sum
	if newest < slots {
		d.Reset = leaves(newest)
	}
	return d
}

func micros(v float64) time.Duration { return time.Duration(math.Ceil(v)) * time.Microsecond }
