package webhook

import (
	"context"
	"errors"
	"log/slog"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// The steps of a [Pipeline].
const (
	StepConfirm    = "confirm"
	StepStore      = "store"
	StepInvalidate = "invalidate"
	StepNotify     = "notify"
)

// ErrNoSession is what a [Fetcher] returns when the API knows no such session of
// that user.
var ErrNoSession = errors.New("webhook: the API knows no such session of this user")

// Fetcher reads a session from the API, to confirm an event that nobody signed.
type Fetcher interface {
	// FetchSession returns the report of a user's session. An error that matches
	// [ErrNoSession] may heal, for a report can come some time after its event; one
	// made by [Drop] says that the ids are no good. All others are taken for an
	// outage and waited out, unless [RetryIn] made them: then they count.
	FetchSession(ctx context.Context, user, session string) (*asleep.Report, error)
}

// FetchFunc is a function that is a [Fetcher].
type FetchFunc func(ctx context.Context, user, session string) (*asleep.Report, error)

// FetchSession calls f.
func (f FetchFunc) FetchSession(ctx context.Context, user, session string) (*asleep.Report, error) {
	return f(ctx, user, session)
}

// Invalidator drops what is cached about a user: sessions, lists, statistics.
// Every error is taken for an outage and waited out.
type Invalidator interface {
	Invalidate(ctx context.Context, user string) error
}

// PipelineConfig says what the standard pipeline is made of. Only Sessions is
// required.
type PipelineConfig struct {
	// Sessions is where sessions and partial nights are kept.
	Sessions store.Sessions

	// Confirm wants events that were not signed to be confirmed by Fetch before
	// they are acted on.
	Confirm bool
	Fetch   Fetcher

	// Invalidate is told of every user whose sessions have changed. Nil is none.
	Invalidate Invalidator

	// Handlers are steps of your own, between the store and the notification.
	Handlers []Step

	// Notify is told last. Nil is nobody.
	Notify Notifier

	// NotifySchedule spreads its tries; the zero value means [DefaultSchedule].
	NotifySchedule Schedule

	// NotifyFigures puts the main figures of the session into the notification: more
	// health data on the wire, and one read less for who receives it.
	NotifyFigures bool

	// Logger, nil for none, hears of what is refused without being an error.
	Logger *slog.Logger
}

// Pipeline returns the standard steps: confirm, store, invalidate, Handlers,
// notify, without those that were not asked for. All problems are told at once.
func Pipeline(c PipelineConfig) ([]Step, error) { return nil, nil }
