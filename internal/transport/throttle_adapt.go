package transport

import "time"

// adapt finds the rate that the upstream accepts, somewhere below the ceiling. It
// is a pure state machine on the throttle's clock.
//
// # What a rate-limit answer tells
//
// When the upstream turns a request away its allowance is empty: a dry moment.
// Between two dry moments it accepted exactly what it allows, so
//
//	limit = accepted / time between two dry moments
//
// whatever the size of its burst, as long as it was asked for more than the limit.
// So every cut but the first lands just below the limit instead of some fixed
// fraction under the rate that happened to be in force. Before the second dry
// moment only the wave itself tells something: how many still got through
// while the allowance was empty.
//
// # What happens after it
//
// Requests that left before a cut belong to that cut's wave; their answers cut no
// more. The throttle holds for about one round trip until the wave is in (that
// costs nothing: the upstream saves up what is not used), then goes on below
// the estimate and climbs along a [curve] as requests are accepted.
//
// If nothing at all gets through after a cut, the rate is not the matter (the
// rest of a fixed window, say): single probes at growing distances find the
// moment when the upstream accepts again.
//
// A Retry-After makes every dry moment expensive, so after one the way back up is
// longer. While it lasts the upstream's allowance overflows, so the time between
// two dry moments is no measure; what was accepted since the reopening, less the
// burst that the upstream let through at the very start, is.
type adapt struct {
	ceiling, floor float64 // tokens per second
	rate           float64 // current pace, floor <= rate <= ceiling
	curve          curve
	ramp           ramp
	history        history

	epoch  uint32        // number of cuts and failed probes so far
	proven bool          // something that left in this epoch was accepted
	dry    time.Duration // the last dry moment; before any, the first departure
	acc    float64       // accepted requests that left after dry
	used   float64       // the time, in seconds, that they take at the pace
	quiet  time.Duration // how much of the time since dry nothing could leave
	entry  float64       // rate after the last cut
	gated  bool          // the last cut came with a Retry-After
	firm   bool          // curve.limit was measured between two dry moments
	cuts   uint64

	cut    pendingCut
	hold   time.Duration // nothing leaves before, unless something is accepted
	probe  time.Duration // distance of the next probe, 0 while not probing
	blind  float64       // accepted until a wave that told nothing, 0 = none
	onset  float64       // accepted before the first dry moment,
	onsetT float64       // which came so many seconds after the first departure;
	burst  float64       // and the burst that this shows to be safe. 0 = unknown
}

// pendingCut is a cut whose wave is not in yet.
type pendingCut struct {
	waiting bool
	at      time.Duration
	due     time.Duration // when the wave counts as complete
	opens   time.Duration // when requests may leave again
	asked   float64       // Retry-After in seconds
}

// The law's constants. None depends on the upstream's limit.
const (
	softCut   = 0.97 // of a measured limit
	hardCut   = 0.80 // of the pace, when too little was measured
	waveCut   = 0.85 // of an estimate from one wave
	heavyWave = 5    // rejected requests from which on a wave is an estimate
	manyAcc   = 30   // accepted requests from which on a measure is trusted

	minHold  = 10 * time.Millisecond
	maxHold  = 250 * time.Millisecond
	maxProbe = 5 * time.Second
)

func newAdapt(ceiling, floor float64, burst int) adapt {
	return adapt{ceiling: ceiling, floor: floor, rate: ceiling, entry: ceiling, ramp: newRamp(burst)}
}

// depart notes that a request leaves.
func (a *adapt) depart(now time.Duration) Grant {
	if a.ramp.depart(now) {
		a.dry = now
	}
	if a.probe > 0 { // the next one leaves when this one is accepted or lost
		a.hold = now + a.probe
	}
	return Grant{at: now, epoch: a.epoch, ok: true}
}

// accept takes the news that a request got through. It reports whether others may
// leave earlier because of that.
func (a *adapt) accept(g Grant, now time.Duration) (sooner bool) {
	a.history.add(answer{sent: g.at, took: now - g.at, epoch: g.epoch})
	a.acc++
	sooner = a.ramp.accept()
	if g.epoch != a.epoch {
		return sooner
	}
	a.proven = true
	a.used += 1 / a.rate
	if a.probe > 0 {
		a.found(g, now)
		sooner = true
	}
	if a.rate < a.ceiling {
		a.rate = min(a.ceiling, max(a.rate, a.curve.advance(1/a.rate)))
	}
	return sooner
}

// found ends the probing.
func (a *adapt) found(g Grant, now time.Duration) {
	a.quiet += max(0, now-a.dry)
	a.probe, a.hold = 0, 0
	if a.blind > 0 {
		limit := a.blind / max(g.at.Seconds(), 1e-3)
		a.cutTo(min(waveCut*limit, a.rate), curve{limit: limit, span: a.curve.span, depth: 1})
		a.blind = 0
	}
}

// reject takes the news that a request was turned away, with the wait that was
// asked for (0 for none). It reports whether that is news: a request that
// left before the last cut is part of that cut's wave.
func (a *adapt) reject(g Grant, now, asked time.Duration) bool {
	a.history.add(answer{sent: g.at, took: now - g.at, epoch: g.epoch, rejected: true})
	if g.epoch != a.epoch {
		return false
	}
	if a.epoch > 0 && !a.proven {
		a.probeFailed(g, now)
	} else {
		a.hold = now + a.history.roundTrip()
		a.cut = pendingCut{waiting: true, at: now, due: a.hold, opens: max(a.hold, now+asked), asked: asked.Seconds()}
		a.probe = 0
		a.ramp.over = true
	}
	a.epoch++
	a.proven = false
	return true
}

// probeFailed: nothing got through since the last cut.
func (a *adapt) probeFailed(g Grant, now time.Duration) {
	a.probe = min(max(a.probe, a.history.roundTrip())*3/2, maxProbe)
	a.hold = now + a.probe
	// An allowance that grew by less than one request in all that time is
	// smaller than we thought, unless we know better.
	if dead := (g.at - a.dry).Seconds(); !a.firm && a.rate*dead > 2 {
		a.cutTo(hardCut*a.rate, curve{limit: a.curve.limit, span: a.curve.span, depth: 1})
	}
}

// settle draws the conclusion of a cut when its wave is in.
func (a *adapt) settle(now time.Duration) {
	if !a.cut.waiting || now < a.cut.due {
		return
	}
	a.cut.waiting = false
	w := a.history.wave(a.epoch - 1)
	pace := min(a.rate, max(a.history.pace(a.epoch-1), a.rate/4))
	m := measure{accepted: max(0, a.acc-w.inside-w.after), span: (w.first - a.dry).Seconds(), pace: pace}
	first := a.cuts == 0
	if first && m.span < 1 {
		a.onset, a.onsetT, a.burst = m.accepted, m.span, max(1, m.accepted/2)
	}
	heavy := w.rejected >= heavyWave && w.rate() < 0.6*pace
	switch {
	case heavy && w.late > 0:
		a.firm = false
		a.cutTo(waveCut*w.rate(), looseCurve(w.rate(), a.cut.asked))
	case first:
		if heavy { // and nothing got through: probe until something does
			a.blind, a.probe = a.acc, a.history.roundTrip()
		}
		a.cutTo(hardCut*pace, looseCurve(pace, a.cut.asked))
	default:
		a.measured(m)
	}
	a.cuts++
	a.dry, a.acc, a.used = w.first, w.inside+w.after, 0
	a.quiet = max(0, a.cut.opens-a.cut.at)
	a.entry, a.gated = a.rate, a.cut.asked > 0
}

// measure is what an epoch that ended with a cut has shown.
type measure struct {
	accepted float64 // between two dry moments,
	span     float64 // which are so many seconds apart
	pace     float64 // requests that left per second, at the end
}

// measured cuts to just below what was accepted between two dry moments, m.span
// seconds apart. Overflow of the upstream's allowance (after a pause, or below
// its limit) makes that too low: so the cut is bounded.
func (a *adapt) measured(m measure) {
	span := max(m.span, 1e-3)
	active := max(m.span-a.quiet.Seconds(), 1e-3)
	limit := m.accepted / span
	lowest := hardCut * m.pace
	if f := active - a.onsetT; a.gated && a.onset > 0 && f > 0.15 {
		limit = max(limit, (m.accepted-a.onset)/f)
		lowest = min(lowest, (m.accepted-a.onset+1)/f)
	}
	steady := a.used >= 0.7*active && a.entry >= 0.85*a.rate && a.quiet.Seconds() < 0.1*span
	if steady {
		lowest = min(lowest, (m.accepted+1)/span)
	}
	if m.accepted >= manyAcc && a.used >= 0.5*active {
		lowest = min(lowest, 1.25*m.accepted/active)
	}
	next := max(min(max(softCut*limit, lowest), softCut*m.pace), a.floor)
	a.firm = m.accepted >= manyAcc
	limit = max(limit, next/softCut)
	c := firmCurve(limit, a.cut.asked)
	if !steady && a.cut.asked == 0 {
		c = unsureCurve(limit)
	}
	a.cutTo(next, c)
}

// cutTo sets the pace and the way back up.
func (a *adapt) cutTo(rate float64, c curve) {
	a.rate = min(max(rate, a.floor), a.ceiling)
	a.curve = c.from(a.rate)
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
