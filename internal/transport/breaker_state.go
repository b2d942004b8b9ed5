package transport

import (
	"errors"
	"fmt"
	"time"
)

// ErrCircuitOpen marks a request that was refused because the upstream is
// considered down. Nothing was sent. The error in the chain is a
// [*CircuitOpenError].
var ErrCircuitOpen = errors.New("circuit open")

// CircuitOpenError is the refusal of a [Breaker].
type CircuitOpenError struct {
	// Until is when the next probe may go. It is not after the present while a
	// probe is under way, and zero if the breaker was forced open.
	Until time.Time
	// Err is the end of the context, if the call was patient and waited to its
	// end.
	Err error
}

func (e *CircuitOpenError) Error() string {
	text := "circuit open: the upstream is considered down"
	switch {
	case e.Err != nil:
		return text + ", and the wait for it ended: " + e.Err.Error()
	case e.Until.IsZero():
		return "circuit open: forced by the operator"
	}
	return text + "; next probe not before " + e.Until.UTC().Format(time.RFC3339Nano)
}

// Is makes errors.Is(err, ErrCircuitOpen) hold.
func (e *CircuitOpenError) Is(target error) bool { return target == ErrCircuitOpen }

// Unwrap returns Err.
func (e *CircuitOpenError) Unwrap() error { return e.Err }

// BreakerState is what a breaker does with a call.
type BreakerState uint8

// The states.
const (
	BreakerClosed       BreakerState = iota // calls pass
	BreakerOpen                             // calls are refused
	BreakerHalfOpen                         // calls are refused but for probes
	BreakerForcedOpen                       // calls are refused until told otherwise
	BreakerForcedClosed                     // calls pass whatever happens
)

var breakerStateNames = [...]string{"closed", "open", "half_open", "forced_open", "forced_closed"}

// String returns a short stable name, fit for a metric label.
func (s BreakerState) String() string {
	if int(s) < len(breakerStateNames) {
		return breakerStateNames[s]
	}
	return "unknown"
}

// BreakerMode says who decides.
type BreakerMode uint8

// The modes.
const (
	ModeAuto         BreakerMode = iota // the breaker does
	ModeForcedOpen                      // refuse everything; patient calls wait
	ModeForcedClosed                    // refuse nothing, count nothing
	ModeMetricsOnly                     // count, change states and tell of it, but refuse nothing
)

var breakerModeNames = [...]string{"auto", "forced_open", "forced_closed", "metrics_only"}

// String returns a short stable name.
func (m BreakerMode) String() string {
	if int(m) < len(breakerModeNames) {
		return breakerModeNames[m]
	}
	return "unknown"
}

// BreakerChange is one change of state.
type BreakerChange struct {
	Name     string
	From, To BreakerState
	At       time.Time
	Until    time.Time // of BreakerOpen: when the next probe may go
	// Calls and Failures are what the window held when the breaker tripped.
	Calls, Failures int
	// Hinted: another process said so.
	Hinted bool
}

// BreakerStats is a snapshot of a [Breaker].
type BreakerStats struct {
	Name  string
	Mode  BreakerMode
	State BreakerState
	// Since is when the outage began, Until when the next probe may go; both
	// zero while closed.
	Since, Until time.Time
	// What the window holds while closed.
	Calls, Failures, InARow int

	Waiting int    // patient calls
	Probing bool   // a probe is under way
	Opened  uint64 // times it went from closed to open
	Refused uint64 // calls

	Hinted    bool      // open because another process said so
	HintUntil time.Time // what the others say at present; zero if nothing
	Heeded    uint64    // times that it opened because of what they said
}

// Stats returns a snapshot; of a nil breaker it is zero.
func (b *Breaker) Stats() BreakerStats {
	if b == nil {
		return BreakerStats{}
	}
	others := b.others()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BreakerStats{
		Hinted: b.hinted, HintUntil: others, Heeded: b.heeded,

		Name: b.name, Mode: b.mode, State: b.state, Waiting: b.waiting.size, Probing: b.probe != nil,
		Opened: b.opened, Refused: b.refused,
	}
	if b.state == BreakerClosed {
		b.engine.State() // drops buckets that have grown old
		c := b.engine.Counts()
		s.Calls, s.Failures, s.InARow = int(c.TotalSuccesses+c.TotalFailures), int(c.TotalFailures), int(c.ConsecutiveFailures)
	} else {
		s.Since = b.since
	}
	if b.state == BreakerOpen || b.state == BreakerHalfOpen {
		s.Until = b.until
	}
	return s
}

// SetMode takes the decision away from the breaker or gives it back. It begins
// anew: what was counted before is forgotten.
func (b *Breaker) SetMode(m BreakerMode) error {
	if m > ModeMetricsOnly {
		return fmt.Errorf("breaker: mode %d is unknown", m)
	}
	if b == nil {
		return nil
	}
	b.mu.Lock()
	b.setMode(m, time.Now())
	b.mu.Unlock()
	b.tell()
	return nil
}

func (b *Breaker) setMode(m BreakerMode, now time.Time) {
	b.mode = m
	b.engine = b.newEngine()
	state := BreakerClosed
	if m == ModeForcedOpen {
		state = BreakerForcedOpen
	}
	if m == ModeForcedClosed {
		state = BreakerForcedClosed
	}
	if state != b.state {
		b.become(state, now)
	} else {
		b.epoch++
	}
}
