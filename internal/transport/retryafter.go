package transport

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// forever is the longest wait; asked waits saturate there.
const forever = time.Duration(math.MaxInt64)

// ParseRetryAfter reads one Retry-After value (RFC 9110 section 10.2.3): whole
// seconds or an HTTP date, taken against now. Fractions of seconds are rounded
// up, values that do not fit saturate, a date in the past asks for nothing.
// ok is false for everything else, negative numbers included.
func ParseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if value[0] >= '0' && value[0] <= '9' {
		return parseSeconds(value)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		if at, err = time.Parse(time.RFC1123Z, strings.Replace(value, "UTC", "+0000", 1)); err != nil {
			return 0, false
		}
	}
	return max(0, at.Sub(now)), true // Sub saturates
}

// parseSeconds reads digits with an optional fraction.
func parseSeconds(value string) (time.Duration, bool) {
	whole, fraction, dotted := strings.Cut(value, ".")
	if dotted && !digits(fraction) || !digits(whole) {
		return 0, false
	}
	seconds := int64(0)
	for _, d := range whole {
		if seconds > int64(forever/time.Second) {
			return forever, true
		}
		seconds = seconds*10 + int64(d-'0')
	}
	if strings.Trim(fraction, "0") != "" {
		seconds++
	}
	if seconds > int64(forever/time.Second) {
		return forever, true
	}
	return time.Duration(seconds) * time.Second, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// retryAfterOf returns the longest wait that the headers of a failed answer ask
// for. A date is measured against the answer's own Date, so that a wrong clock
// on this side neither hammers nor gives up.
func retryAfterOf(status int, header http.Header) time.Duration {
	values := header["Retry-After"]
	if status < 400 || len(values) == 0 {
		return 0
	}
	now := time.Now()
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	wait := time.Duration(0)
	for _, v := range values {
		if w, ok := ParseRetryAfter(v, now); ok {
			wait = max(wait, w)
		}
	}
	return wait
}
