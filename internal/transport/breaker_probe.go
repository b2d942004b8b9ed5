package transport

import "time"

// probe is the place of the one call that finds out how the upstream is. It is a
// lease: a holder that does not come back in time loses the place to the next,
// so that a hanging probe, or one whose caller is gone, cannot keep the breaker
// open for ever (gobreaker alone would wait for it).
type probe struct {
	done  func(error)
	epoch uint64
	ends  time.Time
	used  bool // the attempt was admitted
}

// leased returns how long the present probe still holds its place, 0 if it is
// free. A lease that ran out is taken back.
func (b *Breaker) leased(now time.Time) time.Duration {
	p := b.probe
	if p == nil {
		return 0
	}
	if left := p.ends.Sub(now); left > 0 {
		return left
	}
	b.probe = nil
	p.done(errExcluded) // gobreaker, too, has room for the next
	return 0
}

// finish ends a probe. One that lost its place still tells the truth, if a late
// one: its success or failure counts as long as nothing has changed.
func (b *Breaker) finish(p *probe, verdict error) {
	if b.probe == p {
		b.probe = nil
	}
	if p.epoch != b.epoch {
		return
	}
	p.done(verdict)
	if b.state == BreakerHalfOpen {
		b.heals = b.heals || verdict == nil
		b.waiting.rouse() // the place is free
	}
}
