package client

import (
	"context"
	"errors"
	"time"
)

// batchCall is one call of a batch with all its rounds. It belongs to one
// goroutine; what the gate keeps in it is under the gate's lock.
type batchCall struct {
	run      *batchRun
	op       batchOp
	index    int64 // position of the user
	first    bool  // of its user: not begun any more after a stop
	attempts int   // requests of the round under way
	retrying bool  // the last of them failed, and the pipeline may send another one
	cleared  bool  // a control shows that the service is well

	// The gate's.
	ready    chan struct{}
	turn     uint64 // when it was let out: the n-th of the batch
	probe    bool   // it was let out while the service was out
	misses   int    // rounds failed while nobody else succeeded
	troubled bool
}

// errBatchOver ends the work on a user because the batch ends: it is neither
// done nor failed.
var errBatchOver = errors.New("the batch is over")

// do makes the call, with patience: it returns once the service has given a real
// answer, or the failure is the user's, or the batch is over (errBatchOver). entered
// says that the gate has let it out already. It returns how many calls and
// requests that took.
func (b *batchCall) do(ctx context.Context, entered bool, once func(context.Context) error) (calls, attempts int, err error) {
	g := b.run.gate
	defer g.settle(b)
	for strikes := 0; ; {
		if !entered && g.enter(ctx, b) != nil {
			return calls, attempts, errBatchOver
		}
		entered = false
		if b.first && calls == 0 && b.run.stopped() {
			g.leave(b)
			return calls, attempts, errBatchOver
		}
		b.cleared = false
		if b.probe && b.misses > 0 && !b.control(ctx) {
			g.leave(b)
			continue
		}
		err := b.round(ctx, once)
		calls++
		attempts += b.attempts
		again, strike := b.judge(ctx, err)
		g.leave(b)
		if !again {
			if ctx.Err() != nil && err != nil {
				err = errBatchOver
			}
			return calls, attempts, err
		}
		if !strike {
			continue
		}
		if strikes++; strikes >= b.run.options.Rounds {
			return calls, attempts, err
		}
		if !pause(ctx, probeWait(strikes)) {
			return calls, attempts, errBatchOver
		}
	}
}

// round makes the call once, with the pipeline's own attempts.
func (b *batchCall) round(ctx context.Context, once func(context.Context) error) error {
	b.attempts = 0
	b.run.tally.calling()
	err := once(context.WithValue(ctx, batchCallKey{}, b))
	b.run.tally.called(b)
	return err
}

// judge tells the gate what a round came to. again: it is to be made again;
// strike: that counts against the user.
func (b *batchCall) judge(ctx context.Context, err error) (again, strike bool) {
	g := b.run.gate
	asked := time.Duration(0) // for a pause
	if failure, ok := errors.AsType[*Error](err); ok {
		asked = failure.RetryAfter
	}
	switch {
	case err == nil:
		g.good(b)
	case ctx.Err() != nil && !refusesAll(err):
	case refusesAll(err):
		b.run.halt(refusalOf(err), err)
	case localRefusal(err):
		g.quiet(b, asked, WaitLocal, err)
		return true, false
	case errors.Is(err, ErrRateLimited):
		if g.fits(b, asked) {
			g.quiet(b, asked, WaitRetryAfter, err)
			return true, false
		}
		b.run.halt(ErrOutage, err)
	case doubtful(err):
		return true, g.bad(b, err)
	default:
		g.good(b)
	}
	return false, false
}

// refusals are the answers that concern every call of the key.
var refusals = []error{ErrQuotaExceeded, ErrPlanExpired, ErrUnauthorized, ErrForbidden}

func refusesAll(err error) bool { return refusalOf(err) != nil }

// refusalOf returns the sentinel of an answer that concerns every call.
func refusalOf(err error) error {
	for _, sentinel := range refusals {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	return nil
}

// localRefusal reports whether a policy on this side refused: nothing was sent, and it
// says nothing about the user.
func localRefusal(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Layer == LayerLocal && e.retryable
}

// doubtful reports whether a failure may be the service's as well as the user's:
// whatever is not a proper answer. That includes successes that make no sense and
// redirects, as a gateway in trouble gives them to everyone.
func doubtful(err error) bool {
	return Retryable(err) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDecode) || errors.Is(err, ErrRedirected)
}

// pause waits; it reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
