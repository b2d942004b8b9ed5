package transport

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrThrottled marks a request that was refused because its token lies past the
// context's deadline. Nothing was sent and nothing was spent. The error in
// the chain is a [*ThrottledError].
var ErrThrottled = errors.New("throttled")

// ThrottledError is the refusal of a [Throttle].
type ThrottledError struct {
	// Wait is how long the token would have taken, as far as can be seen.
	Wait time.Duration
	// Gated is true if the upstream itself asked for the wait (Retry-After).
	Gated bool
	// Shared is true if a limit that processes share refused.
	Shared bool
}

func (e *ThrottledError) Error() string {
	why := "rate limit of the client"
	switch {
	case e.Gated:
		why = "the upstream asked to wait"
	case e.Shared:
		why = "rate limit shared with other processes"
	}
	return fmt.Sprintf("throttled: %s; a wait of %v would pass the deadline", why, e.Wait.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrThrottled) hold.
func (e *ThrottledError) Is(target error) bool { return target == ErrThrottled }

// DefaultGateCap is the longest quiet time that one Retry-After can impose.
const DefaultGateCap = 60 * time.Second

// ThrottleConfig is what a [Throttle] is made of. The zero value is off.
type ThrottleConfig struct {
	// Rate is the ceiling in attempts per second; 0 turns the throttle off.
	Rate float64
	// Burst is how many attempts may leave at once after idle time. 0 means one
	// second's worth, at least 1 and at most 10.
	Burst int
	// Floor is the rate, per second, that no cut goes below. 0 means one per
	// second, or a tenth of Rate if that is less.
	Floor float64
	// GateCap bounds the quiet time after a Retry-After. 0 means
	// DefaultGateCap.
	GateCap time.Duration
	// Fixed keeps the rate at Rate whatever the upstream answers. Retry-After
	// is honoured all the same.
	Fixed bool
}

func (c ThrottleConfig) check() error {
	var errs []error
	number := func(name string, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			errs = append(errs, fmt.Errorf("throttle: %s is %v; want a finite number of attempts per second, 0 for the default", name, v))
		}
	}
	number("Rate", c.Rate)
	number("Floor", c.Floor)
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("throttle: Burst is %d; want at least 1, or 0 for the default", c.Burst))
	}
	if c.GateCap < 0 {
		errs = append(errs, fmt.Errorf("throttle: GateCap is %v; want a positive duration, or 0 for the default of %v", c.GateCap, DefaultGateCap))
	}
	if c.Rate > 0 && c.Floor > c.Rate {
		errs = append(errs, fmt.Errorf("throttle: Floor %v is above Rate %v; want at most Rate", c.Floor, c.Rate))
	}
	return errors.Join(errs...)
}

func (c ThrottleConfig) withDefaults() ThrottleConfig {
	if c.Burst == 0 {
		c.Burst = int(min(max(math.Ceil(c.Rate), 1), 10))
	}
	if c.Floor == 0 {
		c.Floor = min(1, c.Rate/10)
	}
	if c.GateCap == 0 {
		c.GateCap = DefaultGateCap
	}
	return c
}

// ThrottleStats is a snapshot of a [Throttle].
type ThrottleStats struct {
	Rate    float64 // current pace, per second
	Ceiling float64 // configured rate, per second
	Tokens  float64 // attempts that could leave at once
	Waiting int     // callers in the queue

	// GateUntil is when the upstream's Retry-After ends; zero if none is
	// running.
	GateUntil time.Time
	// HeldUntil is the same for the throttle's own short pause after a cut and
	// for its probing while the upstream accepts nothing.
	HeldUntil time.Time

	Accepted uint64 // answers reported as let through
	Limited  uint64 // rate-limit answers
	Cuts     uint64 // times that the rate was cut
}
