package webhook

import (
	"context"

	"github.com/asleep-sdk/asleep"
)

// Handler does something with an event. Nil is done; an error is a failed
// attempt, unless it was made by [Drop], [RetryIn] or [Unavailable]. It is called
// from many goroutines at once, and may be called again for an event it has
// handled: after a crash, or when it outlived its context.
type Handler interface {
	HandleEvent(ctx context.Context, t *Task) error
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc func(ctx context.Context, t *Task) error

// HandleEvent calls f.
func (f HandlerFunc) HandleEvent(ctx context.Context, t *Task) error { return f(ctx, t) }

// SessionComplete is the event that a session was analysed.
type SessionComplete struct {
	Event
	// Report is what the API or the store says; in a processor without them it is
	// the event's own. It belongs to the handler.
	Report *asleep.Report
}

// InferenceComplete is the event that a part of a session was analysed while it
// is recorded.
type InferenceComplete struct {
	Event
	Data *asleep.InferenceData
}

// OnSessionComplete handles SESSION_COMPLETE events and passes over all others. A
// report that cannot be decoded makes the event dead.
func OnSessionComplete(f func(context.Context, SessionComplete) error) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) error {
		if t.Kind != asleep.WebhookEventSessionComplete {
			return nil
		}
		report, err := t.Report(ctx)
		if err != nil {
			return err
		}
		return f(ctx, SessionComplete{Event: t.Event, Report: report})
	})
}

// OnInference handles INFERENCE_COMPLETE events and passes over all others. A
// window that cannot be decoded makes the event dead.
func OnInference(f func(context.Context, InferenceComplete) error) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) error {
		if t.Kind != asleep.WebhookEventInferenceComplete {
			return nil
		}
		data, err := t.Inference()
		if err != nil {
			return err
		}
		return f(ctx, InferenceComplete{Event: t.Event, Data: data})
	})
}

// OnUnknown handles events of kinds that this program does not know.
func OnUnknown(f func(context.Context, Event) error) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) error {
		if known(t.Kind) {
			return nil
		}
		return f(ctx, t.Event)
	})
}
