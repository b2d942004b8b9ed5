package asleeptest

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// RateLimit is a limit that the server holds all its clients to, without
// telling them beforehand. With Window zero it is a token bucket: Rate a
// second on average, Burst at once. With a Window it is a fixed one: Burst
// requests in each, counted from the first request. The zero value limits
// nothing.
type RateLimit struct {
	Rate   float64       // requests a second; not used with Window
	Burst  int           // defaults to 1 in a bucket
	Window time.Duration // length of a fixed window

	// Status is 429 (as a gateway answers), or 403 with "Rate limit exceeded"
	// (as the service does). Defaults to 403.
	Status int

	// RetryAfter says whether the answer tells how long to wait.
	RetryAfter RetryAfterForm
}

// RetryAfterForm is a form of the Retry-After header.
type RetryAfterForm string

// The forms of Retry-After.
const (
	RetryAfterNone    RetryAfterForm = ""        // no header
	RetryAfterSeconds RetryAfterForm = "seconds" // whole seconds, rounded up
	RetryAfterDate    RetryAfterForm = "date"    // an HTTP date, rounded up to the second
)

func (l RateLimit) validate() error {
	switch {
	case l.Rate < 0 || math.IsNaN(l.Rate) || math.IsInf(l.Rate, 0) || l.Burst < 0 || l.Window < 0:
		return fmt.Errorf("asleeptest: rate limit of rate %v, burst %d, window %s: want no negative ones", l.Rate, l.Burst, l.Window)
	case l.Window > 0 && l.Burst == 0:
		return fmt.Errorf("asleeptest: rate limit with a window of %s and no burst: set the number of requests in a window", l.Window)
	case l.Status != 0 && l.Status != http.StatusForbidden && l.Status != http.StatusTooManyRequests:
		return fmt.Errorf("asleeptest: rate limit with status %d: want 403 or 429", l.Status)
	case l.RetryAfter != RetryAfterNone && l.RetryAfter != RetryAfterSeconds && l.RetryAfter != RetryAfterDate:
		return fmt.Errorf("asleeptest: rate limit with Retry-After form %q: want seconds, date or nothing", l.RetryAfter)
	}
	return nil
}

func (l RateLimit) on() bool { return l.Rate > 0 || l.Window > 0 }

// limiter holds requests to a RateLimit.
type limiter struct {
	mu    sync.Mutex
	limit RateLimit
	since time.Time // of the tokens, or the start of the window; zero: unused
	left  float64   // tokens, or requests left in the window
}

func (l *limiter) set(limit RateLimit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.since = limit, time.Time{}
}

// take accepts a request, or tells how long until one would be accepted.
func (l *limiter) take(now time.Time) (limit RateLimit, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.limit.on() {
		return l.limit, 0, true
	}
	burst := float64(max(l.limit.Burst, 1))
	if l.since.IsZero() {
		l.since, l.left = now, burst
	}
	if l.limit.Window > 0 {
		if past := now.Sub(l.since).Truncate(l.limit.Window); past > 0 {
			l.since, l.left = l.since.Add(past), burst
		}
		wait = l.since.Add(l.limit.Window).Sub(now)
	} else {
		l.left = min(burst, l.left+now.Sub(l.since).Seconds()*l.limit.Rate)
		l.since = now
		wait = time.Duration((1 - l.left) / l.limit.Rate * float64(time.Second))
	}
	// A token that is short of one by a rounding error is one.
	if l.left < 1-1e-6 {
		return l.limit, wait, false
	}
	l.left--
	return l.limit, 0, true
}

// refuse writes the answer of a limit that is exceeded.
func (l RateLimit) refuse(a *answer, now time.Time, wait time.Duration) {
	name := "403_rate_limit"
	if l.Status == http.StatusTooManyRequests {
		name = "429_gateway_message"
	}
	kinds[name].write(a)
	switch l.RetryAfter {
	case RetryAfterNone:
	case RetryAfterSeconds:
		a.header.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
	case RetryAfterDate:
		a.header.Set("Retry-After", httpDate(now.Add(wait)))
	}
}

// httpDate writes t as an HTTP date, which knows whole seconds only: rounded
// up, so that whoever waits for it is not too early.
func httpDate(t time.Time) string {
	if t.Nanosecond() > 0 {
		t = t.Truncate(time.Second).Add(time.Second)
	}
	return t.UTC().Format(http.TimeFormat)
}
