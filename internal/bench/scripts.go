package bench

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// ok and down are the two plain answers.
var (
	ok   = Answer{Status: http.StatusOK}
	down = Answer{Status: http.StatusServiceUnavailable}
)

// Healthy answers every attempt with the payload.
func Healthy() Script {
	return func(Attempt) Answer { return ok }
}

// Outage answers 503 from one time until another, and is healthy before and after.
func Outage(from, to time.Duration) Script {
	return func(a Attempt) Answer {
		if a.Since >= from && a.Since < to {
			return down
		}
		return ok
	}
}

// Flaky answers a share of the attempts with 503, chosen by a seeded die.
func Flaky(share float64, seed uint64) Script {
	die := rand.New(rand.NewPCG(seed, 0))
	return func(Attempt) Answer {
		if die.Float64() < share {
			return down
		}
		return ok
	}
}

// Limit is a hard limit: a token bucket that answers Status when it is empty.
type Limit struct {
	Rate       float64 // attempts per second
	Burst      float64
	Status     int
	RetryAfter string        // the header, empty for none
	Service    time.Duration // how long an accepted attempt takes
}

// Script returns the limit as a script, the bucket full.
func (l Limit) Script() Script {
	tokens, last := l.Burst, time.Duration(0)
	return func(a Attempt) Answer {
		tokens = min(l.Burst, tokens+l.Rate*(a.Since-last).Seconds())
		last = a.Since
		if tokens < 1 {
			return Answer{Status: l.Status, RetryAfter: l.RetryAfter}
		}
		tokens--
		return Answer{Status: http.StatusOK, After: l.Service}
	}
}

// FirstFails answers every other attempt with 503, the first one included: calls
// that come one after the other each meet one failure.
func FirstFails() Script {
	return func(a Attempt) Answer {
		if a.N%2 == 1 {
			return down
		}
		return ok
	}
}

// badPath is where [GoodAndBad] fails.
const badPath = "/bad"

// GoodAndBad answers 503 on one path and is healthy on all others.
func GoodAndBad() Script {
	return func(a Attempt) Answer {
		if a.Path == badPath {
			return down
		}
		return ok
	}
}

// Away answers every attempt with the status and asks to come back later.
func Away(status int, retryAfter string) Script {
	return func(Attempt) Answer { return Answer{Status: status, RetryAfter: retryAfter} }
}

// Slow is healthy, but takes its time.
func Slow(after time.Duration) Script {
	return func(Attempt) Answer { return Answer{Status: http.StatusOK, After: after} }
}
