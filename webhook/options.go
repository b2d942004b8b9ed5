package webhook

import (
	"log/slog"
	"time"
)

// Option configures a [Receiver]. Of the same one the last wins.
type Option func(*receiverSettings)

type receiverSettings struct {
	limits   Limits
	timeouts ReceiverTimeouts
	log      *slog.Logger
	observe  func(Delivery)
}

// Limits bound what a receiver takes. Zero fields mean no limit of ours, but
// MaxBody, which is always bounded.
type Limits struct {
	// MaxBody is the largest body in bytes; more is answered 413. 0 means 8 MiB,
	// the most is 1 GiB.
	MaxBody int64
	// Backlog is how many events may be stored and not done; above it the answer is
	// 503. 0 means any number.
	Backlog int
}

// ReceiverTimeouts bound the steps of a delivery. A zero field is off.
type ReceiverTimeouts struct {
	Body   time.Duration // to read the whole body
	Commit time.Duration // to store the event; past it the answer is 503
	// RetryAfter is what a sender is asked to wait with every 503; rounded up to
	// seconds.
	RetryAfter time.Duration
}

// DefaultLimits is 8 MiB and 100,000 events.
func DefaultLimits() Limits { return Limits{MaxBody: 8 << 20, Backlog: 100_000} }

// DefaultReceiverTimeouts is 10 s for the body, 4 s for the commit, and asks
// senders to come back after 5 s.
func DefaultReceiverTimeouts() ReceiverTimeouts {
	return ReceiverTimeouts{Body: 10 * time.Second, Commit: 4 * time.Second, RetryAfter: 5 * time.Second}
}

// WithLimits replaces [DefaultLimits].
func WithLimits(l Limits) Option { return func(s *receiverSettings) { s.limits = l } }

// WithTimeouts replaces [DefaultReceiverTimeouts].
func WithTimeouts(t ReceiverTimeouts) Option { return func(s *receiverSettings) { s.timeouts = t } }

// WithLogger logs what an operator should know: a sender that signs nothing, an
// inbox that takes nothing. User ids are hashed; bodies, keys and signatures are
// in no line. Nil, the default, logs nothing.
func WithLogger(l *slog.Logger) Option { return func(s *receiverSettings) { s.log = l } }

// WithObserver calls f after every answer, for metrics. It runs on the goroutine of
// the request and must not block.
func WithObserver(f func(Delivery)) Option { return func(s *receiverSettings) { s.observe = f } }
