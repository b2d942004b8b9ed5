package client

import (
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// Throttle bounds how often the client asks. The zero value is off.
type Throttle struct {
	// Rate is the most requests a second, repetitions included: in any time t no
	// more than Rate·t + Burst are sent. It is a ceiling: when the service
	// answers with a rate limit the client slows down below it, and grows
	// back as requests are accepted. A Retry-After quiets the whole client.
	Rate float64
	// Burst is how many requests may leave at once after a pause; 0 means one
	// second's worth, at least 1 and at most 10.
	Burst int
	// Fixed keeps the rate at Rate whatever the service answers. Retry-After
	// is honoured all the same.
	Fixed bool
}

// DefaultThrottle is 10 requests a second with a burst of 10.
func DefaultThrottle() Throttle { return Throttle{Rate: 10, Burst: 10} }

// WithThrottle replaces [DefaultThrottle]. A call whose turn would come after its
// deadline is refused at once with [ErrThrottled].
func WithThrottle(t Throttle) Option { return func(s *settings) { s.throttle = t } }

// Bulkhead bounds how many requests are under way at once. The zero value is
// off. Calls that find no slot wait as long as their deadline allows; those of
// a batch let others go first.
type Bulkhead struct {
	// Limit is the number of requests under way; [Pool].MaxConnections lowers it.
	Limit int
	// Reserve is the number of slots that batches cannot take. 0 means an eighth
	// of Limit, at least 1; negative means none, fit for a program that only
	// runs batches.
	Reserve int
	// MaxQueue bounds the calls that wait for a slot, interactive ones and those
	// of batches each; 0 means no bound. A call beyond it is [ErrBulkheadFull].
	MaxQueue int
	// MaxWait bounds the wait for a slot; 0 means the call's deadline. A call
	// that waits longer is [ErrBulkheadFull].
	MaxWait time.Duration
}

// DefaultBulkhead is 16 requests under way, 2 of them kept from batches.
func DefaultBulkhead() Bulkhead { return Bulkhead{Limit: 16} }

// WithBulkhead replaces [DefaultBulkhead].
func WithBulkhead(b Bulkhead) Option { return func(s *settings) { s.bulkhead = b } }

// limits makes the policies that hold requests back, and notes what is wrong
// with their settings.
func (s *settings) limits() (*transport.Throttle, *transport.Bulkhead) {
	throttle, err := transport.NewThrottle(transport.ThrottleConfig{Rate: s.throttle.Rate, Burst: s.throttle.Burst, Fixed: s.throttle.Fixed})
	s.adopt("WithThrottle", "throttle: ", err)
	bulkhead, err := transport.NewBulkhead(transport.BulkheadConfig{
		Limit: s.slots(), Reserve: s.bulkhead.Reserve, MaxQueue: s.bulkhead.MaxQueue, MaxWait: s.bulkhead.MaxWait,
	})
	s.adopt("WithBulkhead", "bulkhead: ", err)
	return throttle, bulkhead
}

// slots is the bulkhead's limit: more requests than connections would only wait
// elsewhere.
func (s *settings) slots() int {
	if most := s.pool.MaxConnections; most > 0 && s.bulkhead.Limit > most {
		return most
	}
	return s.bulkhead.Limit
}

// adopt notes each problem that a policy found with its settings.
func (s *settings) adopt(option, prefix string, err error) {
	if err == nil {
		return
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, problem := range list {
		s.problem(option, "%s", strings.TrimPrefix(problem.Error(), prefix))
	}
}
