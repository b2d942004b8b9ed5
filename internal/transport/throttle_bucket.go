package transport

import (
	"math"
	"time"
)

// bucket is a token bucket on a clock of its own: times are durations since the
// throttle began and never run backwards. It knows neither goroutines nor wall
// time, so any history can be played to it.
//
// A token is taken at the moment it is used and never promised for later: that
// alone makes taken <= rate*t + burst hold for every interval t. A taker that
// wakes late after a stall finds at most burst tokens, however many would have
// been due meanwhile.
type bucket struct {
	burst  float64
	tokens float64
	last   time.Duration // tokens are counted up to here; in the future while drained
}

// whole forgives the rounding of a token that was filled up in several steps.
const whole = 1 - 1e-9

// refill counts the tokens that rate, in tokens per second, brought up to now.
func (b *bucket) refill(now time.Duration, rate float64) {
	if now <= b.last {
		return
	}
	b.tokens = min(b.burst, b.tokens+rate*(now-b.last).Seconds())
	b.last = now
}

// wait is how long after the last refill the bucket holds n tokens.
func (b *bucket) wait(n, rate float64) time.Duration {
	if b.tokens >= n*whole {
		return 0
	}
	return seconds((n - b.tokens) / rate)
}

// take removes one token; the caller has seen wait(1, rate) == 0.
func (b *bucket) take() { b.tokens = max(0, b.tokens-1) }

// drain empties the bucket and starts filling it again at the time given, so
// that whatever was quiet until then reopens at the pace and not with a burst.
func (b *bucket) drain(until time.Duration) {
	b.tokens = 0
	b.last = max(b.last, until)
}

// resume ends a drain early.
func (b *bucket) resume(now time.Duration) { b.last = min(b.last, now) }

// seconds converts to a duration, rounding up and saturating.
func seconds(s float64) time.Duration {
	ns := math.Ceil(s * float64(time.Second))
	if ns >= math.MaxInt64/4 {
		return math.MaxInt64 / 4
	}
	return time.Duration(ns)
}
