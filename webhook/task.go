package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// Task is an event on its way through the steps. It is used by one step at a
// time, and not after the step has returned.
type Task struct {
	Event

	// Claims is how often the event was handed out to a worker, this time
	// included; Attempts how many of them failed.
	Claims, Attempts int

	done     []string // steps, in the order in which they were marked
	report   *asleep.Report
	observed time.Time // when report was fetched
	checked  bool      // by the guard of a pipeline, for this claim
	recall   func(context.Context) (*asleep.Report, error)
	apply    func(context.Context, store.Write) ([]store.Outcome, error)
}

// Done reports whether a step is marked.
func (t *Task) Done(step string) bool { return slices.Contains(t.done, step) }

// Report is the report of a SESSION_COMPLETE: what the API said when the event was
// confirmed, or, in a later attempt, what the store has; of an event that was
// not to be confirmed it is the event's own. It belongs to the caller. Errors:
// [ErrUndecodable], those of the store.
func (t *Task) Report(ctx context.Context) (*asleep.Report, error) {
	switch {
	case t.report != nil:
		return asleep.ParseReport(t.report.Raw) // a report is full of pointers: everyone gets his own
	case t.recall != nil:
		return t.recall(ctx)
	}
	return t.Session()
}

// Apply writes to the store and marks the step that calls it in one commit, where
// the inbox is a [store.Applier]; it must be the last thing that the step does. ok
// is false where it is none, and nothing was done: the step writes by itself then
// and is marked when it has returned. Of a write that was made by an earlier
// attempt there are no outcomes. Errors as [store.Applier].
func (t *Task) Apply(ctx context.Context, w store.Write) (out []store.Outcome, ok bool, err error) {
	if t.apply == nil {
		return nil, false, nil
	}
	out, err = t.apply(ctx, w)
	return out, true, err
}
