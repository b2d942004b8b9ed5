package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Drop marks an error as final: the event is dead at once, with the error as its
// reason, until somebody replays or purges it.
func Drop(err error) error { return &verdict{error: orElse(err, "dropped"), kind: verdictDrop} }

// RetryIn marks an error as a failed attempt like any other, but with a wait of
// its own before the next. Of an error made by [Unavailable] it sets the wait
// alone: no attempt is burnt.
func RetryIn(d time.Duration, err error) error {
	v := &verdict{error: orElse(err, "to be repeated"), kind: verdictFail, wait: max(d, 0), waits: true}
	if inner, ok := errors.AsType[*verdict](err); ok && inner.kind == verdictAway {
		v.kind = verdictAway
	}
	return v
}

// Unavailable marks an error as the failure of something that all events need: a
// database, a cache, the API, an address. It burns no attempt and is waited out,
// for as long as it takes; while it lasts most events do not even try. Errors that
// match [store.ErrUnavailable] are taken so without being marked.
func Unavailable(err error) error {
	return &verdict{error: orElse(err, "unavailable"), kind: verdictAway}
}

// verdict is what an error means for the event.
type verdict struct {
	error
	kind  verdictKind
	wait  time.Duration
	waits bool // wait is to be used
}

type verdictKind uint8

const (
	verdictOK   verdictKind = iota
	verdictFail             // a failed attempt
	verdictAway             // infrastructure: no attempt
	verdictWait             // not its time yet: no attempt, and nobody's fault
	verdictDrop             // dead
	verdictEnd              // done, whatever steps are left
	verdictLost             // the claim is somebody else's
	verdictStop             // the processor stops
)

func (k verdictKind) String() string {
	return [...]string{"ok", "failed", "away", "early", "dropped", "ended", "lost", "stopped"}[k]
}

func (v *verdict) Unwrap() error { return v.error }

// judge reads a step's error.
func judge(err error) *verdict {
	if err == nil {
		return &verdict{kind: verdictOK}
	}
	if v, ok := errors.AsType[*verdict](err); ok {
		return &verdict{error: err, kind: v.kind, wait: v.wait, waits: v.waits}
	}
	v := &verdict{error: err, kind: verdictFail}
	switch {
	case errors.Is(err, store.ErrLeaseLost):
		v.kind = verdictLost
	case errors.Is(err, store.ErrUnavailable):
		v.kind = verdictAway
	case errors.Is(err, store.ErrInvalid), errors.Is(err, ErrUndecodable), errors.Is(err, ErrIncomplete):
		v.kind = verdictDrop
	}
	return v
}

// waitIn is for what is early rather than wrong.
func waitIn(d time.Duration, err error) error {
	return &verdict{error: err, kind: verdictWait, wait: d, waits: true}
}

// end is for events that nothing is left to be done about.
func end(why string) error { return &verdict{error: errors.New(why), kind: verdictEnd} }

func orElse(err error, text string) error {
	if err == nil {
		return errors.New("webhook: " + text)
	}
	return err
}

// Causes with which the context of an attempt ends.
var (
	errAttemptTimeout = fmt.Errorf("webhook: the attempt took too long: %w", context.DeadlineExceeded)
	errStopping       = fmt.Errorf("webhook: the processor stops: %w", context.Canceled)
)
