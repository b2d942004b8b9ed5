package fleet

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Rate is a limit that processes share. PerSecond is required; other zero fields
// take the defaults named. All processes should give the same figures: while they
// do not, as in a rollout, the limit lies between.
type Rate struct {
	// Name tells limits of one [Options].Secret apart; "" is a name too.
	Name string
	// PerSecond is how many tokens are earned per second, over all processes.
	PerSecond float64
	// Burst is how many may be sent at once after idle time, over all
	// processes; 0 means one second's worth, at least 1 and at most 10. Up to half
	// of it, as much as is earned in 25 ms, is kept for tokens that are used
	// late.
	Burst int
	// Adaptive lets the rate follow what the upstream accepts, below PerSecond: a
	// rate-limit answer to one process cuts it for all, and it grows again as
	// attempts are let through.
	Adaptive bool
	// Floor is the rate that no cut goes below; 0 means one per second, or a tenth of
	// PerSecond if that is less.
	Floor float64
	// MaxQuiet bounds the quiet time that one Retry-After can impose on all; 0
	// means 60 s.
	MaxQuiet time.Duration
	// Members is how many processes to expect as long as Redis has not been
	// seen, to know the own share. 0 means that this is not known: until then
	// Reserve returns [ErrAway], and a client paces by its own throttle.
	Members int
}

// lateness is how long after its time a token may be used. What it lets slip into any
// interval is taken from the burst.
const lateness = 25 * time.Millisecond

// maxFigure bounds what a script has to count with in millionths.
const maxFigure = 1e6

func (r Rate) check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("fleet: throttle: "+format, args...)) }
	if !(r.PerSecond >= 1e-3 && r.PerSecond <= maxFigure) {
		problem("PerSecond is %v; want a rate of 0.001 to %.0f tokens a second", r.PerSecond, maxFigure)
	}
	if r.Burst < 0 || r.Burst > maxFigure {
		problem("Burst is %d; want 1 to %.0f, or 0 for the default", r.Burst, maxFigure)
	}
	switch {
	case math.IsNaN(r.Floor) || r.Floor < 0:
		problem("Floor is %v; want a rate per second, or 0 for the default", r.Floor)
	case r.Floor > r.PerSecond:
		problem("Floor %v is above PerSecond %v", r.Floor, r.PerSecond)
	case r.Floor > 0 && !r.Adaptive:
		problem("Floor %v has no effect without Adaptive", r.Floor)
	}
	if r.MaxQuiet < 0 {
		problem("MaxQuiet is %v; want a positive duration, or 0 for 60s", r.MaxQuiet)
	}
	if r.Members < 0 {
		problem("Members is %d; want a number of processes, or 0 if it is not known", r.Members)
	}
	return errors.Join(errs...)
}

func (r Rate) withDefaults() Rate {
	if r.Burst == 0 {
		r.Burst = int(min(max(math.Ceil(r.PerSecond), 1), 10))
	}
	if r.Floor == 0 && r.Adaptive {
		r.Floor = min(1, r.PerSecond/10)
	}
	if r.MaxQuiet == 0 {
		r.MaxQuiet = time.Minute
	}
	return r
}

// late is how late a token may be used at this rate: what is earned meanwhile is at most
// half of the burst above the first.
func (r Rate) late() time.Duration {
	return min(lateness, time.Duration(float64(r.Burst-1)/2/r.PerSecond*float64(time.Second)))
}

// depth is the capacity of the bucket: the burst, less what lateness adds to it.
func (r Rate) depth() float64 {
	return max(1, float64(r.Burst)-r.PerSecond*r.late().Seconds())
}
