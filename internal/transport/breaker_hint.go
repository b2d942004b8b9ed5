package transport

import "time"

// OpenHint is how processes tell each other that the upstream is down. It is
// advisory: a process that is told opens its own breaker until then, but no longer
// than it would by itself ([BreakerConfig].OpenFor), and finds out by itself how
// things are afterwards. The hint opens a closed breaker and ends what it began; it
// never lets a call through that this process's own experience refuses, nor does the
// same time, once heeded, open the breaker again. A panic in it is taken for silence.
type OpenHint interface {
	// Until is when others last expected to probe, zero if nobody says that
	// the upstream is down. It is called for every attempt and must answer from
	// memory.
	Until() time.Time
	// Publish tells the others that this process has opened until then, or,
	// with the zero time, that it has closed. It is called on the goroutine of a
	// call, outside of locks, and should not block.
	Publish(until time.Time)
}

// heed opens the breaker if another process says that the upstream is down, and
// takes that back when the other does.
func (b *Breaker) heed(now time.Time) {
	if b.cfg.Hint == nil || b.mode != ModeAuto {
		return
	}
	until := b.others()
	if until.Equal(b.heard) {
		return
	}
	switch {
	case b.state == BreakerOpen && b.hinted:
		b.heard, b.until = until, earlier(until, b.since.Add(b.cfg.OpenFor))
		b.settle()
	case b.state == BreakerClosed && until.After(now) && until.After(b.told.Add(hintSlack)):
		b.heard, b.until = until, earlier(until, now.Add(b.cfg.OpenFor))
		b.heeded++
		b.hinted, b.trip = true, true
		if done, err := b.engine.Allow(); err == nil {
			done(errFailed)
		}
		b.trip = false
	}
}

// hintSlack is what the way to the other processes and back may do to a time. A
// hint that ends no later than our own last opening is our own.
const hintSlack = time.Second

// others is what the hint says.
func (b *Breaker) others() (until time.Time) {
	if b.cfg.Hint == nil {
		return time.Time{}
	}
	defer func() {
		if recover() != nil {
			b.news.panics.Add(1)
		}
	}()
	return b.cfg.Hint.Until()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// publish passes our own openings on.
func (b *Breaker) publish(c BreakerChange) {
	switch {
	case c.To == BreakerOpen && !c.Hinted:
		b.mu.Lock()
		b.told = c.Until
		b.mu.Unlock()
		b.cfg.Hint.Publish(c.Until)
	case c.To == BreakerClosed:
		b.cfg.Hint.Publish(time.Time{})
	}
}
