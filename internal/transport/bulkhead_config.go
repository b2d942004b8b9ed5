package transport

import (
	"errors"
	"fmt"
	"time"
)

// ErrBulkheadFull marks a request that was refused because too many wait for a
// slot already, or because it waited longer than allowed. Nothing was sent. The
// error in the chain is a [*BulkheadFullError].
var ErrBulkheadFull = errors.New("bulkhead full")

// BulkheadFullError is the refusal of a [Bulkhead].
type BulkheadFullError struct {
	Lane   Lane
	Limit  int           // slots in all
	Queued int           // callers waiting in that lane
	Waited time.Duration // how long this one did; 0 if it was not let into the queue
}

func (e *BulkheadFullError) Error() string {
	if e.Waited > 0 {
		return fmt.Sprintf("bulkhead full: no %v slot of %d within %v", e.Lane, e.Limit, e.Waited.Round(time.Millisecond))
	}
	return fmt.Sprintf("bulkhead full: %d %v calls wait for one of %d slots", e.Queued, e.Lane, e.Limit)
}

// Is makes errors.Is(err, ErrBulkheadFull) hold.
func (e *BulkheadFullError) Is(target error) bool { return target == ErrBulkheadFull }

// Lane is the kind of a call, as far as waiting goes.
type Lane uint8

// The lanes.
const (
	Interactive Lane = iota // somebody waits for it
	Batch                   // one of many
	lanes
)

// String returns a short stable name, fit for a metric label.
func (l Lane) String() string {
	switch l {
	case Interactive:
		return "interactive"
	case Batch:
		return "batch"
	default:
		return "unknown"
	}
}

// BulkheadConfig is what a [Bulkhead] is made of. The zero value is off.
type BulkheadConfig struct {
	// Limit is the number of attempts in flight at once; 0 turns the bulkhead
	// off.
	Limit int
	// Reserve is the number of slots that batch calls cannot take. 0 means an
	// eighth of Limit, at least 1, or none if Limit is 1. Negative means none:
	// fit for a program that makes batch calls only.
	Reserve int
	// MaxQueue bounds the callers waiting in each lane. 0 means no bound.
	MaxQueue int
	// MaxWait bounds the wait for a slot. 0 means as long as the context lasts.
	MaxWait time.Duration
}

func (c BulkheadConfig) check() error {
	var errs []error
	if c.Limit < 0 {
		errs = append(errs, fmt.Errorf("bulkhead: Limit is %d; want at least 1, or 0 for no bulkhead", c.Limit))
	}
	if c.Limit > 0 && c.Reserve >= c.Limit {
		errs = append(errs, fmt.Errorf("bulkhead: Reserve %d leaves no slot of %d to batch calls; want less than Limit", c.Reserve, c.Limit))
	}
	if c.MaxQueue < 0 {
		errs = append(errs, fmt.Errorf("bulkhead: MaxQueue is %d; want at least 1, or 0 for no bound", c.MaxQueue))
	}
	if c.MaxWait < 0 {
		errs = append(errs, fmt.Errorf("bulkhead: MaxWait is %v; want a positive duration, or 0 for no bound", c.MaxWait))
	}
	return errors.Join(errs...)
}

// reserve is the number of slots kept from batch calls under a limit.
func (c BulkheadConfig) reserve(limit int) int {
	switch {
	case c.Reserve < 0:
		return 0
	case c.Reserve > 0:
		return min(c.Reserve, limit-1)
	}
	return min(max(limit/8, 1), limit-1)
}
