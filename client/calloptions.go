package client

import "time"

// CallOption changes one call. Of the same one the last wins.
type CallOption func(*callSettings)

// InTimezone names the timezone that the answer is rendered in and dates are
// judged in, by its IANA name such as Asia/Seoul, in place of the client's
// ([WithTimezone]). Empty means the client's.
func InTimezone(name string) CallOption {
	return func(s *callSettings) { s.zone = name }
}

// Timeout bounds the call with all its attempts and waits, in place of the
// client's [Timeouts].Overall. It must be positive. A shorter context wins.
func Timeout(d time.Duration) CallOption {
	return func(s *callSettings) { s.overall = &d }
}

// AttemptTimeout bounds each attempt of the call, in place of the client's
// [Timeouts].Attempt. It must be positive.
func AttemptTimeout(d time.Duration) CallOption {
	return func(s *callSettings) { s.attempt = &d }
}

// Attempts is the most attempts of the call, in place of the client's
// [Retry].Attempts; 1 sends exactly one request, whatever the answer.
func Attempts(n int) CallOption {
	return func(s *callSettings) { s.attempts = &n }
}

// WithRequestID sends id as X-Request-ID, the same on all requests of the call,
// in place of a random one. It is 1 to 128 visible ASCII characters.
func WithRequestID(id string) CallOption {
	return func(s *callSettings) { s.requestID = &id }
}

// RawResponse stores the service's answer in into, also when it is a failure or
// cannot be decoded. A call that brings no answer leaves the zero Response; one
// that makes several requests leaves the answer to the last one. The caller owns
// what is stored. It holds health data as it came.
func RawResponse(into *Response) CallOption {
	return func(s *callSettings) { s.raw = into }
}

// Patient lets the call wait, within its deadline, while the breaker is open, where it
// would be refused with [ErrCircuitOpen]. Those who wait are let go on a ramp once
// the service is back. The calls of a batch are patient.
func Patient() CallOption {
	return func(s *callSettings) { s.patient = true }
}

// callSettings is what the options of a call come to. Nil means not given.
type callSettings struct {
	zone      string
	overall   *time.Duration
	attempt   *time.Duration
	attempts  *int
	requestID *string
	raw       *Response
	origin    *Origin

	skipCache, cacheOnly bool

	patient bool

	// batch marks the call as one of many: the client's own overall deadline
	// does not bound it, it yields to interactive calls, and it waits where
	// those would be refused.
	batch bool
}

// inBatch marks a call as one of many: it has no overall deadline of its own,
// yields to interactive calls and is patient.
func inBatch() CallOption {
	return func(s *callSettings) { s.batch = true }
}

func (s *callSettings) apply(opts []CallOption) {
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
}
