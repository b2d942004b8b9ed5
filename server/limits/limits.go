package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Algorithm is how requests are counted.
type Algorithm string

// The algorithms.
const (
	// TokenBucket gains Requests in every Window, evenly, and holds Burst at most: who
	// has used them up may ask again after Window/Requests. So a client that comes as
	// often as it may can pass twice the Requests in one Window.
	TokenBucket Algorithm = "token-bucket"
	// SlidingWindow lets no more than Requests through in any Window, wherever it
	// begins. It counts in sixteenths of the Window, and to be sure holds a request for up
	// to one of them longer.
	SlidingWindow Algorithm = "sliding-window"
)

// Rate is how often each client may ask.
type Rate struct {
	Requests  int           // 1 or more
	Window    time.Duration // 1 ms to 24 h
	Algorithm Algorithm     // "" is TokenBucket
	// Burst is what a bucket holds, up to Requests; 0 means Requests.
	Burst int
}

// Check names everything that is wrong with a rate.
func (r Rate) Check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("limits: "+format, args...)) }
	if r.Requests < 1 || r.Requests > math.MaxInt32 {
		problem("%d requests: give 1 to %d", r.Requests, math.MaxInt32)
	}
	if r.Window < time.Millisecond || r.Window > 24*time.Hour {
		problem("a window of %v: give 1ms to 24h", r.Window)
	}
	switch r.Algorithm {
	case "", TokenBucket, SlidingWindow:
	default:
		problem("the algorithm %q is not known: give %s or %s", r.Algorithm, TokenBucket, SlidingWindow)
	}
	switch {
	case r.Burst < 0 || r.Burst > r.Requests:
		problem("a burst of %d: give 1 to %d, or 0 for as many as there are requests", r.Burst, max(1, r.Requests))
	case r.Burst > 0 && r.Algorithm == SlidingWindow:
		problem("a burst of %d has no effect in a sliding window: all its requests may come at once", r.Burst)
	}
	return errors.Join(errs...)
}

// Depth is how many requests may come at once.
func (r Rate) Depth() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return r.Requests
}

// Longest is how long a client that has used up everything has to stay away until nothing
// has to be remembered of it: what Reset and RetryAfter of a [Decision] are at most.
func (r Rate) Longest() time.Duration {
	if r.Algorithm == SlidingWindow {
		return slots * time.Duration(width(r)) * time.Microsecond
	}
	return micros(float64(r.Depth()) * float64(r.Window.Microseconds()) / float64(r.Requests))
}

// Decision is the answer to one request.
type Decision struct {
	Allowed bool
	// Limit is how many requests may come at once, Remaining how many may come
	// now, after this one.
	Limit, Remaining int
	// Reset is how long until Remaining is Limit again if nothing comes.
	Reset time.Duration
	// RetryAfter is how long until this request would be allowed, if nothing else of the
	// client is allowed before; 0 if it is.
	RetryAfter time.Duration
	// Local: this process decided by itself, of what it alone has seen.
	Local bool
}

// Limits decides on requests. It is safe for concurrent use.
type Limits interface {
	// Allow counts a request of a client, if it is allowed. An error means that
	// nobody could decide; the Decision is then without meaning.
	Allow(ctx context.Context, client string) (Decision, error)
}
