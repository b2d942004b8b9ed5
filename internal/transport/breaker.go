package transport

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Breaker stops calling an upstream that is down, and finds out when it is back.
// It is closed while all is well; open, it refuses; after a while it is half
// open and lets one probe through at a time. See [BreakerConfig] for the rules.
//
// A call meets it twice. [Breaker.enter] is the pre-check, before anything is
// spent on the call: it refuses, lets a patient call wait, or hands out the place
// of the probe. [Breaker.admit], nearest the wire, counts the attempt.
//
// The counting and the states are gobreaker's; the times (when to probe, for how
// long) and everything that has to do with waiting are here, as that library
// knows one fixed period and no lease. It is only ever called under mu and only
// with news of its present state (see epoch), so that none of its calls can
// change the state behind our back.
//
// All methods are safe for concurrent use.
type Breaker struct {
	name string
	cfg  BreakerConfig

	// calm is true while there is nothing to decide: closed, nobody waits.
	calm atomic.Bool

	mu     sync.Mutex
	engine *gobreaker.TwoStepCircuitBreaker[struct{}]
	mode   BreakerMode
	state  BreakerState
	epoch  uint64    // grows with every change: results of an earlier epoch tell nothing
	since  time.Time // when the outage began, or else the present calm
	until  time.Time // open: no probe before
	hinted bool      // open because another process said so
	told   time.Time // until when we last told the others
	heard  time.Time // what they said when it was last heeded
	heeded uint64    // how often that opened the breaker
	trip   bool      // the next failure opens, whatever was counted
	calls  int       // in the window when it tripped
	failed int       // of which failures
	probe  *probe    // that holds the place

	waiting waitingLine
	ramp    breakerRamp
	arrived int // calls that came during the outage, each counted once

	opened, refused uint64
	news            newsdesk
}

func newBreaker(name string, cfg BreakerConfig) *Breaker {
	b := &Breaker{name: name, cfg: cfg, since: time.Now()}
	if cfg.OnChange != nil {
		b.news.listeners = append(b.news.listeners, cfg.OnChange)
	}
	if cfg.Hint != nil {
		b.news.listeners = append(b.news.listeners, b.publish)
	}
	b.setMode(cfg.Mode, b.since)
	b.calm.Store(b.state == BreakerClosed)
	return b
}

// newEngine makes gobreaker's part. Its Timeout is the shortest there is: when to
// probe is decided here. (Zero would mean its own 60 s.)
func (b *Breaker) newEngine() *gobreaker.TwoStepCircuitBreaker[struct{}] {
	var engine *gobreaker.TwoStepCircuitBreaker[struct{}]
	engine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         b.name,
		MaxRequests:  uint32(b.cfg.Successes), //nolint:gosec // checked
		Interval:     b.cfg.Window,
		BucketPeriod: b.cfg.Bucket,
		Timeout:      1,
		ReadyToTrip:  b.readyToTrip,
		OnStateChange: func(_ string, _, to gobreaker.State) { // under our lock and gobreaker's
			if engine == b.engine {
				b.become(stateOf(to), time.Now())
			}
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errExcluded) },
	})
	return engine
}

func stateOf(s gobreaker.State) BreakerState {
	switch s {
	case gobreaker.StateOpen:
		return BreakerOpen
	case gobreaker.StateHalfOpen:
		return BreakerHalfOpen
	case gobreaker.StateClosed:
	}
	return BreakerClosed
}

// readyToTrip is asked after each failure while closed. Requests would be the wrong
// number to judge by: it includes attempts under way and excluded ones.
func (b *Breaker) readyToTrip(c gobreaker.Counts) bool {
	b.calls, b.failed = int(c.TotalSuccesses+c.TotalFailures), int(c.TotalFailures)
	return b.trip || b.cfg.trips(b.calls, b.failed, int(c.ConsecutiveFailures))
}

// become enters a state. mu is held, so gobreaker's lock may be too: nothing here
// may ask it anything.
func (b *Breaker) become(to BreakerState, now time.Time) {
	change := BreakerChange{Name: b.name, From: b.state, To: to, At: now}
	b.state = to
	b.epoch++
	b.probe = nil
	switch to {
	case BreakerOpen:
		if change.From == BreakerClosed {
			b.opened++
			b.ramp.learn(b.calls, min(now.Sub(b.since), b.cfg.Window))
			b.since, b.arrived = now, b.waiting.size
			change.Calls, change.Failures, change.Hinted = b.calls, b.failed, b.hinted
		}
		if !b.hinted {
			b.until = now.Add(b.cfg.openFor(now.Sub(b.since)))
		}
		change.Until = b.until
	case BreakerForcedOpen:
		b.since, b.arrived = now, b.waiting.size
	case BreakerClosed, BreakerForcedClosed:
		b.hinted = false
		b.ramp.begin(now, b.arrived, now.Sub(b.since))
		b.since = now
	case BreakerHalfOpen:
		b.hinted = false
	}
	b.news.add(change)
	b.settle()
}

// settle brings what follows from the state up to date: who of those waiting has
// to know, and whether there is anything to decide.
func (b *Breaker) settle() {
	if b.state == BreakerOpen {
		b.waiting.sweep(b.until)
	}
	b.next()
}

// next lets the first of those waiting decide anew.
func (b *Breaker) next() {
	b.waiting.rouse()
	b.calm.Store(b.state == BreakerClosed && b.waiting.size == 0)
}

// errExcluded and errFailed are what gobreaker is told.
var (
	errExcluded = errors.New("excluded")
	errFailed   = errors.New("failed")
)

// try decides on a call without waiting: either it may go, perhaps as a probe, or
// the answer is how long it has to wait at least; 0 means until something changes.
func (b *Breaker) try(now time.Time) (goes bool, p *probe, wait time.Duration) {
	switch b.state {
	case BreakerClosed, BreakerForcedClosed:
		return true, nil, 0
	case BreakerForcedOpen:
		return false, nil, 0
	case BreakerOpen:
		if left := b.until.Sub(now); left > 0 {
			return false, nil, left
		}
	case BreakerHalfOpen:
	}
	if left := b.leased(now); left > 0 {
		return false, nil, left
	}
	done, err := b.engine.Allow() // moves open to half-open
	if err != nil {
		return false, nil, b.cfg.ProbeLease
	}
	b.probe = &probe{done: done, epoch: b.epoch, ends: now.Add(b.cfg.ProbeLease)}
	return true, b.probe, 0
}

// pass is the leave that the pre-check gives. The zero pass is one for a closed
// breaker.
type pass struct {
	b     *Breaker
	probe *probe
}

// enter is the pre-check. A patient call waits as long as ctx allows; a wait that
// must outlast ctx's deadline is refused at once.
func (b *Breaker) enter(ctx context.Context, call *Call) (pass, error) {
	if b == nil || b.calm.Load() && (b.cfg.Hint == nil || b.others().IsZero()) {
		return pass{}, nil
	}
	b.mu.Lock()
	b.heed(time.Now())
	if b.mode == ModeMetricsOnly || b.state == BreakerClosed {
		b.mu.Unlock()
		b.tell()
		return pass{}, nil
	}
	if !call.Limits.Patient {
		defer b.tell()
		defer b.mu.Unlock()
		if goes, p, _ := b.try(time.Now()); goes {
			return pass{b, p}, nil
		}
		return pass{}, b.refuse(nil)
	}
	w := b.join(ctx, call)
	b.mu.Unlock()
	b.tell()
	return b.await(ctx, w)
}

// refuse makes the error and counts it. mu is held.
func (b *Breaker) refuse(ended error) *CircuitOpenError {
	b.refused++
	e := &CircuitOpenError{Until: b.until, Err: ended}
	if b.state == BreakerForcedOpen {
		e.Until = time.Time{}
	}
	return e
}

// drop gives the place of a probe back that was never sent.
func (p pass) drop() {
	if p.probe == nil || p.probe.used {
		return
	}
	p.b.mu.Lock()
	p.b.finish(p.probe, errExcluded)
	p.b.mu.Unlock()
	p.b.tell()
}

// permit is an attempt that was admitted; report must be called when it is over.
type permit struct {
	b     *Breaker
	probe *probe
	done  func(error)
	epoch uint64
}

// admit counts an attempt that is about to be sent, with what enter gave it. The
// state may have changed since; then it decides anew, without waiting.
func (b *Breaker) admit(p pass) (permit, error) {
	if b == nil {
		return permit{}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if p.probe != nil && p.probe == b.probe {
		p.probe.used, p.probe.ends = true, now.Add(b.cfg.ProbeLease)
		return permit{b: b, probe: p.probe}, nil
	}
	goes, own, _ := b.try(now)
	switch {
	case own != nil:
		own.used = true
		return permit{b: b, probe: own}, nil
	case !goes && b.mode != ModeMetricsOnly:
		return permit{}, b.refuse(nil)
	case b.state != BreakerClosed: // forced closed, or only watched
		return permit{}, nil
	}
	done, err := b.engine.Allow()
	if err != nil { // it is closed as well: we never disagree
		return permit{}, b.refuse(nil)
	}
	return permit{b: b, done: done, epoch: b.epoch}, nil
}

// closed reports whether it is closed of its own accord.
func (b *Breaker) closed() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == BreakerClosed
}

// admitClosed is admit for an attempt that nobody needs: it goes only while the
// breaker is closed, and is never a probe.
func (b *Breaker) admitClosed() (permit, bool) {
	if b == nil {
		return permit{}, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != BreakerClosed {
		return permit{}, false
	}
	done, err := b.engine.Allow()
	return permit{b: b, done: done, epoch: b.epoch}, err == nil
}

// report tells what came of the attempt: nil, errFailed or errExcluded.
func (p permit) report(verdict error) {
	b := p.b
	if b == nil {
		return
	}
	b.mu.Lock()
	if p.probe != nil {
		b.finish(p.probe, verdict)
	} else if p.epoch == b.epoch {
		p.done(verdict)
	}
	b.mu.Unlock()
	b.tell()
}

// verdictOf is what an outcome says about the upstream's health.
func verdictOf(o Outcome) error {
	switch o.Class {
	case ClassTransient, ClassTransport, ClassTimeout:
		return errFailed
	case ClassCanceled, ClassRefused, ClassNone:
		return errExcluded
	default:
		return nil
	}
}
