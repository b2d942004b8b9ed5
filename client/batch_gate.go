package client

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// batchOp is a kind of call. The kinds are judged apart, since a service may list
// well while it cannot read reports.
type batchOp int

const (
	batchList batchOp = iota
	batchReport
	batchOps
)

// The waits between probes of a service that is out, and between the rounds of a
// call: jittered, doubling from the first to the longest.
const (
	firstProbeWait   = 500 * time.Millisecond
	longestProbeWait = 10 * time.Second
)

// gate lets the calls of a batch out: never more than its slots at once, the user
// who comes first in the input first. It knows when the service is out: then one
// call at a time probes, with growing waits between them, and the first success
// reopens on a ramp.
type gate struct {
	maxOutage time.Duration
	outage    func(since time.Time, cause error) // called without the lock

	mu      sync.Mutex
	slots   int
	free    int
	lanes   [batchOps]lane
	waiting []*batchCall
	turns   uint64      // calls let out so far
	timer   *time.Timer // lets calls out when a hold ends
	closed  bool
}

// lane is the health of one kind of call.
type lane struct {
	limit  int // most calls in flight: slots when all is well
	flying int
	newest uint64 // turn of the newest call that succeeded

	out    bool      // nothing succeeds: one probe at a time
	misses int       // failed probes, refusals in a row
	hold   time.Time // no call goes out before
	why    Wait      // of the hold

	// since is the first failed attempt after the last success, zero if
	// there is none or no call is in trouble any more.
	since    time.Time
	cause    error
	troubled int // calls that failed and are not settled
	alarm    *time.Timer
}

func newGate(slots int, maxOutage time.Duration, outage func(time.Time, error)) *gate {
	g := &gate{maxOutage: maxOutage, outage: outage, slots: slots, free: slots}
	for op := range g.lanes {
		g.lanes[op].limit = slots
	}
	return g
}

// enter waits until b may go out. The error is the end of ctx.
func (g *gate) enter(ctx context.Context, b *batchCall) error {
	g.mu.Lock()
	b.ready = make(chan struct{})
	g.waiting = append(g.waiting, b)
	g.grant()
	g.mu.Unlock()
	select {
	case <-b.ready:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, b); i >= 0 {
		g.drop(i)
	} else { // let out at the same moment
		g.land(b)
	}
	return context.Cause(ctx)
}

// grant lets out who may go.
func (g *gate) grant() {
	now := time.Now()
	for g.free > 0 && !g.closed {
		i := g.next(now)
		if i < 0 {
			break
		}
		b := g.drop(i)
		l := &g.lanes[b.op]
		g.free--
		l.flying++
		g.turns++
		b.turn, b.probe = g.turns, l.out
		close(b.ready)
	}
	g.wake(now)
}

// next returns whose turn it is, -1 if it is nobody's. While the service is out
// those go first who have not probed yet: the trouble may be one user's own.
func (g *gate) next(now time.Time) int {
	best, bestMisses := -1, 0
	for i, b := range g.waiting {
		l := &g.lanes[b.op]
		if l.flying >= l.limit || now.Before(l.hold) {
			continue
		}
		misses := 0
		if l.out {
			misses = b.misses
		}
		if best < 0 || misses < bestMisses || misses == bestMisses && b.index < g.waiting[best].index {
			best, bestMisses = i, misses
		}
	}
	return best
}

// drop removes a call from those waiting.
func (g *gate) drop(i int) *batchCall {
	b := g.waiting[i]
	last := len(g.waiting) - 1
	g.waiting[i], g.waiting[last] = g.waiting[last], nil
	g.waiting = g.waiting[:last]
	return b
}

// wake sets the timer to the first hold that ends with someone waiting for it.
func (g *gate) wake(now time.Time) {
	var first time.Time
	for _, b := range g.waiting {
		if hold := g.lanes[b.op].hold; now.Before(hold) && (first.IsZero() || hold.Before(first)) {
			first = hold
		}
	}
	switch {
	case first.IsZero() || g.closed:
	case g.timer == nil:
		g.timer = time.AfterFunc(first.Sub(now), func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.grant()
		})
	default:
		g.timer.Reset(first.Sub(now))
	}
}

// land gives the slot of b back.
func (g *gate) land(b *batchCall) {
	g.free++
	g.lanes[b.op].flying--
	g.grant()
}

// good: b has a real answer. It ends an outage of its kind.
func (g *gate) good(b *batchCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := &g.lanes[b.op]
	l.newest = max(l.newest, b.turn)
	l.misses = 0
	l.calm()
	if l.out {
		l.out, l.limit = false, 1
	}
	if l.why == WaitOutage { // a pause that was asked for stays
		l.hold, l.why = time.Time{}, WaitNothing
	}
	l.limit = min(l.limit+1, g.slots)
	b.misses = 0
	g.grant()
}

// bad: b failed, for reasons that may be the service's or its user's own. It is the
// user's if a call of the kind succeeded that was let out later, or a control
// did: alone is true. One let out earlier proves nothing: when a service goes
// away, what it answered just before is still coming in.
func (g *gate) bad(b *batchCall, cause error) (alone bool) {
	g.trouble(b, cause)
	g.mu.Lock()
	defer g.mu.Unlock()
	l := &g.lanes[b.op]
	if b.cleared || l.newest > b.turn {
		b.misses = 0
		return true
	}
	b.misses++
	if !l.out {
		for op := range g.lanes { // careful with the others: one call to see how they are, then a ramp
			g.lanes[op].limit = 1
		}
	}
	if !l.out || b.probe {
		l.out = true
		l.misses++
		l.hold, l.why = time.Now().Add(probeWait(l.misses)), WaitOutage
	}
	return false
}

// quiet: the service asked for a pause, or a policy on this side refused: no call
// of any kind goes out before wait has passed, 0 for a growing wait of our own, and
// then on a ramp.
func (g *gate) quiet(b *batchCall, wait time.Duration, why Wait, cause error) {
	g.trouble(b, cause)
	g.mu.Lock()
	defer g.mu.Unlock()
	l := &g.lanes[b.op]
	l.misses++
	if wait <= 0 {
		wait = probeWait(l.misses)
	} else {
		wait += jitter(0, pauseSpread(wait))
	}
	until := time.Now().Add(wait)
	for op := range g.lanes {
		if l := &g.lanes[op]; until.After(l.hold) {
			l.hold, l.why, l.limit = until, why, 1
		}
	}
}

// trouble: an attempt of b failed or was put off. The time of an outage counts
// from the first one after the last success.
func (g *gate) trouble(b *batchCall, cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	l := &g.lanes[b.op]
	l.cause = cause
	if !b.troubled {
		b.troubled = true
		l.troubled++
	}
	if !l.since.IsZero() {
		return
	}
	l.since = time.Now()
	since := l.since
	l.alarm = time.AfterFunc(g.maxOutage, func() {
		g.mu.Lock()
		over, cause := l.since.Equal(since), l.cause
		g.mu.Unlock()
		if over {
			g.outage(since, cause)
		}
	})
}

// fits reports whether a wait asked for ends before the patience does.
func (g *gate) fits(b *batchCall, wait time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	since := g.lanes[b.op].since
	if since.IsZero() {
		since = time.Now()
	}
	return wait+pauseSpread(wait) < g.maxOutage-time.Since(since)
}

// pauseSpread is how much later than asked a batch may come back, so that those
// who were told the same do not return in lockstep.
func pauseSpread(wait time.Duration) time.Duration { return min(wait/10, time.Second) }

// settle: b is over, however it ended.
func (g *gate) settle(b *batchCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !b.troubled {
		return
	}
	b.troubled = false
	l := &g.lanes[b.op]
	if l.troubled--; l.troubled == 0 {
		l.calm() // nobody asks any more whether the service is out
	}
}

// leave gives the slot of b back.
func (g *gate) leave(b *batchCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.land(b)
}

// calm stops the time of an outage.
func (l *lane) calm() {
	l.since, l.cause = time.Time{}, nil
	if l.alarm != nil {
		l.alarm.Stop()
		l.alarm = nil
	}
}

// close stops the timers; no call is let out any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	if g.timer != nil {
		g.timer.Stop()
	}
	for op := range g.lanes {
		g.lanes[op].calm()
	}
}

// state says what the gate waits for.
func (g *gate) state() (why Wait, until time.Time, cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for op := range g.lanes {
		if l := &g.lanes[op]; l.out || now.Before(l.hold) {
			why, until, cause = l.why, l.hold, l.cause
		}
	}
	return why, until, cause
}

// probeWait draws the wait after the n-th miss in a row.
func probeWait(n int) time.Duration {
	ceiling := longestProbeWait
	if shift := n - 1; shift < 5 {
		ceiling = min(ceiling, firstProbeWait<<shift)
	}
	return jitter(ceiling/2, ceiling)
}

func jitter(low, high time.Duration) time.Duration {
	return low + time.Duration(rand.Float64()*float64(high-low))
}
