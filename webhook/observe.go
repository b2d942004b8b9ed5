package webhook

import (
	"time"

	"github.com/asleep-sdk/asleep"
)

// Moment is what an [Observation] is about.
type Moment string

// The moments.
const (
	StepEnded   Moment = "step"    // Step, Kind, Outcome (ok, failed, away, waits, dropped, ended, lost), Duration
	EventEnded  Moment = "event"   // Kind, Outcome (done, retry, dead, released, lost), Duration since it was claimed, Age since it was received, Attempts
	GateClosed  Moment = "closed"  // what Step needs is away; Wait until it is probed
	GateOpened  Moment = "opened"  // and is back after Duration
	InboxAway   Moment = "away"    // the inbox cannot be used; nothing is claimed
	InboxBack   Moment = "back"    // and can again after Duration
	WorkerStuck Moment = "stuck"   // Step did not return when its context had ended
	LeaseLost   Moment = "lost"    // Kind: an event was taken by another claim or erased
)

// Observation is one thing that happened.
type Observation struct {
	Moment   Moment
	Step     string
	Kind     asleep.WebhookEvent // one of the known kinds, or "other"
	Outcome  string
	Attempts int // failed ones, this one included
	Duration time.Duration
	Age      time.Duration
	Wait     time.Duration
	Err      error
}

// ProcessorStats counts since the processor was made.
type ProcessorStats struct {
	Claimed  uint64 // handed out by the inbox
	Done     uint64
	Retried  uint64 // failed attempts that are tried again
	Dead     uint64
	Released uint64 // handed back without burning an attempt
	Lost     uint64 // taken by another claim, or erased
	Panics   uint64
	Timeouts uint64

	Held    int       // claimed and not settled
	Stuck   int       // steps that did not return when their context had ended
	Away    time.Time // since when the inbox cannot be used; zero if it can
	Lanes   []LaneStats
}

// LaneStats is the state of one pool of workers: the first is that of all steps
// without a Schedule.
type LaneStats struct {
	Step    string // "" for the first
	Running int
	Queued  int
}

// GateStats says that what a step needs is away.
type GateStats struct {
	Step   string
	Closed bool
	Since  time.Time // when it was closed
	Probe  time.Time // when it is tried again
	Reason string
}
