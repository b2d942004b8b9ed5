package config

import (
	"log/slog"
	"math"
	"time"
)

// Upstream are the settings of calls to the service.
type Upstream struct {
	// APIKey is ASLEEP_API_KEY, or in the file ASLEEP_API_KEY_FILE; required.
	APIKey Secret
	// BaseURL is ASLEEP_BASE_URL; empty: the service itself. The client judges it.
	BaseURL string
	// MaxConnections is MAX_CONNECTIONS; 0: the client's default.
	MaxConnections int
	// RequestTimeout is REQUEST_TIMEOUT, for one attempt of any operation; default
	// [DefaultRequestTimeout].
	RequestTimeout time.Duration
	// BreakerFailures is CIRCUIT_BREAKER_FAILURE_THRESHOLD, the failures in a row
	// that open the breaker of a quiet client; a busy one takes twice as many.
	BreakerFailures int
	// BreakerReset is CIRCUIT_BREAKER_RESET_TIMEOUT, how long the breaker stays
	// open before it lets a probe through.
	BreakerReset time.Duration
}

// The defaults of the group. A command, or a service in the background, can wait
// longer for an answer than the client's own 10 s, which are for apps in which
// somebody waits for a page.
const (
	DefaultRequestTimeout  = 30 * time.Second
	DefaultBreakerFailures = 5
	DefaultBreakerReset    = 60 * time.Second
)

// ReadUpstream reads the group. defaultURL is what is shown where no base URL is set.
func ReadUpstream(r *Reader, defaultURL string) Upstream {
	before := len(r.list)
	u := Upstream{
		APIKey:         r.Secret("ASLEEP_API_KEY"),
		BaseURL:        r.String(defaultURL, "ASLEEP_BASE_URL"),
		MaxConnections: r.Int(0, 1, math.MaxInt32, "ASLEEP_MAX_CONNECTIONS", "MAX_CONNECTIONS"),
		RequestTimeout: r.Duration(DefaultRequestTimeout, "ASLEEP_REQUEST_TIMEOUT", "REQUEST_TIMEOUT"),
		BreakerFailures: r.Int(DefaultBreakerFailures, 1, math.MaxInt32,
			"ASLEEP_CIRCUIT_BREAKER_FAILURE_THRESHOLD", "CIRCUIT_BREAKER_FAILURE_THRESHOLD"),
		BreakerReset: r.Duration(DefaultBreakerReset,
			"ASLEEP_CIRCUIT_BREAKER_RESET_TIMEOUT", "CIRCUIT_BREAKER_RESET_TIMEOUT"),
	}
	if u.APIKey.IsZero() && !r.complained(before, "ASLEEP_API_KEY_FILE") {
		r.Add("ASLEEP_API_KEY", "is not set: set it in the environment or in .env, or name the file that holds it in ASLEEP_API_KEY_FILE")
	}
	return u
}

// complained reports whether a problem of the subject was noted after the
// first n.
func (p *Problems) complained(n int, subject string) bool {
	for _, problem := range p.list[n:] {
		if problem.Subject == subject {
			return true
		}
	}
	return false
}

// Logging are the settings of the log.
type Logging struct {
	Level slog.Level // LOG_LEVEL debug, info, warn, error; default info
	JSON  bool       // LOG_FORMAT json or text; default text
}

// ReadLogging reads the group.
func ReadLogging(r *Reader) Logging {
	level := r.Choice("info", []string{"debug", "info", "warn", "error"}, "ASLEEP_LOG_LEVEL", "LOG_LEVEL")
	format := r.Choice("text", []string{"text", "json"}, "ASLEEP_LOG_FORMAT", "LOG_FORMAT")
	l := Logging{JSON: format == "json"}
	_ = l.Level.UnmarshalText([]byte(level)) // every choice is a level
	return l
}
