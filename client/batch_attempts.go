package client

import (
	"net/http"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// batchCallKey is the context key of the *batchCall that a request belongs to.
type batchCallKey struct{}

// watchBatches tells the batch that a request belongs to what each attempt came
// to, at the moment it is known. The result of the call would come too late: the
// pipeline waits for as long as a rate limit asks, and an exhausted quota has to
// stop the other calls at once. It stands inside all that holds requests back, so
// that it also knows what is on the wire.
func watchBatches(next http.RoundTripper) http.RoundTripper {
	return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		ctx := req.Context()
		b, ok := ctx.Value(batchCallKey{}).(*batchCall)
		if !ok {
			return next.RoundTrip(req)
		}
		wire := transport.CallFrom(ctx)
		before := wire.Attempts
		b.run.tally.launched(b)
		resp, err := next.RoundTrip(req)
		b.attempted(transport.OutcomeOf(resp, err), wire.Attempts-before)
		return resp, err
	})
}

// attempted takes note of one attempt.
func (b *batchCall) attempted(o transport.Outcome, sent int) {
	r := b.run
	b.attempts += sent
	r.tally.attempted(b, sent, o)
	switch o.Class { //nolint:exhaustive // the rest is no trouble, or is judged by the call's result
	case transport.ClassQuotaExceeded:
		r.halt(ErrQuotaExceeded, nil)
	case transport.ClassPlanExpired:
		r.halt(ErrPlanExpired, nil)
	case transport.ClassRateLimited:
		r.gate.trouble(b, ErrRateLimited)
	case transport.ClassTimeout:
		r.gate.trouble(b, ErrAttemptTimeout)
	case transport.ClassTransient, transport.ClassTransport:
		r.gate.trouble(b, ErrUnavailable)
	}
}
