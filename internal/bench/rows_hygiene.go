package bench

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"slices"
	"time"
)

const (
	retriedCalls = 100
	giveUps      = 200
	waitTrials   = 10
	waitDeadline = 300 * time.Millisecond
	leakCalls    = 200
)

func hygieneRows() []Row {
	return []Row{
		{
			ID:    "dials-retried",
			What:  "connections dialled for 100 calls that each meet one retried 503",
			Goal:  "1",
			Goals: []Goal{{Figure: "dials", Limit: 1}},
			Batch: 4,
			Run: func(ctx context.Context) []Outcome {
				return scene{script: FirstFails, setup: Setup{NoBreaker: true}, play: playRetried}.sideBySide(ctx, retriers())
			},
		},
		{
			ID:    "dials-giveups",
			What:  "connections dialled for 200 give-ups, a good call before each",
			Goal:  "<= 1 per 200",
			Goals: []Goal{{Figure: "dials", Limit: 1}},
			Batch: 4,
			Run: func(ctx context.Context) []Outcome {
				setup := Setup{NoBreaker: true, Attempts: 2, Base: time.Millisecond}
				return scene{script: GoodAndBad, setup: setup, play: playGiveUps}.sideBySide(ctx, retriers())
			},
		},
		{
			ID:    "too-late",
			What:  "Retry-After 30 under a deadline of 300 ms (503 and 429): median time to return of 20; attempts per call",
			Goal:  "<= 5 ms",
			Goals: []Goal{{Figure: "ms", Limit: 5}, {Figure: "attempts/call", Limit: 1}},
			Batch: 5,
			Run:   runTooLate,
		},
		{
			ID:    "leaks",
			What:  "goroutines and connections left after 200 calls cancelled in flight or in a wait, and Close",
			Goal:  "0, 0",
			Goals: []Goal{{Figure: "goroutines", Limit: 0}, {Figure: "connections", Limit: 0}},
			Run: func(ctx context.Context) []Outcome {
				return runLeaks(ctx, Field())
			},
		},
	}
}

func playRetried(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := Workers(ctx, c, 1, retriedCalls, patience)
	return []Figure{
		{Name: "dials", Format: "%.0f", Value: float64(up.Dials())},
		{Name: "success", Format: "%.2f", Value: Succeeded(shots)},
	}
}

func playGiveUps(ctx context.Context, c Caller, up *Upstream) []Figure {
	for range giveUps {
		_ = c.Get(ctx, "/good")
		_ = c.Get(ctx, badPath)
	}
	return []Figure{
		{Name: "dials", Format: "%.0f", Value: float64(up.Dials())},
		{Name: "attempts", Format: "%.0f", Value: float64(up.Attempts())},
	}
}

// runTooLate takes a fresh client for each trial: what one answer taught a
// client would let it refuse the next call at once.
func runTooLate(ctx context.Context) []Outcome {
	var rounds [][]Outcome
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		script := func() Script { return Away(status, "30") }
		for range waitTrials {
			s := scene{script: script, setup: Setup{NoBreaker: true}, play: playTooLate}
			rounds = append(rounds, s.sideBySide(ctx, retriers()))
		}
	}
	return medians(rounds)
}

// medians is the median of each figure over the rounds; an error in one round is an error.
func medians(rounds [][]Outcome) []Outcome {
	outcomes := slices.Clone(rounds[0])
	for i := range outcomes {
		for _, round := range rounds {
			outcomes[i].Err = cmp.Or(outcomes[i].Err, round[i].Err)
		}
		if outcomes[i].Err != nil {
			continue
		}
		outcomes[i].Figures = slices.Clone(outcomes[i].Figures)
		for j := range outcomes[i].Figures {
			values := make([]float64, len(rounds))
			for r, round := range rounds {
				values[r] = round[i].Figures[j].Value
			}
			outcomes[i].Figures[j].Value = median(values)
		}
	}
	return outcomes
}

func playTooLate(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := Workers(ctx, c, 1, 1, waitDeadline)
	return []Figure{
		{Name: "ms", Format: "%.1f", Value: Elapsed(shots).Seconds() * 1000},
		{Name: "attempts/call", Format: "%.0f", Value: float64(up.Attempts())},
	}
}

// runLeaks counts goroutines before and after, which are those of the whole
// process: so one contender after the other.
func runLeaks(ctx context.Context, field []Contender) []Outcome {
	outcomes := make([]Outcome, len(field))
	for i, c := range field {
		before := settled(ctx, 0)
		var left int
		scenes := []scene{
			{script: func() Script { return Slow(time.Second) }, setup: Setup{NoBreaker: true}},
			{script: func() Script { return Away(http.StatusServiceUnavailable, "") }, setup: Setup{NoBreaker: true, Base: time.Second}},
		}
		for _, s := range scenes {
			s.play = func(ctx context.Context, c Caller, up *Upstream) []Figure {
				Workers(ctx, impatient{c}, leakCalls/4, leakCalls/2, patience)
				c.Close()
				left += openAfter(ctx, up)
				return nil
			}
			if o := s.with(ctx, c); o.Err != nil {
				outcomes[i].Err = o.Err
			}
		}
		outcomes[i].Contender = c.Name
		outcomes[i].Figures = []Figure{
			{Name: "goroutines", Format: "%.0f", Value: float64(max(0, settled(ctx, before)-before))},
			{Name: "connections", Format: "%.0f", Value: float64(left)},
		}
	}
	return outcomes
}

// impatient cancels its calls, without a deadline that a client could foresee.
type impatient struct{ Caller }

func (i impatient) Get(ctx context.Context, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	return i.Caller.Get(ctx, path)
}

// settled is the number of goroutines when it has come down to want, or has not
// changed for a tenth of a second.
func settled(ctx context.Context, want int) int {
	last := runtime.NumGoroutine()
	for calm := 0; calm < 10 && last > want; calm++ {
		if pause(ctx, 10*time.Millisecond) != nil {
			break
		}
		if n := runtime.NumGoroutine(); n != last {
			last, calm = n, 0
		}
	}
	return last
}

// openAfter is the number of connections still open after all had time to close.
func openAfter(ctx context.Context, up *Upstream) int {
	for range 100 {
		if up.Open() == 0 || pause(ctx, 10*time.Millisecond) != nil {
			break
		}
	}
	return up.Open()
}
