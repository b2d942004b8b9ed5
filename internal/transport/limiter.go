package transport

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// Limiter is a rate limit that several processes share. It takes the place of the
// throttle's pace; the throttle itself is what this process falls back on.
//
// Both methods are called from many goroutines. A limiter may also be a [Quieter].
type Limiter interface {
	// Reserve takes cost tokens from the shared limit. The caller sleeps, never the
	// limiter: wait is how long from now until the tokens are earned, 0 if they
	// are there. If they would take longer than maxWait, Reserve takes nothing and
	// returns that longer wait with ok false; maxWait is math.MaxInt64 for a caller
	// without a deadline.
	//
	// An error means that the limit cannot be asked at present, not that it
	// refuses. It never fails a call: the attempt is paced by the local throttle
	// instead, and Reserve is left alone for [LimiterPause]. ctx ends after
	// [LimiterPatience]; what has no answer by then should return its error.
	//
	// A token that was reserved and is not used (the caller gave up, or was
	// stopped too long, or the upstream asked for quiet meanwhile) is lost: a
	// limiter errs on the slow side.
	Reserve(ctx context.Context, cost int, maxWait time.Duration) (wait time.Duration, ok bool, err error)
	// Feedback tells what the upstream said to an attempt: limited for a rate-limit
	// answer, with the wait that it asked for, 0 for none; otherwise that the
	// attempt was let through. It runs on the goroutine of the call and must not
	// block: what has to travel is sent from elsewhere. Attempts that brought no
	// answer that tells (a lost connection, a 5xx) are not reported.
	Feedback(limited bool, retryAfter time.Duration)
}

// Quieter is a [Limiter] that hears of rate-limit answers to other processes.
type Quieter interface {
	// Quiet is until when the upstream has asked any process for quiet, zero if
	// nobody. It is called when a token that had to be waited for comes due, and
	// must answer from memory: in the quiet time the token is dropped, and Reserve
	// asked anew.
	Quiet() time.Time
}

// How long a [Limiter] that does not do its part can hold a call up.
const (
	// LimiterPatience bounds the context of each Reserve.
	LimiterPatience = 100 * time.Millisecond
	// LimiterPause is how long a limiter is left alone after an error. Then one
	// call at a time asks it again.
	LimiterPause = time.Second
	// limiterStale is how late a token may be used. A process that was stopped
	// for longer would send all it had reserved at once.
	limiterStale = 250 * time.Millisecond
)

// Shared paces attempts by a [Limiter]:
//
//	gate      what the upstream asked this process to wait stays local: no
//	          reservation is made, or used, before it ends
//	limiter   a reservation, and the sleep until it is earned
//	share     while the limiter fails, the local throttle in its place
//
// All methods are safe for concurrent use; a nil *Shared is off.
type Shared struct {
	limiter Limiter
	base    time.Time
	gate    *Throttle    // a rate without bounds: only its gate is used
	share   *Throttle    // nil: attempts are not paced while the limiter fails
	askAt   atomic.Int64 // on the clock of base; 0 while all is well
	waiting atomic.Int64

	reserved, refused, failed, local counter
}

// NewShared returns the pacing by limiter with share as what it falls back on, nil if
// limiter is nil. The gate is capped at gateCap; 0 means [DefaultGateCap].
func NewShared(limiter Limiter, share *Throttle, gateCap time.Duration) (*Shared, error) {
	if limiter == nil {
		return nil, nil //nolint:nilnil // a nil Shared is one that is off
	}
	gate, err := NewThrottle(ThrottleConfig{Rate: unpaced, Burst: unpaced, Fixed: true, GateCap: gateCap})
	if err != nil {
		return nil, err
	}
	return &Shared{limiter: limiter, base: time.Now(), gate: gate, share: share}, nil
}

// unpaced is a rate that no process reaches.
const unpaced = 1e9

// take waits for the leave to send one attempt. Its refusals are those of
// [Throttle.Take].
func (s *Shared) take(ctx context.Context) (Grant, error) {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	for {
		if _, err := s.gate.Take(ctx); err != nil {
			return Grant{}, err
		}
		wait, ok, err := s.reserve(ctx)
		switch {
		case ctx.Err() != nil:
			return Grant{}, waitError(ctx)
		case err != nil:
			s.local.Add(1)
			return s.share.Take(ctx)
		case !ok:
			s.refused.Add(1)
			return Grant{}, &ThrottledError{Wait: wait, Shared: true}
		case wait == 0:
			return Grant{}, nil
		}
		fresh, err := s.sleep(ctx, wait)
		if fresh || err != nil {
			return Grant{}, err
		}
	}
}

// sleep waits for a reservation to be earned. It is not fresh if the time to use it
// was missed, or if the gate has closed meanwhile.
func (s *Shared) sleep(ctx context.Context, wait time.Duration) (fresh bool, err error) {
	due := time.Now().Add(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false, waitError(ctx)
	}
	return time.Since(due) <= limiterStale && s.gate.Stats().GateUntil.IsZero() && !s.quieted(), nil
}

// quieted reports whether another process was asked for quiet that is not over.
func (s *Shared) quieted() bool {
	q, ok := s.limiter.(Quieter)
	if !ok {
		return false
	}
	defer func() {
		if recover() != nil {
			s.failed.Add(1)
		}
	}()
	return time.Now().Before(q.Quiet())
}

// errPaused: the limiter has failed lately and is not asked.
var errPaused = errors.New("the shared limiter failed lately")

// reserve asks the limiter for one token, at most until ctx's deadline.
func (s *Shared) reserve(ctx context.Context) (wait time.Duration, ok bool, err error) {
	if !s.mayAsk() {
		return 0, false, errPaused
	}
	maxWait := time.Duration(math.MaxInt64)
	if deadline, has := ctx.Deadline(); has {
		maxWait = max(0, time.Until(deadline))
	}
	if hasty, yes := ctx.(atOnce); yes { // its deadline is for maxWait, not for the asking
		ctx = hasty.Context
	}
	wait, ok, err = s.ask(ctx, maxWait)
	if err != nil {
		if ctx.Err() == nil { // else the caller's impatience, not the limiter's fault
			s.failed.Add(1)
			s.askAt.Store(int64(max(1, time.Since(s.base)+LimiterPause)))
		}
		return 0, false, err
	}
	s.askAt.Store(0)
	wait = max(0, wait)
	if ok && wait > maxWait { // a limiter that does not listen
		ok = false
	}
	if ok {
		s.reserved.Add(1)
	}
	return wait, ok, nil
}

// mayAsk reports whether the limiter is to be asked: always while it is well, then one
// call per pause.
func (s *Shared) mayAsk() bool {
	at := s.askAt.Load()
	if at == 0 {
		return true
	}
	now := time.Since(s.base)
	return now >= time.Duration(at) && s.askAt.CompareAndSwap(at, int64(now+LimiterPause))
}

// ask keeps a limiter's panic from the call: it is one more way to fail.
func (s *Shared) ask(ctx context.Context, maxWait time.Duration) (wait time.Duration, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, LimiterPatience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the shared limiter panicked: %v", p)
		}
	}()
	return s.limiter.Reserve(ctx, 1, maxWait)
}

// feedback passes on what the upstream said, to the fleet, to the local gate, and
// to the share if that gave the leave.
func (s *Shared) feedback(g Grant, f Feedback) {
	s.share.Feedback(g, f)
	if f.Limited {
		s.gate.Feedback(Grant{ok: true}, f)
	}
	defer func() {
		if recover() != nil {
			s.failed.Add(1)
		}
	}()
	s.limiter.Feedback(f.Limited, f.RetryAfter)
}

// token waits for the leave to send: the last thing before an attempt.
func (g *guard) token(ctx context.Context) (Grant, error) {
	if g.shared != nil {
		return g.shared.take(ctx)
	}
	return g.throttle.Take(ctx)
}

// feedback reports what the upstream said to whatever gave the leave.
func (g *guard) feedback(grant Grant, f Feedback) {
	if g.shared != nil {
		g.shared.feedback(grant, f)
		return
	}
	g.throttle.Feedback(grant, f)
}

// LimiterStats is a snapshot of a [Shared].
type LimiterStats struct {
	On      bool // there is a shared limiter
	Away    bool // it failed when it was last asked
	Waiting int  // attempts that wait for it, for the gate, or for the local share
	// GateUntil is when the upstream's Retry-After ends; zero if none is
	// running.
	GateUntil time.Time

	Reserved uint64 // tokens
	Refused  uint64 // reservations that lay past a deadline
	Failed   uint64 // errors and panics of the limiter
	Local    uint64 // attempts that the local throttle paced in its place
}

// Stats returns a snapshot; of a nil Shared it is zero.
func (s *Shared) Stats() LimiterStats {
	if s == nil {
		return LimiterStats{}
	}
	return LimiterStats{
		On: true, Away: s.askAt.Load() != 0, Waiting: int(s.waiting.Load()), GateUntil: s.gate.Stats().GateUntil,
		Reserved: s.reserved.Load(), Refused: s.refused.Load(), Failed: s.failed.Load(), Local: s.local.Load(),
	}
}
