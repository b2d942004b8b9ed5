package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

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

	// Patience is for how long after its event a report may be missing, or not be
	// final, at the API. 0 means 15 minutes.
	Patience time.Duration

	// Invalidate is told of every user whose sessions have changed. Nil is none.
	Invalidate Invalidator

	// Handlers are steps of your own, between the caches and the notification.
	Handlers []Step

	// Notify is told last. Nil is nobody.
	Notify Notifier

	// NotifySchedule spreads its tries; the zero value means [DefaultSchedule].
	NotifySchedule Schedule

	// NotifyFigures puts the main figures of the session into the notification: more
	// health data on the wire, and one read less for who receives it.
	NotifyFigures bool
}

const defaultPatience = 15 * time.Minute

// Pipeline returns the standard steps, without those that were not asked for, and
// tells all problems at once:
//
//   - confirm: an event that was not signed is a trigger, of which only the ids are
//     believed. Its session is fetched from the API, and what comes is what is
//     stored. A report that is missing, or not final, is waited for, up to
//     Patience after the event; then a missing one makes the event dead, and one
//     that is not final is stored as it is. A session of another user, as far as
//     API or store know, makes the event dead. The window of an INFERENCE_COMPLETE
//     cannot be confirmed, for the API has no such thing; that its session exists
//     and is the user's can, and is, about once an hour. Its epochs are taken as
//     they come, until the final report replaces them. Events of other kinds
//     bring nothing to the store and are not confirmed.
//   - store: the session, or the window, newer news winning, in one commit with the
//     mark of the step where inbox and store share a database. Statistics need no
//     step of their own: a store computes them from its sessions when it is asked,
//     so they are up to date with this commit, and no event can count twice.
//   - invalidate: whatever caches hold of the user, statistics included.
//   - Handlers, each in its turn.
//   - notify, with workers and a schedule of its own.
//
// What concerns a user or a session that was erased meanwhile is done: nobody is
// told of it any more. An erasure takes the events with it; a step that is under
// way then may still finish.
func Pipeline(c PipelineConfig) ([]Step, error) {
	var problems []error
	if c.Sessions == nil {
		problems = append(problems, errors.New("webhook: the pipeline has no Sessions: say where to keep them"))
	}
	if c.Confirm && c.Fetch == nil {
		problems = append(problems, errors.New("webhook: Confirm without Fetch: give the pipeline access to the API, or turn confirmation off"))
	}
	if c.Patience < 0 {
		problems = append(problems, fmt.Errorf("webhook: a Patience of %v: want 0, for 15 minutes, or more", c.Patience))
	}
	p := &pipeline{PipelineConfig: c, seen: newSeenSessions()}
	if p.Patience == 0 {
		p.Patience = defaultPatience
	}
	steps := p.steps()
	if err := errors.Join(append(problems, checkSteps(steps))...); err != nil {
		return nil, err
	}
	return steps, nil
}

func (p *pipeline) steps() (steps []Step) {
	if p.Confirm {
		steps = append(steps, Step{Name: StepConfirm, Do: p.confirm, Transient: true})
	}
	steps = append(steps, Step{Name: StepStore, Do: p.keep})
	if p.Invalidate != nil {
		steps = append(steps, Step{Name: StepInvalidate, Do: p.after(p.invalidate)})
	}
	for _, s := range p.Handlers {
		if s.Do != nil {
			s.Do = p.after(s.Do)
		}
		steps = append(steps, s)
	}
	if p.Notify != nil {
		schedule := p.NotifySchedule
		if schedule.Waits == nil {
			schedule.Waits = DefaultSchedule().Waits
		}
		steps = append(steps, Step{Name: StepNotify, Do: p.after(p.notify), Schedule: &schedule})
	}
	return steps
}
