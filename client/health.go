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
	Limiter  LimiterStats
	Bulkhead BulkheadStats
	Budget   BudgetStats
	Cache    CacheStats // of the whole cache, which other clients may share
	Hedging  HedgingStats
	// Revalidation is what is held to be asked about.
	Revalidation RevalidationStats
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
	// What other processes say, with an [OpenHint].
	Hinted    bool      // open because of them
	HintUntil time.Time // until when they are; zero if none is
	Heeded    uint64    // times that it opened because of them
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

// LimiterStats is the [Limiter] at one moment, if there is one. The throttle beside
// it is then the local share.
type LimiterStats struct {
	On        bool      // there is one
	Away      bool      // it failed when it was last asked
	Waiting   int       // attempts that wait for it, or in its place
	GateUntil time.Time // when the wait that the service asked for ends; zero if none
	Reserved  uint64    // tokens
	Refused   uint64    // reservations that lay past a deadline
	Failed    uint64    // errors and panics
	Local     uint64    // attempts that the local throttle paced in its place
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

// HedgingStats is what [Hedging] did so far.
type HedgingStats struct {
	On     bool
	Sent   uint64 // second requests
	Won    uint64 // of which answered first
	Denied uint64 // that were due, and had no budget, slot, token or closed breaker
	// Delays are the kinds of operation whose latency is known.
	Delays []HedgingDelay
}

// HedgingDelay is what is known of the latency of one kind of operation.
type HedgingDelay struct {
	Kind    string        // as in [Operation]
	Samples int           // latencies remembered
	Delay   time.Duration // until a second request; 0 while there are too few samples
}

// Stats returns a snapshot. It is cheap and safe to call at any time; its parts are
// taken one after the other.
func (c *Client) Stats() Stats {
	t := c.doer.Stats()
	s := Stats{
		InFlight: t.InFlight, Throttle: ThrottleStats(t.Throttle), Limiter: LimiterStats(t.Limiter), Bulkhead: BulkheadStats(t.Bulkhead),
		Budget: BudgetStats(t.Budget), HookPanics: t.HookPanics + c.watch.panics.Load(),
		Hedging:      HedgingStats{On: t.Hedge.On, Sent: t.Hedge.Sent, Won: t.Hedge.Won, Denied: t.Hedge.Denied},
		Revalidation: c.memory.stats(),
		Cache:        c.cache.Stats(),
	}
	for _, d := range t.Hedge.Delays {
		s.Hedging.Delays = append(s.Hedging.Delays, HedgingDelay(d))
	}
	for _, b := range t.Breakers {
		s.Breakers = append(s.Breakers, BreakerStats{
			Name: b.Name, Mode: b.Mode.String(), State: b.State.String(), Since: b.Since, Until: b.Until,
			Calls: b.Calls, Failures: b.Failures, InARow: b.InARow, Waiting: b.Waiting, Opened: b.Opened, Refused: b.Refused,
			Hinted: b.Hinted, HintUntil: b.HintUntil, Heeded: b.Heeded,
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
