package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Row is one line of the table.
type Row struct {
	ID    string
	What  string
	Goal  string // in words
	Goals []Goal
	// Batch is when the row runs: rows of one batch run side by side, batches one
	// after the other. Batch 0 is for rows that need the machine for themselves.
	Batch int
	// First rows run before all others, in a process that has done nothing yet.
	First bool
	// Run measures ours, first, and the peers.
	Run func(context.Context) []Outcome
	// Counts, if set, says which peers count: one that buys a figure at any
	// price does not.
	Counts func(Outcome) bool
}

// Result is a row that has been run.
type Result struct {
	Row
	Ours     Outcome
	Pipeline Outcome // ours without the client around it; no figures in some rows
	Peers    []Outcome
	Late     time.Duration // how late timers were meanwhile, 99th percentile
}

// Best is the best peer of the row, false if none was measured.
func (r Result) Best() (Outcome, bool) { return best(r.counting(), r.Goals) }

func (r Result) counting() (some []Outcome) {
	for _, p := range r.Peers {
		if r.Counts == nil || p.Err == nil && r.Counts(p) {
			some = append(some, p)
		}
	}
	return some
}

// Run runs rows, batch by batch, and hands each result over when its batch is done,
// in the order of the rows within it. It returns early with the context's error.
func Run(ctx context.Context, rows []Row, report func(Result)) error {
	for _, group := range batches(rows) {
		results := make([]Result, len(group))
		late := lateness(ctx, func() {
			var wg sync.WaitGroup
			for i, row := range group {
				wg.Go(func() { results[i] = row.run(ctx) })
			}
			wg.Wait()
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, r := range results {
			r.Late = late
			report(r)
		}
	}
	return nil
}

func (r Row) run(ctx context.Context) Result {
	result := Result{Row: r, Ours: Outcome{Contender: ours.Name, Err: notMeasured("no outcome")}}
	for _, o := range r.Run(ctx) {
		switch o.Contender {
		case ours.Name:
			result.Ours = o
		case pipeline.Name:
			result.Pipeline = o
		default:
			result.Peers = append(result.Peers, o)
		}
	}
	return result
}

// batches groups rows that may run side by side.
func batches(rows []Row) (groups [][]Row) {
	at := map[int]int{}
	early := func(r Row) int {
		if r.First {
			return 0
		}
		return 1
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return early(a) - early(b) })
	for _, r := range rows {
		i, known := at[r.Batch]
		if r.Batch == 0 || !known {
			i = len(groups)
			groups = append(groups, nil)
			at[r.Batch] = i
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// scene is a script, and what a contender comes to under it.
type scene struct {
	script func() Script
	setup  Setup
	// ours changes the setup for ours alone, and for our pipeline.
	ours func(*Setup)
	play func(context.Context, Caller, *Upstream) []Figure
}

// sideBySide plays a scene with all contenders at once, each with an upstream
// of its own.
func (s scene) sideBySide(ctx context.Context, field []Contender) []Outcome {
	outcomes := make([]Outcome, len(field))
	var wg sync.WaitGroup
	for i, c := range field {
		wg.Go(func() { outcomes[i] = s.with(ctx, c) })
	}
	wg.Wait()
	return outcomes
}

func (s scene) with(ctx context.Context, c Contender) (out Outcome) {
	out.Contender = c.Name
	up, err := NewUpstream(ctx, s.script())
	if err != nil {
		out.Err = err
		return out
	}
	defer func() { out.Err = errors.Join(out.Err, up.Close()) }()
	setup := s.setup
	setup.URL = up.URL
	if s.ours != nil && (c.Name == ours.Name || c.Name == pipeline.Name) {
		s.ours(&setup)
	}
	caller, err := c.New(setup)
	if err != nil {
		out.Err = err
		return out
	}
	defer caller.Close()
	up.Begin()
	out.Figures = s.play(ctx, caller, up)
	return out
}
