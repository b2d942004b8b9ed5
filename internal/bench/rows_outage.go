package bench

import (
	"context"
	"time"
)

// The outage: three seconds of 503, after two healthy ones that give the breakers a
// history, and before four that show how the load comes back.
const (
	outageRate = 150 // calls per second
	outageFrom = 2 * time.Second
	outageTo   = 5 * time.Second
	outageEnd  = 9 * time.Second
	patience   = 4 * time.Second // the callers' deadline
	shortProbe = 250 * time.Millisecond
)

func outageScript() Script { return Outage(outageFrom, outageTo) }

func outageRows() []Row {
	return []Row{
		{
			ID:    "outage",
			What:  "3 s outage (503) at 150 calls/s, breaker's defaults: upstream attempts per call made in the outage",
			Goal:  "<= 0.06",
			Goals: []Goal{{Figure: "attempts/call", Limit: 0.06}},
			Run: func(ctx context.Context) []Outcome {
				return scene{script: outageScript, play: playOutage}.sideBySide(ctx, tripping())
			},
		},
		{
			ID:    "patient",
			What:  "the same, short probes, patient callers with a 4 s deadline: calls that succeed (all, those made in the outage), load in the first healthy second",
			Goal:  ">= 0.99, <= 2x the normal rate",
			Goals: []Goal{{Figure: "success", AtLeast: true, Limit: 0.99}, {Figure: "x rate", Limit: 2}},
			// The peers' best figure at one attempt a call or less: more of them
			// buys success in a test, and a longer outage in life.
			Counts: func(o Outcome) bool { v, _ := o.value("attempts/call"); return v <= 1 },
			Run: func(ctx context.Context) []Outcome {
				s := scene{script: outageScript, setup: Setup{Probe: shortProbe}, play: playPatient}
				s.ours = func(setup *Setup) { setup.Patient = true }
				return s.sideBySide(ctx, tripping())
			},
		},
		{
			ID:    "heal",
			What:  "first success after the upstream heals, short probes, impatient callers; calls that fail after it",
			Goal:  "<= 300 ms, 0",
			Goals: []Goal{{Figure: "ms", Limit: 300}, {Figure: "failed", Limit: 0}},
			// Without a breaker there is nothing to wait for.
			Counts: protected,
			Run: func(ctx context.Context) []Outcome {
				return scene{script: outageScript, setup: Setup{Probe: shortProbe}, play: playHeal}.sideBySide(ctx, tripping())
			},
		},
	}
}

func playOutage(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := OpenLoop(ctx, c, outageRate, outageTo, patience)
	calls := len(StartedBetween(shots, outageFrom, outageTo))
	return []Figure{
		{Name: "attempts/call", Format: "%.3f", Value: float64(up.AttemptsBetween(outageFrom, outageTo)) / float64(max(1, calls))},
		{Name: "dials", Format: "%.0f", Value: float64(up.Dials())},
	}
}

func playPatient(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := OpenLoop(ctx, c, outageRate, outageEnd, patience)
	first := up.AttemptsBetween(outageTo, outageTo+time.Second)
	return []Figure{
		{Name: "success", Format: "%.3f", Value: Succeeded(shots)},
		{Name: "in it", Format: "%.3f", Value: Succeeded(StartedBetween(shots, outageFrom, outageTo))},
		{Name: "x rate", Format: "%.2f", Value: float64(first) / outageRate},
		{Name: "attempts/call", Format: "%.2f", Value: float64(up.Attempts()) / float64(max(1, len(shots)))},
	}
}

func playHeal(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := OpenLoop(ctx, c, outageRate, outageEnd, patience)
	first := Elapsed(shots)
	for _, s := range shots {
		if s.Err == nil && s.End >= outageTo {
			first = min(first, s.End)
		}
	}
	failed := 0
	for _, s := range shots {
		if s.Err != nil && s.End > first {
			failed++
		}
	}
	return []Figure{
		{Name: "ms", Format: "%.0f", Value: float64((first - outageTo).Milliseconds())},
		{Name: "failed", Format: "%.0f", Value: float64(failed)},
	}
}
