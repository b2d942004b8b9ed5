package cli

import (
	"time"

	"github.com/asleep-sdk/asleep/client"
)

// paceWindow is how far back a pace looks: long enough to be steady, short
// enough to forget an outage.
const paceWindow = time.Minute

// pace is how fast a fetch has come on lately.
type pace struct{ seen []moment }

// moment is how many users were done so far into the run.
type moment struct {
	at   time.Duration
	done int64
}

// remaining notes how far the fetch has come, and returns the time until its end
// if it goes on as in the last minute; 0 if that is not known, or while the service
// is away.
func (r *pace) remaining(p client.BatchProgress) time.Duration {
	for len(r.seen) > 1 && p.Elapsed-r.seen[1].at >= paceWindow {
		r.seen = r.seen[1:]
	}
	first := moment{}
	if len(r.seen) > 0 && p.Elapsed > paceWindow {
		first = r.seen[0]
	}
	r.seen = append(r.seen, moment{p.Elapsed, p.Done})
	left, done := p.Total-position(p), p.Done-first.done
	if p.Total <= 0 || left <= 0 || done <= 0 || p.Waiting == client.WaitOutage {
		return 0
	}
	return time.Duration(float64(p.Elapsed-first.at) / float64(done) * float64(left))
}
