package asleeptest

import (
	"time"

	"github.com/asleep-sdk/asleep"
)

// Session is one recording, as a test asks for it and reads it back. The zero
// value is an ordinary night that has just been analysed.
type Session struct {
	// ID is made by the server, as the service makes them, when it is empty.
	ID string

	// Start defaults to Length before now.
	Start time.Time

	// Length is the time in bed. Defaults to what suits Kind. A session that
	// is closed earlier by [Server.Advance] becomes shorter.
	Length time.Duration

	// End is where the recording ended; zero while it is OPEN. It is not read
	// by AddSession.
	End time.Time

	// State defaults to COMPLETE. See [Server.Advance], and Live.
	State asleep.SessionState

	// Live makes the session go by the clock, whatever its State: OPEN from
	// Start on, CLOSED after Length, COMPLETE after Config.AnalysisTime more.
	// Before Start it does not exist.
	Live bool

	// NotFoundFor is how long getSession answers 404 after the session has
	// closed, as the service may for a moment. Lists have it all the time.
	NotFoundFor time.Duration

	// NoRealtimePolling: nothing is known of its stages before it is COMPLETE.
	NoRealtimePolling bool

	// Zone is the IANA name of the device's zone. Defaults to the user's.
	Zone string

	// Kind is what sort of night it is.
	Kind NightKind
	// Plan is what the analysis covers. Defaults to the plan of the user.
	Plan Plan
}

// NightKind is a sort of night.
type NightKind string

// The kinds of nights.
const (
	Night          NightKind = ""                 // four to six cycles
	Nap            NightKind = "nap"              // an hour or two in the afternoon
	NeverSlept     NightKind = "never-slept"      // awake all the time; stat has zeros and nulls
	NeverSleptNull NightKind = "never-slept-null" // the same with stat null
	TooShort       NightKind = "too-short"        // over before anything could be told; stat null
	TooLong        NightKind = "too-long"         // over 24 hours, broken off by the server; stat not to be relied on
	Defects        NightKind = "defects"          // four tenths of it unknown; stat null
)

// Plan is what the analysis of a user's nights covers.
type Plan string

// The plans.
const (
	PlanFull        Plan = ""             // four stages and breathing
	PlanNoBreathing Plan = "no-breathing" // breath members null
	PlanTwoStage    Plan = "two-stage"    // awake and asleep only; no breathing
)

// recording is a session in the server's own terms.
type recording struct {
	id     string
	start  time.Time // UTC, whole seconds
	length time.Duration
	plan   time.Duration // the length that its stages are made for
	zone   *zone
	kind   NightKind
	scope  Plan
	seed   uint64

	closed      time.Time // zero: not yet
	complete    time.Time // zero: not yet
	forced      bool      // complete whatever the clock says
	notFoundFor time.Duration
	noPolling   bool
}

// state is where the session stands at an instant.
func (r *recording) state(now time.Time) asleep.SessionState {
	switch {
	case r.forced, !r.complete.IsZero() && !now.Before(r.complete):
		return asleep.SessionStateComplete
	case !r.closed.IsZero() && !now.Before(r.closed):
		return asleep.SessionStateClosed
	}
	return asleep.SessionStateOpen
}

func (r *recording) end() time.Time { return r.start.Add(r.length) }

// recorded is the number of epochs that have arrived at an instant.
func (r *recording) recorded(now time.Time) int {
	n := r.length
	if r.state(now) == asleep.SessionStateOpen {
		n = min(max(now.Sub(r.start), 0), r.length)
	}
	return int(n / asleep.EpochLength)
}

// hidden reports whether getSession does not find the session.
func (r *recording) hidden(now time.Time) bool {
	return r.notFoundFor > 0 && !r.closed.IsZero() && !now.Before(r.closed) && now.Before(r.closed.Add(r.notFoundFor))
}

// advance moves the session one state on.
func (r *recording) advance(now time.Time, analysis time.Duration) {
	now = now.Truncate(time.Second)
	switch r.state(now) {
	case asleep.SessionStateOpen:
		live := !r.complete.IsZero()
		r.length = min(max(now.Sub(r.start), 0), r.length)
		r.closed = now
		if live {
			r.complete = now.Add(analysis)
		}
	case asleep.SessionStateClosed:
		r.complete, r.forced = now, true
	case asleep.SessionStateComplete:
	}
}

func (r *recording) public(now time.Time) Session {
	out := Session{
		ID: r.id, Start: r.start, Length: r.length, State: r.state(now), Live: !r.complete.IsZero() && !r.forced,
		NotFoundFor: r.notFoundFor, NoRealtimePolling: r.noPolling, Zone: r.zone.name, Kind: r.kind, Plan: r.scope,
	}
	if out.State != asleep.SessionStateOpen {
		out.End = r.end()
	}
	return out
}
