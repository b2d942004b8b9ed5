package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Janitor forgets what has been kept for long enough, in small commits beside
// everything else that the database does. What is left in place: events that are
// not done, dead ones (purge those), and duplicates' keys within
// [store.DedupeWindow].
type Janitor struct {
	// Inbox, if not nil, is rid of events that are done and older than
	// [store.DedupeWindow].
	Inbox store.Inbox

	// Sessions and Retention, if both are set, are rid of sessions that began
	// longer ago than Retention, and of partial nights of that age.
	Sessions  store.Sessions
	Retention time.Duration

	// Every is how often; 0 means an hour.
	Every time.Duration

	// Logger, nil for none, hears of what was removed and of failures.
	Logger *slog.Logger
}

// sweepBatch is how many rows go in one commit.
const sweepBatch = 500

// Run tidies up at once and then now and again until the context ends, which is
// how it returns. A failure is logged, and tried again a minute later.
func (j *Janitor) Run(ctx context.Context) {
	every := j.Every
	if every <= 0 {
		every = time.Hour
	}
	log := j.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	for {
		wait := every
		events, sessions, err := j.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(every, time.Minute)
			log.LogAttrs(ctx, slog.LevelWarn, "tidying up failed", slog.String("error", err.Error()))
		case events+sessions > 0:
			log.LogAttrs(ctx, slog.LevelInfo, "tidied up", slog.Int("events", events), slog.Int("sessions", sessions))
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// Sweep tidies up once and returns what went, also when it fails midway.
func (j *Janitor) Sweep(ctx context.Context) (events, sessions int, err error) {
	now := time.Now()
	if j.Inbox != nil {
		events, err = inBatches(ctx, now.Add(-store.DedupeWindow), j.Inbox.Sweep)
	}
	if j.Sessions != nil && j.Retention > 0 {
		var failed error
		sessions, failed = inBatches(ctx, now.Add(-j.Retention), j.Sessions.Expire)
		err = errors.Join(err, failed)
	}
	return events, sessions, err
}

func inBatches(ctx context.Context, before time.Time, remove func(context.Context, time.Time, int) (int, error)) (total int, err error) {
	for {
		n, err := remove(ctx, before, sweepBatch)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}
