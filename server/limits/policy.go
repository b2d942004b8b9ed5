package limits

import (
	"math"
	"time"
)

// tally is what a limit remembers of one client. Times are microseconds of one
// clock. limit.lua of package fleet keeps the same in Redis, figure by figure.
type tally interface {
	// decide counts a request if it is allowed.
	decide(r Rate, now int64) Decision
}

func newTally(r Rate, now int64) tally {
	if r.Algorithm == SlidingWindow {
		return &window{base: now / width(r)}
	}
	return &bucket{at: now, level: float64(r.Depth()) * float64(r.Window.Microseconds())}
}

// bucket gains requests as time passes and holds no more than its depth. Its level is
// in requests times the microseconds of the window: so a microsecond gains Requests and
// a request costs the window, and nothing is ever rounded.
type bucket struct {
	at    int64
	level float64
}

func (b *bucket) decide(r Rate, now int64) Decision {
	requests, price := float64(r.Requests), float64(r.Window.Microseconds())
	full := float64(r.Depth()) * price
	b.level, b.at = min(full, b.level+float64(now-b.at)*requests), now
	d := Decision{Limit: r.Depth(), Allowed: price <= b.level, Local: true}
	if d.Allowed {
		b.level -= price
	} else {
		d.RetryAfter = micros((price - b.level) / requests)
	}
	d.Remaining = int(b.level / price)
	d.Reset = micros((full - b.level) / requests)
	return d
}

func micros(v float64) time.Duration { return time.Duration(math.Ceil(v)) * time.Microsecond }

// slots are a window of 16, and one more for the part of the oldest that the window
// still covers: so that no window, wherever it begins, holds more than the limit.
const slots = 17

// window counts requests by slot, the newest first.
type window struct {
	base   int64 // number of the newest slot
	counts [slots]int32
}

func width(r Rate) int64 {
	us := r.Window.Microseconds()
	return (us + slots - 2) / (slots - 1)
}

// turn moves the window on to now.
func (w *window) turn(r Rate, now int64) {
	passed := now/width(r) - w.base
	if passed <= 0 {
		return
	}
	var counts [slots]int32
	if passed < slots {
		copy(counts[passed:], w.counts[:])
	}
	w.base, w.counts = w.base+passed, counts
}

func (w *window) decide(r Rate, now int64) Decision {
	w.turn(r, now)
	sum := 0
	for _, n := range w.counts {
		sum += int(n)
	}
	leaves := func(i int) time.Duration {
		return time.Duration((w.base-int64(i)+slots)*width(r)-now) * time.Microsecond
	}
	d := Decision{Limit: r.Requests, Allowed: sum < r.Requests, Local: true}
	if d.Allowed {
		w.counts[0]++
		sum++
	}
	d.Remaining = r.Requests - sum
	for i, n := range w.counts { // until the newest leaves, and until the oldest does
		if n > 0 && d.Reset == 0 {
			d.Reset = leaves(i)
		}
		if n > 0 && !d.Allowed {
			d.RetryAfter = leaves(i)
		}
	}
	return d
}
