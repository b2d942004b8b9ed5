package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

func inboxRows() []Row {
	rows := []Row{{
		ID:     "put",
		What:   "events of 1 KiB put durably by 64 callers at once, in process; against a commit for each, a bare insert loop of 64 rows a commit, and raw write + fsync",
		Goal:   ">= 20,000/s, p99 <= 10 ms",
		Goals:  []Goal{{Figure: "acked/s", AtLeast: true, Limit: 20_000}, {Figure: "ms p99", Limit: 10}},
		Counts: isStore,
		Run:    func(ctx context.Context) []Outcome { return putRounds(ctx, 0) },
	}}
	for _, slow := range []struct {
		by   time.Duration
		id   string
		goal float64
		text string
	}{{time.Millisecond, "sync-1ms", 15, ">= 15x"}, {5 * time.Millisecond, "sync-5ms", 20, ">= 20x"}} {
		rows = append(rows, Row{
			ID:     slow.id,
			What:   "the same where every fsync takes " + slow.by.String() + " longer: acknowledged per raw write + fsync",
			Goal:   slow.text,
			Goals:  []Goal{{Figure: "x fsync", AtLeast: true, Limit: slow.goal}},
			Counts: isStore,
			Run:    func(ctx context.Context) []Outcome { return putRounds(ctx, slow.by) },
		})
	}
	return append(rows, Row{
		ID:    "processed",
		What:  "events claimed and finished by 2 workers while 64 callers put, per event acknowledged in the same time",
		Goal:  ">= 0.9",
		Goals: []Goal{{Figure: "done/acked", AtLeast: true, Limit: 0.9}},
		Run:   processRounds,
	})
}

// isStore leaves out the yardstick.
func isStore(o Outcome) bool { return o.Contender != bareLoop }

// putRounds runs ours and the baselines in turn, several times.
func putRounds(ctx context.Context, delay time.Duration) []Outcome {
	restore, err := slowSyncs(delay)
	if err != nil {
		return []Outcome{{Contender: ours.Name, Err: err}}
	}
	defer restore()
	all := make([][]Outcome, rounds)
	for r := range all {
		if all[r], err = putRound(ctx); err != nil {
			return []Outcome{{Contender: ours.Name, Err: err}}
		}
	}
	return medians(all)
}

func putRound(ctx context.Context) ([]Outcome, error) {
	syncs, err := syncRate(slice / 3)
	if err != nil {
		return nil, err
	}
	acked, p99, err := putEvents(ctx, slice)
	if err != nil {
		return nil, err
	}
	bare, _, err := insertRaw(ctx, slice/2, groupSize, rawEvent, rawEventArgs)
	if err != nil {
		return nil, err
	}
	each, _, err := insertRaw(ctx, slice/2, 1, rawEvent, rawEventArgs)
	if err != nil {
		return nil, err
	}
	figures := func(rate float64) []Figure {
		return []Figure{
			{Name: "acked/s", Format: "%.0f", Value: rate},
			{Name: "x fsync", Format: "%.1f", Value: rate / syncs},
			{Name: "x the bare loop", Format: "%.2f", Value: rate / bare},
		}
	}
	return []Outcome{
		{Contender: ours.Name, Figures: append(figures(acked), Figure{Name: "ms p99", Format: "%.1f", Value: ms(p99)})},
		{Contender: oneCommit, Figures: figures(each)},
		{Contender: bareLoop, Figures: figures(bare)},
	}, nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func processRounds(ctx context.Context) []Outcome {
	all := make([][]Outcome, rounds)
	for r := range all {
		o, err := processRound(ctx, 2*slice)
		if err != nil {
			return []Outcome{{Contender: ours.Name, Err: err}}
		}
		all[r] = []Outcome{o}
	}
	return medians(all)
}

// processRound counts what was done when the putting ends, not what is done
// later.
func processRound(ctx context.Context, length time.Duration) (o Outcome, err error) {
	err = inStore(ctx, func(db *sqlite.DB, _ string) error {
		inbox, err := db.Inbox()
		if err != nil {
			return err
		}
		working, stop := context.WithCancel(ctx)
		var done atomic.Int64
		failed := make([]error, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() { failed[w] = finishAll(working, inbox, &done) })
		}
		begun := time.Now()
		took, err := closedLoop(ctx, putters, length, func(n int64) error {
			_, err := inbox.Put(ctx, benchEvent(n))
			return err
		})
		elapsed, processed := time.Since(begun).Seconds(), float64(done.Load())
		stop()
		wg.Wait()
		o = Outcome{Contender: ours.Name, Figures: []Figure{
			{Name: "done/acked", Format: "%.3f", Value: processed / float64(len(took))},
			{Name: "done/s", Format: "%.0f", Value: processed / elapsed},
			{Name: "acked/s", Format: "%.0f", Value: float64(len(took)) / elapsed},
		}}
		return errors.Join(errors.Join(failed...), err)
	})
	return o, err
}

// finishAll claims and finishes events until the context ends.
func finishAll(ctx context.Context, inbox store.Inbox, done *atomic.Int64) error {
	for ctx.Err() == nil {
		claims, err := inbox.Claim(ctx, claimSize, time.Minute)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was asked to end
		case err != nil:
			return err
		case len(claims) == 0:
			timer := time.NewTimer(5 * time.Millisecond)
			select {
			case <-inbox.Wake():
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		list := make([]store.Settlement, len(claims))
		for i, c := range claims {
			list[i] = store.Settlement{Token: c.Token, Action: store.Finish}
		}
		if _, err := inbox.Settle(context.WithoutCancel(ctx), list...); err != nil {
			return err
		}
		done.Add(int64(len(list)))
	}
	return nil
}
