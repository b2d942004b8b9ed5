package transport

import (
	"math"
	"time"
)

// curve is the way back up after a cut: a cubic as in CUBIC (RFC 9438), flat
// around the last known limit and steeper the longer nothing is turned away. Its
// clock runs on accepted requests: an idle client does not climb.
type curve struct {
	limit float64 // tokens per second; reached when clock == span
	depth float64 // how far below limit it starts, as a share; 1 starts at nothing
	span  float64 // seconds of sending at the pace
	clock float64 // seconds of sending at the pace so far
}

// minSpan is the shortest way back, in seconds; a limit of which nothing is known
// yet has no span of its own.
const minSpan = 0.5

// firmCurve returns to a limit that was measured: in 2 s, or 50 requests, or as
// long as makes the next pause of the asked length a small part of the time.
func firmCurve(limit, asked float64) curve {
	return curve{limit: limit, span: max(2, 50/limit, 8*asked)}
}

// unsureCurve returns to a limit whose measure may be too low.
func unsureCurve(limit float64) curve {
	return curve{limit: limit, depth: 0.1, span: max(1.5, 20/limit)}
}

// looseCurve returns to a limit that was guessed.
func looseCurve(limit, asked float64) curve {
	return curve{limit: limit, depth: 1, span: max(0.8, 2*asked)}
}

// from returns the curve with its clock set to where it passes rate.
func (c curve) from(rate float64) curve {
	c.limit, c.span = max(c.limit, rate), max(c.span, minSpan)
	gap := 1 - rate/c.limit
	c.depth = max(c.depth, gap, 0.02)
	c.clock = c.span * (1 - math.Cbrt(gap/c.depth))
	return c
}

// advance moves the clock by seconds and returns the rate there.
func (c *curve) advance(seconds float64) float64 {
	c.clock += seconds
	x := c.clock/c.span - 1
	return c.limit * (1 + c.depth*x*x*x)
}

// ramp holds back a client that has no answer yet: after the burst, each accepted
// request lets two more leave, so the number under way at most doubles per round
// trip and the first wave that meets an unknown limit stays small. A trickle of
// an eighth of the rate goes on without answers, and after a second the ramp
// is over whatever happened.
type ramp struct {
	credit   bucket
	end      time.Duration
	departed bool
	over     bool
}

const (
	rampTrickle = 8
	rampTime    = time.Second
)

func newRamp(burst int) ramp {
	return ramp{credit: bucket{burst: math.Inf(1), tokens: float64(burst)}}
}

// wait is how long a client at the given rate still holds back.
func (r *ramp) wait(now time.Duration, rate float64) time.Duration {
	if r.over || !r.departed {
		return 0
	}
	if now >= r.end {
		r.over = true
		return 0
	}
	r.credit.refill(now, rate/rampTrickle)
	return min(r.credit.wait(1, rate/rampTrickle), r.end-now)
}

// depart notes a departure and reports whether it is the first ever.
func (r *ramp) depart(now time.Duration) (first bool) {
	if !r.departed {
		r.departed, r.end, r.credit.last = true, now+rampTime, now
		first = true
	}
	if !r.over {
		r.credit.take()
	}
	return first
}

// accept notes an accepted request and reports whether that lets others leave.
func (r *ramp) accept() bool {
	if r.over {
		return false
	}
	r.credit.tokens += 2
	return true
}
