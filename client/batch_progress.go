package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// Wait says what a batch is waiting for.
type Wait string

// What a batch waits for.
const (
	WaitNothing    Wait = ""            // it is not waiting
	WaitOutage     Wait = "outage"      // the service is out: probing
	WaitRetryAfter Wait = "retry_after" // the service asked for a pause
	WaitLocal      Wait = "local"       // a policy on this side: throttle, bulkhead, breaker, budget
	WaitInput      Wait = "input"       // the sequence of users
	WaitConsumer   Wait = "consumer"    // the loop over the results
)

// BatchProgress is how far a batch has come. Counts are of this run only,
// except for those named otherwise.
type BatchProgress struct {
	// Total is [BatchOptions].Total, 0 if unknown; Read the number of positions
	// of the input read so far.
	Total, Read int64
	// Done is the number of users yielded, Failed of them with an error. InHand
	// are being worked on, or wait to be yielded.
	Done, Failed, InHand int64
	// Resumed is the number of positions passed over because the token calls
	// them done, ResumedFailed that of users who failed in the runs before it.
	// Duplicates were passed over too.
	Resumed, ResumedFailed, Duplicates int64
	// Sessions, Reports and Deleted of the users yielded; Cached is the part of the
	// Reports that came from the cache.
	Sessions, Reports, Deleted, Cached int64
	// Calls finished, whatever came of them; Attempts are the requests sent,
	// Retries those of them that were not the first of their call, RateLimited
	// those that were answered by a rate limit.
	Calls, Attempts, Retries, RateLimited int64
	// InFlight requests wait for an answer. Queued ones are held back on this
	// side, by the throttle, the bulkhead or the breaker; not counted are those that
	// wait between two attempts.
	InFlight, Queued int64
	// Rate is the number of requests a second over the last 10 s.
	Rate float64
	// Elapsed is the time since the batch began.
	Elapsed time.Duration
	// Waiting says what the batch waits for, Until for how long, if it is
	// known, and Cause after what failure.
	Waiting Wait
	Until   time.Time
	Cause   error
}

// BatchMeter shows the progress of a batch on demand. The zero value is ready;
// give its address to [BatchOptions].Meter. It is safe for concurrent use and must
// not be copied.
type BatchMeter struct{ tally atomic.Pointer[tally] }

// Progress returns the state of the batch that the meter was given to last, the
// final one once that has ended; zero before the first.
func (m *BatchMeter) Progress() BatchProgress {
	t := m.tally.Load()
	if t == nil {
		return BatchProgress{}
	}
	return t.progress()
}

// rateSeconds is how far back a rate looks.
const rateSeconds = 10

// tally counts what a batch does.
type tally struct {
	start   time.Time
	waiting func(*BatchProgress) // fills in what the batch waits for; nil when it has ended

	mu      sync.Mutex
	counts  BatchProgress
	yield   int64                  // results that wait for the consumer
	quiet   time.Time              // the last answer asked not to be asked before
	seconds [rateSeconds + 1]int64 // requests in the second i, i+11, …
	second  int64                  // the newest of them
}

func newTally(total, failedBefore int64) *tally {
	return &tally{start: time.Now(), counts: BatchProgress{Total: total, ResumedFailed: failedBefore}}
}

// calling and called: a call is handed to the pipeline, and comes back.
func (t *tally) calling() { t.change(func(p *BatchProgress) { p.Queued++ }) }

func (t *tally) called(b *batchCall) {
	t.change(func(p *BatchProgress) {
		p.Calls++
		if p.Queued--; b.retrying {
			p.Queued++
			b.retrying = false
		}
	})
}

// launched: a request leaves this side.
func (t *tally) launched(b *batchCall) {
	t.change(func(p *BatchProgress) {
		if p.InFlight++; !b.retrying {
			p.Queued--
		}
		b.retrying = false
	})
}

// attempted: an attempt has come back.
func (t *tally) attempted(b *batchCall, sent int, o transport.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.InFlight--
	if b.retrying = o.Failure() || o.Class == transport.ClassRateLimited; !b.retrying {
		t.counts.Queued++ // until the call comes back, which is now
	}
	t.counts.Attempts += int64(sent)
	if b.attempts > 1 {
		t.counts.Retries += int64(sent)
	}
	t.turn(time.Now())
	t.seconds[t.second%int64(len(t.seconds))] += int64(sent)
	switch o.Class { //nolint:exhaustive // the rest neither asks for a pause nor ends one
	case transport.ClassRateLimited:
		t.counts.RateLimited++
		t.quiet = time.Now().Add(o.RetryAfter)
	case transport.ClassOK:
		t.quiet = time.Time{}
	}
}

// turn empties the seconds that have passed since the newest one.
func (t *tally) turn(now time.Time) {
	newest := int64(now.Sub(t.start) / time.Second)
	for i := max(t.second+1, newest-rateSeconds); i <= newest; i++ {
		t.seconds[i%int64(len(t.seconds))] = 0
	}
	t.second = max(t.second, newest)
}

func (t *tally) read()      { t.change(func(p *BatchProgress) { p.Read++ }) }
func (t *tally) resumed()   { t.change(func(p *BatchProgress) { p.Resumed++ }) }
func (t *tally) duplicate() { t.change(func(p *BatchProgress) { p.Duplicates++ }) }

// begun and dropped: a user is taken in hand, or let go without being done.
func (t *tally) begun()   { t.change(func(p *BatchProgress) { p.InHand++ }) }
func (t *tally) dropped() { t.change(func(p *BatchProgress) { p.InHand-- }) }

// offered and taken: a result waits for the consumer, and waits no more.
func (t *tally) offered() { t.change(func(*BatchProgress) { t.yield++ }) }
func (t *tally) taken()   { t.change(func(*BatchProgress) { t.yield-- }) }

// yielded counts a user who is done.
func (t *tally) yielded(b *Batch) {
	t.change(func(p *BatchProgress) {
		p.InHand--
		p.Done++
		if b.Err != nil {
			p.Failed++
		}
		p.Sessions += int64(len(b.Sessions))
		p.Reports += int64(len(b.Reports))
		p.Cached += int64(b.Cached)
		p.Deleted += int64(b.Deleted)
	})
}

func (t *tally) change(by func(*BatchProgress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by(&t.counts)
}

// progress returns the state of now, or that of the end.
func (t *tally) progress() BatchProgress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.counts
	if t.waiting == nil {
		return p
	}
	now := time.Now()
	p.Elapsed = now.Sub(t.start)
	t.turn(now)
	sent := int64(0)
	for i := max(0, t.second-rateSeconds); i < t.second; i++ { // the newest second is not over
		sent += t.seconds[i%int64(len(t.seconds))]
	}
	if whole := min(t.second, rateSeconds); whole > 0 {
		p.Rate = float64(sent) / float64(whole)
	} else if p.Elapsed > 0 {
		p.Rate = float64(p.Attempts) / p.Elapsed.Seconds()
	}
	t.wait(&p, now)
	return p
}

// wait fills in what the batch waits for.
func (t *tally) wait(p *BatchProgress, now time.Time) {
	t.waiting(p)
	switch {
	case p.Waiting != WaitNothing:
	case now.Before(t.quiet):
		p.Waiting, p.Until, p.Cause = WaitRetryAfter, t.quiet, ErrRateLimited
	case p.Queued > 0 && p.Queued >= p.InFlight:
		p.Waiting = WaitLocal
	case p.InHand == 0:
		p.Waiting = WaitInput
	case t.yield == p.InHand:
		p.Waiting = WaitConsumer
	}
}

// freeze keeps the state of the end, and lets go of the batch.
func (t *tally) freeze() BatchProgress {
	p := t.progress()
	p.Waiting, p.Until, p.Cause = WaitNothing, time.Time{}, nil
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts, t.waiting = p, nil
	return p
}
