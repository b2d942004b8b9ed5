package bench

import (
	"context"
	"time"
)

const readsARun = 30_000

func readRows() []Row {
	goals := []Goal{{Figure: "reads/s", AtLeast: true, Limit: 10_000}, {Figure: "MB", Limit: 100}, {Figure: "refused", Limit: 0}}
	const words = ">= 10,000/s or the machine's ceiling, which the ratio to a bare handler shows; <= 100 MB RSS"
	return []Row{
		{
			ID:   "reads",
			What: "asleep serve, every layer on: a night from the cache over 64 connections; besides, one from SQLite, and 304; bare is net/http with the same bytes",
			Goal: words, Goals: goals,
			Run: func(ctx context.Context) []Outcome { return readRounds(ctx, readRound(fewConnections)) },
		},
		{
			ID: "reads-1000", What: "the same over 1,000 connections", Goal: words, Goals: goals,
			Run: func(ctx context.Context) []Outcome { return readRounds(ctx, readRound(manyConnections)) },
		},
		{
			ID:   "start",
			What: "from the start of asleep serve, with a database that is there, to its first answer to a reader",
			Goal: "<= 150 ms", Goals: []Goal{{Figure: "ms to the first read", Limit: 150}},
			Run: func(ctx context.Context) []Outcome { return readRounds(ctx, startRound) },
		},
	}
}

// readRounds measures in several rounds.
func readRounds(ctx context.Context, round func(context.Context, *library) (Outcome, error)) []Outcome {
	all := make([][]Outcome, rounds)
	err := withLibrary(ctx, func(l *library) error {
		for r := range all {
			o, err := round(ctx, l)
			if err != nil {
				return err
			}
			all[r] = []Outcome{o}
		}
		return nil
	})
	if err != nil {
		return []Outcome{{Contender: ours.Name, Err: err}}
	}
	return medians(all)
}

// readRound has the service answer, and then a bare handler.
func readRound(connections int) func(context.Context, *library) (Outcome, error) {
	return func(ctx context.Context, l *library) (Outcome, error) {
		var cached, stored, unchanged, bare tally
		var body []byte
		took, err := l.withServe(ctx, func(p *process) error {
			var tag string
			var err error
			if body, tag, err = fetch(ctx, p.address, l.cached); err != nil {
				return err
			}
			for _, one := range []struct {
				into    *tally
				request []byte
			}{
				{&cached, reading(l.cached)}, {&stored, reading(l.stored)}, {&unchanged, reading(l.cached, "If-None-Match: "+tag)},
			} {
				if *one.into, err = deliver(ctx, p.address, connections, readings(readsARun, one.request)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return Outcome{}, err
		}
		less, err := withBare(ctx, body, func(p *process) (err error) {
			bare, err = deliver(ctx, p.address, connections, readings(readsARun, reading("/")))
			return err
		})
		return Outcome{Contender: ours.Name, Figures: []Figure{
			{Name: "reads/s", Format: "%.0f", Value: cached.rate()},
			{Name: "x bare", Format: "%.2f", Value: cached.rate() / bare.rate()},
			{Name: "bare/s", Format: "%.0f", Value: bare.rate()},
			{Name: "µs of CPU each", Format: "%.0f", Value: took.CPU.Seconds() * 1e6 / (3 * readsARun)},
			{Name: "of bare's", Format: "%.0f", Value: less.CPU.Seconds() * 1e6 / readsARun},
			{Name: "ms p99", Format: "%.1f", Value: ms(percentile99(cached.took))},
			{Name: "of SQLite/s", Format: "%.0f", Value: stored.rate()},
			{Name: "304/s", Format: "%.0f", Value: float64(unchanged.refused) / unchanged.elapsed.Seconds()},
			{Name: "MB", Format: "%.0f", Value: took.MB},
			{Name: "refused", Format: "%.0f", Value: float64(cached.refused + stored.refused + unchanged.acked)},
		}}, err
	}
}

func startRound(ctx context.Context, l *library) (Outcome, error) {
	var first time.Duration
	took, err := l.withServe(ctx, func(p *process) error {
		_, _, err := fetch(ctx, p.address, l.stored)
		first = time.Since(p.begun)
		return err
	})
	return Outcome{Contender: ours.Name, Figures: []Figure{
		{Name: "ms to the first read", Format: "%.0f", Value: ms(first)},
		{Name: "MB", Format: "%.0f", Value: took.MB},
	}}, err
}
