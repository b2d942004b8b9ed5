package client

import "time"

// Wait says what a batch is waiting for.
type Wait string

// What a batch waits for.
const (
	WaitNothing    Wait = ""            // it is not waiting
	WaitOutage     Wait = "outage"      // the service is out: probing
	WaitRetryAfter Wait = "retry_after" // the service asked for a pause
	WaitLocal      Wait = "local"       // a policy on this side refused: throttle, bulkhead, breaker, budget
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
	// are being worked on.
	Done, Failed, InHand int64
	// Resumed is the number of positions passed over because the token calls
	// them done, ResumedFailed that of users who failed in the runs before it.
	// Duplicates were passed over too.
	Resumed, ResumedFailed, Duplicates int64
	// Sessions, Reports and Deleted of the users yielded.
	Sessions, Reports, Deleted int64
	// Calls finished, whatever came of them; Attempts are the requests sent,
	// Retries those of them that were not the first of their call, RateLimited
	// those that were answered by a rate limit.
	Calls, Attempts, Retries, RateLimited int64
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
// give its address to [BatchOptions].Meter. It is safe for concurrent use and must not
// be copied.
type BatchMeter struct{ meter }

// Progress returns the state of the batch that the meter was given to last,
// zero before the first.
func (m *BatchMeter) Progress() BatchProgress { panic("client: not built yet") }

type meter struct{}
