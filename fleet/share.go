package fleet

import (
	"math/rand/v2"
	"time"
)

// share is the bucket of this process alone, filled at its part of the shared
// rate. It paces while Redis is away, and a while longer together with the
// shared bucket, until the others are back as well.
type share struct {
	on    bool
	until time.Time // the end of that while; zero as long as Redis is away
	at    time.Time
	level float64 // below 0, booked
	taken float64 // since it was turned on
}

// start turns it on with nothing in it, earning from `from` on. That the first token takes
// a random part of another keeps processes that start together from sending together.
func (s *share) start(from time.Time) {
	if s.on {
		return
	}
	*s = share{on: true, at: from, level: -rand.Float64()}
}

// stop turns it off.
func (s *share) stop() { *s = share{} }

// over reports whether the while after an outage has passed.
func (s *share) over(now time.Time) bool {
	return s.on && !s.until.IsZero() && !now.Before(s.until)
}

// take books cost tokens at rate per second, out of a bucket that holds burst.
func (s *share) take(now time.Time, cost int, rate, burst float64, maxWait time.Duration) (wait time.Duration, ok bool) {
	if now.After(s.at) {
		s.level = min(max(burst, 1), s.level+now.Sub(s.at).Seconds()*rate)
		s.at = now
	}
	wait = max(0, s.at.Sub(now))
	if short := float64(cost) - s.level; short > 0 {
		wait += seconds(short / rate)
	}
	if wait > maxWait {
		return wait, false
	}
	s.level -= float64(cost)
	s.taken += float64(cost)
	return wait, true
}

// booked is how many of its tokens are still to come, at rate per second.
func (s *share) booked(now time.Time, rate float64) float64 {
	if !s.on {
		return 0
	}
	return max(0, -s.level-max(0, now.Sub(s.at).Seconds())*rate)
}

// seconds is a duration that does not overflow.
func seconds(v float64) time.Duration {
	return time.Duration(min(v*float64(time.Second), float64(1<<62)))
}
