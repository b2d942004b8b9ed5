package bench

import (
	"context"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

const (
	fewConnections  = 64
	manyConnections = 1000
	deliveriesARun  = 25_000
)

func receiverRows() []Row {
	return []Row{
		{
			ID:   "http",
			What: "signed deliveries of 1 KiB over HTTP, 64 connections, acknowledged when durable; the load generator on the same CPUs",
			Goal: ">= 20,000/s, >= 0.35x the handler with storage off, p99 <= 10 ms, <= 100 MB RSS",
			Goals: []Goal{
				{Figure: "acked/s", AtLeast: true, Limit: 20_000},
				{Figure: "x storage off", AtLeast: true, Limit: 0.35},
				{Figure: "ms p99", Limit: 10},
				{Figure: "MB", Limit: 100},
				{Figure: "refused", Limit: 0},
			},
			Run: func(ctx context.Context) []Outcome { return receiverRounds(ctx, deliveryRound(fewConnections)) },
		},
		{
			ID:    "http-1000",
			What:  "the same over 1,000 connections",
			Goal:  "none refused, <= 100 MB RSS",
			Goals: []Goal{{Figure: "refused", Limit: 0}, {Figure: "MB", Limit: 100}},
			Run:   func(ctx context.Context) []Outcome { return receiverRounds(ctx, deliveryRound(manyConnections)) },
		},
		{
			ID:   "http-pipeline",
			What: "as http, while a processor takes the events through the standard pipeline in the same process: done when the last is acknowledged, per acknowledged; and the time from the start of the process to its first acknowledgement",
			Goal: ">= 0.9, <= 150 ms, none refused, <= 100 MB RSS",
			Goals: []Goal{
				{Figure: "done/acked", AtLeast: true, Limit: 0.9},
				{Figure: "ms to the first", Limit: 150},
				{Figure: "refused", Limit: 0},
				{Figure: "MB", Limit: 100},
			},
			Run: func(ctx context.Context) []Outcome { return receiverRounds(ctx, pipelineRound) },
		},
		{
			ID:    "verify",
			What:  "verification of 1 KiB, the second of two keys and the first of two secrets",
			Goal:  "< 5 µs, 0 allocations",
			Goals: []Goal{{Figure: "µs", Limit: 5}, {Figure: "allocs", Limit: 0.01}},
			Run:   func(context.Context) []Outcome { return []Outcome{verification()} },
		},
	}
}

// receiverRounds measures deliveries in several rounds.
func receiverRounds(ctx context.Context, round func(context.Context, [][]byte) (Outcome, error)) []Outcome {
	requests, err := deliveries(deliveriesARun)
	if err != nil {
		return []Outcome{{Contender: ours.Name, Err: err}}
	}
	all := make([][]Outcome, rounds)
	for r := range all {
		o, err := round(ctx, requests)
		if err != nil {
			return []Outcome{{Contender: ours.Name, Err: err}}
		}
		all[r] = []Outcome{o}
	}
	return medians(all)
}

// deliveryRound starts two fresh receivers, one after the other.
func deliveryRound(connections int) func(context.Context, [][]byte) (Outcome, error) {
	return func(ctx context.Context, requests [][]byte) (Outcome, error) {
		var off, on tally
		run := func(into *tally) func(*process) error {
			return func(p *process) (err error) {
				*into, err = deliver(ctx, p.address, connections, requests)
				return err
			}
		}
		if _, err := withReceiver(ctx, storageOff, run(&off)); err != nil {
			return Outcome{}, err
		}
		took, err := withReceiver(ctx, storageSQLite, run(&on))
		return Outcome{Contender: ours.Name, Figures: []Figure{
			{Name: "acked/s", Format: "%.0f", Value: on.rate()},
			{Name: "x storage off", Format: "%.2f", Value: on.rate() / off.rate()},
			{Name: "ms p99", Format: "%.1f", Value: ms(percentile99(on.took))},
			{Name: "µs of CPU each", Format: "%.0f", Value: took.CPU.Seconds() * 1e6 / float64(len(requests))},
			{Name: "MB", Format: "%.0f", Value: took.MB},
			{Name: "refused", Format: "%.0f", Value: float64(on.refused + off.refused)},
		}}, err
	}
}

// pipelineRound counts what was done when the last event was acknowledged, not
// what is done later.
func pipelineRound(ctx context.Context, requests [][]byte) (Outcome, error) {
	var first, all tally
	var start time.Duration
	var done uint64
	took, err := withReceiver(ctx, storageWorked, func(p *process) (err error) {
		if first, err = deliver(ctx, p.address, 1, requests[:1]); err != nil {
			return err
		}
		start = time.Since(p.begun)
		if all, err = deliver(ctx, p.address, fewConnections, requests[1:]); err != nil {
			return err
		}
		done, err = p.done()
		return err
	})
	return Outcome{Contender: ours.Name, Figures: []Figure{
		{Name: "done/acked", Format: "%.3f", Value: float64(done) / float64(first.acked+all.acked)},
		{Name: "acked/s", Format: "%.0f", Value: all.rate()},
		{Name: "ms p99", Format: "%.1f", Value: ms(percentile99(all.took))},
		{Name: "ms to the first", Format: "%.0f", Value: ms(start)},
		{Name: "MB", Format: "%.0f", Value: took.MB},
		{Name: "refused", Format: "%.0f", Value: float64(first.refused + all.refused)},
	}}, err
}

func verification() Outcome {
	out := Outcome{Contender: ours.Name}
	verifier, err := benchVerifier()
	if err != nil {
		out.Err = err
		return out
	}
	body := make([]byte, eventSize)
	var header http.Header
	if header, out.Err = (webhook.Sender{Key: benchKey, Secret: benchSecret}).Header(string(body)); out.Err != nil {
		return out
	}
	costs, err := verifyMeter.measure([]func() error{func() error {
		_, err := verifier.Verify(header, body)
		return err
	}})
	if err != nil {
		out.Err = err
		return out
	}
	out.Figures = []Figure{
		{Name: "µs", Format: "%.2f", Value: costs[0].Time.Seconds() * 1e6},
		{Name: "allocs", Format: "%.2f", Value: costs[0].Allocs},
	}
	return out
}

var verifyMeter = meter{rounds: 101, slice: 1000}
