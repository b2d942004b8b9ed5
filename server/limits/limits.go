package limits

import (
	"context"
	"fmt"
	"time"
)

// Rate is how often each client may ask.
type Rate struct {
	// Requests may come at once, and on average in every Window.
	Requests int
	Window   time.Duration
}

// Check says what is wrong with a rate: Requests below 1, a Window below a
// millisecond or above a day, or more than one request a nanosecond.
func (r Rate) Check() error {
	switch {
	case r.Requests < 1:
		return fmt.Errorf("limits: %d requests: give 1 or more", r.Requests)
	case r.Window < time.Millisecond || r.Window > 24*time.Hour:
		return fmt.Errorf("limits: a window of %v: give 1ms to 24h", r.Window)
	case int64(r.Requests) > int64(r.Window):
		return fmt.Errorf("limits: %d requests in %v are more than can be told apart", r.Requests, r.Window)
	}
	return nil
}

// Decision is the answer to one request.
type Decision struct {
	Allowed bool
	// Limit is how many requests may come at once, Remaining how many may come
	// now, after this one.
	Limit, Remaining int
	// Reset is how long until Remaining is Limit again if nothing comes.
	Reset time.Duration
	// RetryAfter is how long until this request would be allowed; 0 if it is.
	RetryAfter time.Duration
}

// Limits decides on requests. It is safe for concurrent use.
type Limits interface {
	// Allow counts a request of a client, if it is allowed. An error means that
	// nobody could decide; the Decision is then without meaning.
	Allow(ctx context.Context, client string) (Decision, error)
}
