package transport

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// WithTimeout is [context.WithTimeoutCause] for the whole of a call. It starts a
// timer only when somebody waits for the context to end: most calls never wait
// but in their attempts, which have timers of their own.
// If the parent ends sooner anyway it is returned itself.
func WithTimeout(parent context.Context, after time.Duration, cause error) (context.Context, context.CancelFunc) {
	at := time.Now().Add(after)
	if sooner, ok := parent.Deadline(); ok && sooner.Before(at) {
		return parent, func() {}
	}
	d := &deadline{Context: parent, at: at, cause: cause}
	return d, d.release
}

// deadline is a context that ends at a time. Until it is armed it has the parent's
// fate and looks at the clock when asked; from then on it has that of armed.
type deadline struct {
	context.Context // the parent

	at    time.Time
	cause error

	arming   sync.Mutex
	armed    atomic.Pointer[armed] // nil before anybody waited
	released atomic.Bool
}

// armed is a context with a timer.
type armed struct {
	context.Context

	stop context.CancelFunc
}

// Deadline implements [context.Context].
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} { return d.arm().Done() }

// Err implements [context.Context].
func (d *deadline) Err() error { return d.ended(time.Until(d.at) <= 0) }

// ended is Err for a caller who knows whether the time has come.
func (d *deadline) ended(due bool) error {
	if !due && d.armed.Load() == nil && !d.released.Load() {
		return d.Context.Err()
	}
	a := d.arm()
	if due { // its timer is due: an attempt's that was set for the same time may have come first
		<-a.Done()
	}
	return a.Err()
}

// endedAt is ctx.Err() for a caller who has just read the clock: to read it again
// costs more than much of what a call does otherwise.
func endedAt(ctx context.Context, now time.Time) error {
	if d := outermost(ctx); d != nil {
		return d.ended(!now.Before(d.at))
	}
	return ctx.Err()
}

// outermost returns the call's deadline if nothing but the call itself stands around it
// in a context, else nil.
func outermost(ctx context.Context) *deadline {
	if c, ok := ctx.(*callContext); ok {
		ctx = c.Context
	}
	d, _ := ctx.(*deadline)
	return d
}

// Value implements [context.Context]. [context.Cause] asks here too.
func (d *deadline) Value(key any) any {
	if a := d.armed.Load(); a != nil {
		return a.Value(key)
	}
	return d.Context.Value(key)
}

// arm starts the timer.
func (d *deadline) arm() *armed {
	d.arming.Lock()
	defer d.arming.Unlock()
	a := d.armed.Load()
	if a == nil {
		a = &armed{}
		a.Context, a.stop = context.WithDeadlineCause(d.Context, d.at, d.cause)
		d.armed.Store(a)
		if d.released.Load() {
			a.stop()
		}
	}
	return a
}

// release is the cancel function. It and arm look for each other's mark after leaving
// their own, so one of them stops the timer.
func (d *deadline) release() {
	d.released.Store(true)
	if a := d.armed.Load(); a != nil {
		a.stop()
	}
}
