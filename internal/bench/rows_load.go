package bench

import (
	"context"
	"net/http"
	"time"
)

// The flaky upstream.
const (
	flakyRate  = 200 // calls per second
	flakyFor   = 20 * time.Second
	flakyShare = 0.2
)

// The limited upstream.
const (
	limitRate, limitBurst = 100, 20
	limitWorkers          = 32
	limitCalls            = 800
	limitDeadline         = 30 * time.Second
	limitService          = 5 * time.Millisecond
	seededRate            = 150 // half as much again as the upstream takes
)

func flakyRow() Row {
	return Row{
		ID:   "flaky",
		What: "20 % random 503 at 200 calls/s",
		Goal: ">= 0.997, <= 1.27, <= 150 ms",
		Goals: []Goal{
			{Figure: "success", AtLeast: true, Limit: 0.997},
			{Figure: "attempts/call", Limit: 1.27},
			{Figure: "ms p99", Limit: 150},
		},
		Run: func(ctx context.Context) []Outcome {
			script := func() Script { return Flaky(flakyShare, 1) }
			return scene{script: script, play: playFlaky}.sideBySide(ctx, tripping())
		},
	}
}

func playFlaky(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := OpenLoop(ctx, c, flakyRate, flakyFor, patience)
	return []Figure{
		{Name: "success", Format: "%.4f", Value: Succeeded(shots)},
		{Name: "attempts/call", Format: "%.2f", Value: float64(up.Attempts()) / float64(max(1, len(shots)))},
		{Name: "ms p99", Format: "%.0f", Value: Quantile(shots, 0.99).Seconds() * 1000},
	}
}

// limitCase is a row about the limited upstream.
type limitCase struct {
	id, what   string
	status     int
	retryAfter string
	seed       float64 // the throttle's rate; 0: the limit is unknown
	field      []Contender
	batch      int
}

func (l limitCase) row() Row {
	accepted, goal := 85.0, "1.0, <= 1.05, >= 85/s"
	// One Retry-After of a second costs a limit with a burst of 20 the 80 calls that
	// it does not save up: nobody who heeds it comes to 98.
	if l.seed > 0 && l.retryAfter == "" {
		accepted, goal = 98, "1.0, <= 1.05, >= 98/s"
	}
	return Row{
		ID: l.id, What: l.what, Goal: goal, Batch: l.batch,
		Goals: []Goal{
			{Figure: "success", AtLeast: true, Limit: 1},
			{Figure: "attempts/call", Limit: 1.05},
			{Figure: "accepted/s", AtLeast: true, Limit: accepted},
		},
		Run: func(ctx context.Context) []Outcome {
			limit := Limit{Rate: limitRate, Burst: limitBurst, Status: l.status, RetryAfter: l.retryAfter, Service: limitService}
			// To no breaker is a rate-limit answer a failure: off, so that the throttle
			// is seen alone.
			setup := Setup{Rate: l.seed, NoBreaker: true, Forbidden403: l.status == http.StatusForbidden}
			return scene{script: limit.Script, setup: setup, play: playLimit}.sideBySide(ctx, l.field)
		},
	}
}

func limitRows() (rows []Row) {
	const (
		limit, forbidden = http.StatusTooManyRequests, http.StatusForbidden
		unknown          = "unknown hard limit of 100/s, 32 workers, 800 calls: "
		seeded           = "the same limit, throttle seeded 50 % too high: "
	)
	// To the peers a 403 is a 429, so those who did best with 429 stand for all.
	leaders := []Contender{ours, pipeline, failsafeGo, awsAdaptive}
	for _, l := range []limitCase{
		{"limit-429", unknown + "429 with Retry-After 1", limit, "1", 0, retriers(), 3},
		{"limit-429-bare", unknown + "429 without Retry-After", limit, "", 0, retriers(), 3},
		{"limit-403", unknown + "403 with Retry-After 1", forbidden, "1", 0, leaders, 3},
		{"limit-403-bare", unknown + "403 without Retry-After", forbidden, "", 0, leaders, 3},
		{"seeded", seeded + "429 with Retry-After 1", limit, "1", seededRate, limiters(), 3},
		{"seeded-bare", seeded + "429 without Retry-After", limit, "", seededRate, limiters(), 3},
	} {
		rows = append(rows, l.row())
	}
	return rows
}

func playLimit(ctx context.Context, c Caller, up *Upstream) []Figure {
	shots := Workers(ctx, c, limitWorkers, limitCalls, limitDeadline)
	return []Figure{
		{Name: "success", Format: "%.3f", Value: Succeeded(shots)},
		{Name: "attempts/call", Format: "%.3f", Value: float64(up.Attempts()) / limitCalls},
		{Name: "accepted/s", Format: "%.0f", Value: float64(up.Answered(http.StatusOK)) / Elapsed(shots).Seconds()},
	}
}
