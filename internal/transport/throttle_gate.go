package transport

import (
	"math/rand/v2"
	"time"
)

// gate is the quiet time that a Retry-After asks for, of the caller who was told and,
// to be safe, of everybody.
//
// Everybody is more than many upstreams mean by "Retry-After: 1". It is the least that
// the header can say: one that counts requests in a bucket of 20 per 0.2 s has to round up
// to it, and loses four fifths of what it would take. So behind a gate of less than 2 s
// one request, of somebody who was not told, looks in early. If it is accepted, the
// rate was the matter and not the client: the gate opens, and the new pace does the
// rest. If it is refused, the upstream means what it says: the gate stays closed to the
// end, and the next gates are not looked behind, first one, then three, seven and so
// on up to 63. So an upstream that lets nobody in and counts every try is tried a
// handful of times in all.
//
// Whoever was told waits in any case for as long as was asked (see [Retry]).
type gate struct {
	whole bool // never look in

	since  time.Duration // when it was closed
	until  time.Duration // nothing leaves before, but for the one who looks in,
	look   time.Duration // who may leave from here on; 0 = nobody (any more)
	looked time.Duration // when the latest one left who was let in
	skip   int           // gates not to be looked behind
	doubt  int           // looks in a row that were refused
}

const (
	// lookAfter is the least time between a refusal and the look. An allowance that
	// grows by 20 or more a second has grown by one then.
	lookAfter = 50 * time.Millisecond
	// tooLong is the shortest wait that cannot be a shorter one rounded up.
	tooLong  = 2 * time.Second
	maxDoubt = 6
)

// close takes in that a request was refused with a Retry-After, and reports whether that
// is news. What left before one who was let in knows nothing new.
func (g *gate) close(grant Grant, now, asked, roundTrip time.Duration) bool {
	until := now + asked
	if asked <= 0 || until <= g.until || grant.at < g.looked {
		return false
	}
	if g.until > now { // later answers of one wave only move it on
		g.until = until
		return true
	}
	g.until = until + rand.N(asked/20+1)
	g.since, g.look = now, 0
	switch after := max(lookAfter, roundTrip); {
	case g.whole || asked >= tooLong || after > asked/2:
	case g.skip > 0:
		g.skip--
	default:
		g.look = now + after
	}
	return true
}

// opens is when the next request may leave, as far as the gate goes.
func (g *gate) opens() time.Duration {
	if g.look > 0 {
		return g.look
	}
	return g.until
}

// depart notes that a request leaves and reports whether others have to stay.
func (g *gate) depart(now time.Duration) bool {
	if g.until <= now {
		return false
	}
	g.look = 0
	return true
}

// lookedIn reports whether grant is that of the one who looked in.
func (g *gate) lookedIn(grant Grant, now time.Duration) bool {
	return g.until > now && grant.at > g.since
}

// open takes in that the one who looked in was accepted.
func (g *gate) open(grant Grant, now time.Duration) {
	g.until, g.looked, g.doubt = now, grant.at, 0
}

// confirm takes in that the one who looked in was refused.
func (g *gate) confirm() {
	g.doubt = min(g.doubt+1, maxDoubt)
	g.skip = 1<<g.doubt - 1
}
