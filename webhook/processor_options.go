package webhook

import (
	"log/slog"
	"time"
)

// ProcessorOption configures a [Processor]. Of the same one the last wins.
type ProcessorOption func(*processorSettings)

type processorSettings struct {
	work    Work
	retries Retries
	log     *slog.Logger
	observe func(Observation)
}

// Work is how a processor works.
type Work struct {
	// Workers is how many events are worked at once, besides those in steps with a
	// Schedule. Up to four times as many are claimed.
	Workers int

	// Attempt bounds each step of an attempt: its context ends then. One that does not
	// return for another 5 s is left behind, and the attempt has failed. 0 is no
	// bound.
	Attempt time.Duration

	// Lease is for how long events are claimed. It is renewed while they are
	// worked, each third of it, and is how long those of a killed process wait where
	// nobody releases them sooner: until another processor's next Poll after that.
	// At least a second.
	Lease time.Duration

	// Poll is how often the inbox is asked without being woken.
	Poll time.Duration

	// Drain is how long running steps may take to finish when Run is to end.
	Drain time.Duration
}

// DefaultWork is 64 workers, 30 s an attempt, leases of 12 s, a poll every second
// and 20 s to drain.
func DefaultWork() Work {
	return Work{Workers: 64, Attempt: 30 * time.Second, Lease: 12 * time.Second, Poll: time.Second, Drain: 20 * time.Second}
}

// WithWork replaces [DefaultWork].
func WithWork(w Work) ProcessorOption { return func(s *processorSettings) { s.work = w } }

// Retries are the attempts after the first.
type Retries struct {
	// Waits are those before the second attempt, the third, and so on. What fails
	// after the last is dead; with none the first failure is final.
	Waits []time.Duration

	// Jitter takes a random part of up to this share off every wait. 0 is none, 1
	// all of it.
	Jitter float64
}

// DefaultRetries is three more attempts, after 1, 2 and 4 s, without jitter.
func DefaultRetries() Retries {
	return Retries{Waits: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}}
}

// WithRetries replaces [DefaultRetries].
func WithRetries(r Retries) ProcessorOption { return func(s *processorSettings) { s.retries = r } }

// WithProcessorLogger logs what an operator should know: failed attempts (warn),
// dead events and panics (error), and when something is away and back (warn,
// info). User ids are hashed and bodies are in no line; the text of a handler's
// own error is, so keep ids and bodies out of those. Nil, the default, logs
// nothing.
func WithProcessorLogger(l *slog.Logger) ProcessorOption {
	return func(s *processorSettings) { s.log = l }
}

// WithProcessorObserver calls f with everything that happens, for metrics. It
// runs on the goroutine where it happens and must not block.
func WithProcessorObserver(f func(Observation)) ProcessorOption {
	return func(s *processorSettings) { s.observe = f }
}
