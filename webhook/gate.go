package webhook

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	gateThreshold = 3                    // failures in a row that close a gate
	gateFirst     = time.Second          // until the first probe; doubled by every probe that fails,
	gateLongest   = time.Minute          // up to this
	gateHold      = time.Hour            // the longest wait that the far side may ask for
	gateSpacing   = 2 * time.Millisecond // between the returns of those who found it closed
)

// gate stands before a step and is closed while what the step needs is away, so
// that ten thousand events do not each wait for a timeout to learn it. Every now
// and then it lets one through, as a probe. Those it turns away come back one
// after the other, so that claiming and releasing them costs no more than the
// spacing allows, however many they are.
type gate struct {
	mu      sync.Mutex
	streak  int
	since   time.Time // when it was closed; zero while it is open
	probe   time.Time // when the next may try
	probing bool
	backoff time.Duration
	tail    time.Time // when the last who was turned away comes back
	reason  error
}

// enter lets the caller through, who must leave then, or says when to come back.
func (g *gate) enter(now time.Time) (ok, probe bool, back time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.since.IsZero():
		return true, false, time.Time{}
	case !g.probing && !now.Before(g.probe):
		g.probing = true
		return true, true, time.Time{}
	}
	back = g.probe
	if soon := now.Add(gateFirst); back.Before(soon) {
		back = soon
	}
	if next := g.tail.Add(gateSpacing); back.Before(next) {
		back = next
	}
	g.tail = back
	return false, false, back
}

// away reports that the caller met an outage, and after what wait it asked for, 0
// if for none. closed is true if that closed the gate.
func (g *gate) away(now time.Time, probe bool, ask time.Duration, reason error) (closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reason = reason
	g.streak++
	switch {
	case probe:
		g.probing = false
		g.backoff = min(2*g.backoff, gateLongest)
	case !g.since.IsZero(): // it was under way when the gate closed
	case g.streak >= gateThreshold || ask > 0:
		g.since, g.backoff, closed = now, gateFirst, true
	}
	if (probe || closed) && !g.since.IsZero() {
		g.probe = now.Add(jitter(g.backoff, 0.5))
	}
	if hold := now.Add(min(ask, gateHold)); !g.since.IsZero() && g.probe.Before(hold) {
		g.probe = hold
	}
	return closed
}

// back reports that the caller got an answer, good or bad. opened says for how
// long the gate had been closed, 0 if it was open.
func (g *gate) back(now time.Time) (opened time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.since.IsZero() {
		opened = max(now.Sub(g.since), 1)
	}
	g.streak, g.since, g.probe, g.probing, g.tail, g.reason = 0, time.Time{}, time.Time{}, false, time.Time{}, nil
	return opened
}

// leave reports that the caller learnt nothing.
func (g *gate) leave(probe bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		g.probing = false
	}
}

func (g *gate) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}

func (g *gate) stats(step string) GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GateStats{Step: step, Closed: !g.since.IsZero(), Since: g.since, Probe: g.probe}
	if s.Closed && g.reason != nil {
		s.Reason = g.reason.Error()
	}
	return s
}

// jitter takes a random part of up to share off d.
func jitter(d time.Duration, share float64) time.Duration {
	if d <= 0 || share <= 0 {
		return d
	}
	return d - time.Duration(share*rand.Float64()*float64(d))
}

// backoff is the wait before try n, counted from 1, of something that is away.
func backoff(n int, first, longest time.Duration) time.Duration {
	d := first
	for range min(max(n, 1)-1, 40) {
		if d *= 2; d >= longest {
			break
		}
	}
	return jitter(min(d, longest), 0.5)
}
