package webhook

import (
	"time"

	"github.com/asleep-sdk/asleep"
)

// Moment is what an [Observation] is about.
type Moment string

// The moments, and which members they fill in.
const (
	// StepEnded: Step, Kind, Outcome (ok, failed, away, early, dropped, ended,
	// lost, stopped), Duration, Err.
	StepEnded Moment = "step_ended"

	// EventEnded: an event was handed back, and the inbox has it: Step where it
	// stood, Kind, Outcome (done, retried, dead, released, lost), Attempts, Age.
	EventEnded Moment = "event_ended"

	// GateClosed: what Step needs is away; Err, Wait until it is tried again.
	// GateOpened: it is back after Duration.
	GateClosed Moment = "gate_closed"
	GateOpened Moment = "gate_opened"

	// InboxAway: the inbox cannot be used and nothing is claimed; Err. InboxBack:
	// it can again after Duration.
	InboxAway Moment = "inbox_away"
	InboxBack Moment = "inbox_back"

	// StepStuck: Step, Kind: it did not return when its context had ended, and was
	// left behind.
	StepStuck Moment = "step_stuck"
)

// Observation is one thing that happened.
type Observation struct {
	Moment   Moment
	Step     string
	Kind     asleep.WebhookEvent // a known kind, else "other"
	Outcome  string
	Attempts int           // failed ones, this one included
	Age      time.Duration // since the event was received
	Duration time.Duration
	Wait     time.Duration
	Err      error
}

// ProcessorStats is what a processor has done since it was made, and how it stands.
type ProcessorStats struct {
	Claimed  uint64 // handed out by the inbox
	Done     uint64
	Retried  uint64 // failed attempts that are to be repeated
	Dead     uint64
	Released uint64 // handed back without burning an attempt
	Lost     uint64 // taken by another claim, or erased
	Panics   uint64 // of steps
	Timeouts uint64 // of steps

	Running bool
	Away    time.Time // since when the inbox cannot be used; zero if it can
	Stuck   int       // steps that did not return when their context had ended
	Lanes   []LaneStats
	Gates   []GateStats // one a step
}

// LaneStats is the state of one pool of workers: the first is that of all steps
// without a [Schedule], the others are of one step each.
type LaneStats struct {
	Step string // "" for the first
	Held int    // events that wait, run, or are being handed back
}

// GateStats says whether what a step needs is away.
type GateStats struct {
	Step   string
	Closed bool
	Since  time.Time // when it was closed
	Probe  time.Time // when it is tried again
	Reason string    // the last failure
}
