package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// Step is one thing to do about every event. It is marked when it is done, so that
// a retry of what comes after does not repeat it; a crash before the mark is on
// the disk does.
type Step struct {
	// Name is what it is marked by: 1 to 20 letters, digits, '_' or '-'. It must not
	// change while there are events in the inbox.
	Name string

	// Do does it. See [Handler] for what errors mean.
	Do func(ctx context.Context, t *Task) error

	// Transient: what it does lasts only as long as the Task. It is done again with
	// every attempt until a step after it is marked.
	Transient bool

	// Schedule, if not nil, gives the step workers and a patience of its own: a
	// failure burns no attempt, and the event is dead when the schedule is over.
	Schedule *Schedule
}

// Schedule spreads the tries of a step that may fail for hours.
type Schedule struct {
	// Waits are those before the second try, the third, and so on. They count from
	// the first failure, so that a try that came late moves none of the next. What
	// fails after the last is dead.
	Waits []time.Duration

	// Workers is how many tries run at once. 0 means 16.
	Workers int

	// Attempt bounds one try. 0 means 15 s.
	Attempt time.Duration
}

// DefaultSchedule goes on for almost three days: 5 s, 30 s, 2 min, 10 min, 30 min,
// then 1, 2, 4, 8, 8, 12, 12 and 24 hours.
func DefaultSchedule() Schedule {
	const h = time.Hour
	return Schedule{Waits: []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		h, 2 * h, 4 * h, 8 * h, 8 * h, 12 * h, 12 * h, 24 * h,
	}}
}

const (
	maxStepName            = 20
	defaultScheduleWorkers = 16
	defaultScheduleAttempt = 15 * time.Second
)

// Handle is a step that gives the event to each of the handlers, in their order;
// the first error ends it.
func Handle(name string, handlers ...Handler) Step {
	return Step{Name: name, Do: func(ctx context.Context, t *Task) error {
		for _, h := range handlers {
			if err := h.HandleEvent(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}}
}

func checkSteps(steps []Step) error {
	if len(steps) == 0 {
		return errors.New("webhook: no steps: give the processor at least one")
	}
	var problems []error
	for i, s := range steps {
		if !store.IsStep(s.Name) || len(s.Name) > maxStepName {
			problems = append(problems, fmt.Errorf("webhook: step %d is named %.40q: want 1 to %d letters, digits, '_' or '-'", i, s.Name, maxStepName))
		}
		if s.Do == nil {
			problems = append(problems, fmt.Errorf("webhook: step %q has no Do", s.Name))
		}
		if slices.ContainsFunc(steps[:i], func(o Step) bool { return o.Name == s.Name }) {
			problems = append(problems, fmt.Errorf("webhook: two steps are named %q", s.Name))
		}
		if s.Schedule == nil {
			continue
		}
		if s.Schedule.Workers < 0 || s.Schedule.Attempt < 0 {
			problems = append(problems, fmt.Errorf("webhook: the schedule of step %q has %d workers and %v an attempt: want none below 0", s.Name, s.Schedule.Workers, s.Schedule.Attempt))
		}
		if slices.ContainsFunc(s.Schedule.Waits, func(d time.Duration) bool { return d <= 0 }) {
			problems = append(problems, fmt.Errorf("webhook: the schedule of step %q has a wait that is not above 0", s.Name))
		}
	}
	return errors.Join(problems...)
}
