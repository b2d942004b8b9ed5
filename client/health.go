package client

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// Stats is a snapshot of a client's health. Parts that are off are zero.
type Stats struct {
	InFlight int // exchanges under way, waiting ones included
	Breakers []BreakerStats
	Throttle ThrottleStats
	Bulkhead BulkheadStats
	Budget   BudgetStats
	Cache    CacheStats // of the whole cache, which other clients may share
	// HookPanics is how often a hook panicked.
	HookPanics uint64
}

// BreakerStats is a breaker at one moment.
type BreakerStats struct {
	Name  string // "upstream", or the kind of operation
	Mode  string // auto, forced_open, forced_closed, metrics_only
	State string // closed, open, half_open, forced_open, forced_closed
	// Since is when the outage began, Until when the next probe may go; both
	// zero while closed.
	Since, Until time.Time
	// What the window holds while closed.
	Calls, Failures, InARow int
	Waiting                 int    // patient calls
	Opened                  uint64 // times it went from closed to open
	Refused                 uint64 // calls
}

// ThrottleStats is the throttle at one moment.
type ThrottleStats struct {
	Rate      float64   // current pace, per second
	Ceiling   float64   // configured rate
	Tokens    float64   // attempts that could leave at once
	Waiting   int       // attempts in the queue
	GateUntil time.Time // when the wait that the service asked for ends; zero if none
	HeldUntil time.Time // the same for the throttle's own pause after a cut
	Accepted  uint64    // answers
	Limited   uint64    // rate-limit answers
	Cuts      uint64    // times that the rate was cut
}

// BulkheadStats is the bulkhead at one moment.
type BulkheadStats struct {
	Limit             int // slots in all
	Reserve           int // slots that batches cannot take
	InFlight          int // slots taken
	QueuedInteractive int
	QueuedBatch       int
}

// BudgetStats is the retry budget at one moment.
type BudgetStats struct {
	Tokens   float64 // retries that can be paid now
	Capacity float64
	Refused  uint64 // retries that could not be paid
}

// Stats returns a snapshot. It is cheap and safe to call at any time; its parts are
// taken one after the other.
func (c *Client) Stats() Stats {
	t := c.doer.Stats()
	s := Stats{
		InFlight: t.InFlight, Throttle: ThrottleStats(t.Throttle), Bulkhead: BulkheadStats(t.Bulkhead),
		Budget: BudgetStats(t.Budget), HookPanics: t.HookPanics + c.watch.panics.Load(),
		Cache: c.cache.Stats(),
	}
	for _, b := range t.Breakers {
		s.Breakers = append(s.Breakers, BreakerStats{
			Name: b.Name, Mode: b.Mode.String(), State: b.State.String(), Since: b.Since, Until: b.Until,
			Calls: b.Calls, Failures: b.Failures, InARow: b.InARow, Waiting: b.Waiting, Opened: b.Opened, Refused: b.Refused,
		})
	}
	return s
}

// SetBreakerMode takes the decision away from the breaker or gives it back. What
// it counted before is forgotten. Without a breaker it does nothing.
func (c *Client) SetBreakerMode(m BreakerMode) error { return c.breakers.SetMode(m) }

// ContextWithRequestID returns a context whose calls send id as X-Request-ID, so
// that they can be followed from the caller's own logs. An id that is not 1 to 128
// visible ASCII characters is not taken over; [WithRequestID] wins.
func ContextWithRequestID(ctx context.Context, id string) context.Context {
	return transport.WithRequestID(ctx, id)
}
