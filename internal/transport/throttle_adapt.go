package transport

import "time"

// adapt finds the rate that the upstream accepts, somewhere below the ceiling. It
// is a pure state machine on the throttle's clock.
//
// # What a rate-limit answer tells
//
// At the moment the upstream turns a request away its allowance is empty: a dry
// moment. Between two dry moments it accepted exactly what it allows, so
//
//	limit = accepted / time between two dry moments
//
// whatever the size of its burst, as long as we asked for more than the limit
// most of that time. That makes each later cut land just below the limit instead of
// some fixed fraction under the rate we happened to be at. Before the second
// dry moment only the wave itself tells something: the share of it that still
// got through while the allowance was empty.
//
// # What happens after it
//
// All answers to requests that left before a cut belong to that cut's wave and cut
// no more. The throttle holds for about one round trip until the wave is in
// (it costs nothing: what is not used meanwhile the upstream saves up), then goes
// on below the estimate and grows along a cubic curve (as in CUBIC, RFC 9438):
// flat around the last known limit, faster the longer nothing is turned away. The
// curve's clock runs on accepted requests, so an idle client does not grow.
//
// If nothing at all gets through after a cut, the rate is not the matter (the
// rest of a fixed window, say): single probes at growing distances then find
// the moment when the upstream accepts again.
type adapt struct {
	ceiling, floor float64 // tokens per second
	rate           float64 // current pace, floor <= rate <= ceiling

	curve curve

	epoch  uint32        // number of cuts and failed probes so far
	proven bool          // something of this epoch was accepted
	dry    time.Duration // the last dry moment; the first departure before there was any
	acc    float64       // accepted requests that left after dry
	quiet  time.Duration // how much of the time since dry was spent held or gated
	entry  float64       // rate at which the epoch began
	firm   bool          // curve.limit was measured between two dry moments

	waving   bool          // a cut waits for the rest of its wave
	settleAt time.Duration // when the wave counts as complete
	gated    time.Duration // Retry-After of the cut that is being settled

	hold    time.Duration // nothing leaves before, unless something is accepted
	backoff time.Duration // distance of the next probe; 0 while not probing

	surge    float64 // measured burst of the upstream, 0 = unknown
	burst    float64 // burst that the upstream is known to stand, 0 = unknown
	history  history
	cuts     uint64
	departed bool
}

// curve is the way back up: limit at clock == span, with a flat stretch around.
type curve struct {
	limit float64 // tokens per second
	depth float64 // how far below limit it starts, as a share of it
	span  float64 // seconds of sending at full pace until limit is reached
	clock float64 // seconds of sending at full pace so far
}

func (c *curve) rate() float64 {
	x := (c.clock - c.span) / c.span
	return c.limit * (1 + c.depth*x*x*x)
}

// The law's constants. None depends on the upstream's limit.
const (
	softCut   = 0.97 // of a measured limit
	hardCut   = 0.80 // of the pace, when nothing was measured
	waveCut   = 0.85 // of an estimate from one wave
	heavyWave = 5    // rejected requests that make a wave's estimate worth something

	firmSpan  = 2.0  // seconds from a cut back to a measured limit,
	firmCount = 50.0 // or as many requests,
	gateSpan  = 8.0  // or as many times the pause that the cut cost
	looseSpan = 0.5  // seconds from a cut back to a guessed limit
	looseGate = 2.0

	minHold = 10 * time.Millisecond
	maxHold = 250 * time.Millisecond
	maxStep = 5 * time.Second // longest distance of probes
)

// depart notes that a request leaves.
func (a *adapt) depart(now time.Duration) Grant {
	if !a.departed {
		a.departed = true
		a.dry = now
	}
	if a.backoff > 0 { // a probe: the next one only if this one stays unanswered
		a.hold = now + a.backoff
	}
	return Grant{at: now, epoch: a.epoch, ok: true}
}

// accept takes the news that a request got through. It reports whether that ends
// a hold.
func (a *adapt) accept(g Grant, now time.Duration) (released bool) {
	a.history.add(entry{sent: g.at, took: now - g.at, epoch: g.epoch})
	a.acc++
	if g.epoch != a.epoch {
		return false
	}
	a.proven = true
	if a.backoff > 0 {
		a.quiet += max(0, now-a.dry)
		a.backoff, a.hold = 0, 0
		released = true
	}
	if a.rate < a.ceiling {
		a.curve.clock += 1 / a.rate
		a.rate = min(a.ceiling, max(a.rate, a.curve.rate()))
	}
	return released
}

// limit takes the news that a request was turned away, with the wait it was
// asked for (0 for none). It reports whether that is news: a request that
// left before the last cut is part of that cut's wave.
func (a *adapt) limit(g Grant, now, asked time.Duration) bool {
	a.history.add(entry{sent: g.at, took: now - g.at, epoch: g.epoch, limited: true})
	if g.epoch != a.epoch {
		return false
	}
	if a.epoch > 0 && !a.proven {
		a.probeFailed(g, now)
	} else {
		a.waving = true
		a.gated = asked
		a.hold = now + a.history.roundTrip()
		a.settleAt = a.hold
		a.backoff = 0
	}
	a.epoch++
	a.proven = false
	return true
}

// probeFailed: nothing got through since the last cut.
func (a *adapt) probeFailed(g Grant, now time.Duration) {
	if a.backoff == 0 {
		a.backoff = a.history.roundTrip()
	}
	a.backoff = min(a.backoff*3/2, maxStep)
	a.hold = now + a.backoff
	// A bucket that refills by less than one request in all that time is slower
	// than we thought, unless we know better.
	if dead := (g.at - a.dry).Seconds(); !a.firm && a.rate*dead > 2 {
		a.cutTo(a.rate*hardCut, a.curve.limit, a.curve.span)
	}
}

// settle draws the conclusion of a cut when its wave is in.
func (a *adapt) settle(now time.Duration) {
	if !a.waving || now < a.settleAt {
		return
	}
	a.waving = false
	w := a.history.wave(a.epoch - 1)
	first := a.cuts == 0
	accepted := max(0, a.acc-w.after)
	span := (w.last - a.dry).Seconds()
	pace := min(a.rate, max(a.history.pace(a.epoch-1), a.rate/4))
	if first && span < 1 {
		a.burst = max(1, accepted/2)
		a.surge = accepted
	}
	switch inside := w.rate(); {
	case w.limited >= heavyWave && inside < 0.6*pace:
		a.firm = false
		span := looseSpan
		if a.gated > 0 {
			span = looseGate * a.gated.Seconds()
		}
		a.cutTo(waveCut*inside, inside, span)
	case first:
		a.cutTo(hardCut*pace, 0.9*pace, looseSpan)
	default:
		a.measured(accepted, span, pace)
	}
	a.cuts++
	a.dry, a.acc, a.quiet = w.last, w.after, max(0, a.hold-w.last)+a.gated
	a.entry = a.rate
}

// measured cuts to just below what was accepted between two dry moments.
func (a *adapt) measured(accepted, span, pace float64) {
	active := max(span-a.quiet.Seconds(), 1e-3)
	limit := accepted / max(span, 1e-3)
	if a.gated > 0 && a.surge > 0 {
		limit = max(limit, (accepted-a.surge)/active)
	}
	lowest := hardCut * pace
	if busy := a.curve.clock >= 0.7*active && a.entry >= 0.85*a.rate && a.quiet.Seconds() < 0.3*span; busy {
		lowest = min(lowest, (accepted+1)/max(span, 1e-3))
	}
	next := min(max(softCut*limit, lowest), softCut*pace)
	a.firm = accepted >= 20
	limit = max(limit, next/softCut)
	a.cutTo(next, limit, max(firmSpan, firmCount/limit, gateSpan*a.gated.Seconds()))
}

// cutTo sets the pace and the way back up to the limit.
func (a *adapt) cutTo(rate, limit, span float64) {
	a.rate = max(a.floor, min(rate, a.ceiling))
	limit = max(limit, a.rate)
	a.curve = curve{limit: limit, depth: max(1-a.rate/limit, 0.02), span: span}
}

// setCeiling moves the ceiling; a rate that was at the old one follows it.
func (a *adapt) setCeiling(rate float64) {
	if a.rate >= a.ceiling {
		a.rate = rate
	}
	a.ceiling = rate
	a.floor = min(a.floor, rate)
	a.rate = min(max(a.rate, a.floor), rate)
}
