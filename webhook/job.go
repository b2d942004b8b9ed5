package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// job is one claimed event in the hands of a shift.
type job struct {
	shift *shift
	claim store.Claim
	task  Task
	lane  *lane
	marks marks

	ready bool   // task holds the decoded event
	at    string // the step where it stands
	gate  *gate  // of that step
	probe bool   // it is the gate's probe

	ctx    context.Context // ends when the claim is lost or the shift is over
	cancel context.CancelCauseFunc
	state  atomic.Int32
	isLost atomic.Bool
	until  time.Time // when the lease ends; guarded by the shift
}

// marks are the steps of an event that are done and not yet marked.
type marks struct {
	mu      sync.Mutex
	pending []string
	late    *time.Timer // writes them if nothing else does
}

// The states of a job: a step that is left behind must not go on with it.
const (
	jobIdle int32 = iota
	jobInStep
	jobAbandoned
)

// advance takes the event as far as it goes in this lane. It returns false if the
// worker was given up meanwhile.
func (j *job) advance() (alive bool) {
	s, p := j.shift, j.shift.p
	for {
		if j.isLost.Load() {
			s.drop(j)
			return true
		}
		if err := j.decode(); err != nil {
			s.bury(j, err)
			return true
		}
		i := p.next(&j.task)
		if i == len(p.steps) {
			s.finish(j)
			return true
		}
		if s.stopping.Load() {
			s.release(j, time.Time{}, "")
			return true
		}
		if to := s.lanes[p.laneOf[i]]; to != j.lane {
			s.move(j, to)
			return true
		}
		ended, alive := j.step(i)
		if ended || !alive {
			return alive
		}
	}
}

// decode reads the event, once. Its errors cannot be mended by trying again.
func (j *job) decode() error {
	if j.ready {
		return nil
	}
	e, err := EventOf(j.claim)
	if err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	j.task.Event, j.ready = e, true
	return nil
}

// step tries step i. ended is true when the event was handed back.
func (j *job) step(i int) (ended, alive bool) {
	s, p, g := j.shift, j.shift.p, j.shift.p.gates[i]
	step := &p.steps[i]
	j.at = step.Name
	begin := time.Now()
	through, probe, back := g.enter(begin)
	if !through {
		s.turnAway(j, step, back, g.why())
		return true, true
	}
	j.gate, j.probe = g, probe
	v, alive := j.attempt(step)
	if !alive {
		return true, false
	}
	s.leave(g, probe, step, v)
	p.tell(Observation{Moment: StepEnded, Step: step.Name, Kind: kindOf(j.task.Kind), Outcome: v.kind.String(), Duration: time.Since(begin), Err: v.error})
	return s.judged(j, step, v), true
}

// attempt runs the step on this goroutine; alive is false if it was left behind
// meanwhile.
func (j *job) attempt(step *Step) (v *verdict, alive bool) {
	ctx, cancel, applied := j.ctx, context.CancelFunc(func() {}), false
	j.state.Store(jobInStep)
	if limit := j.lane.attempt; limit > 0 {
		ctx, cancel = context.WithTimeoutCause(j.ctx, limit, errAttemptTimeout)
		watchdog := time.AfterFunc(limit+stepGrace, func() { j.shift.leaveBehind(j, step, limit) })
		defer watchdog.Stop()
	}
	defer cancel()
	if a := j.shift.p.applier; a != nil {
		j.task.apply = func(ctx context.Context, w store.Write) ([]store.Outcome, error) {
			out, err := a.Apply(ctx, j.claim.Token, step.Name, w)
			applied = applied || err == nil
			return out, err
		}
	}
	err := j.call(ctx, step)
	if !j.state.CompareAndSwap(jobInStep, jobIdle) {
		return nil, false
	}
	if applied {
		j.task.done = append(j.task.done, step.Name)
	}
	return j.verdictOf(ctx, err), true
}

// verdictOf sees whether an error is that of the step or of the end of its
// context.
func (j *job) verdictOf(ctx context.Context, err error) *verdict {
	v := judge(err)
	cause := context.Cause(ctx)
	switch {
	case v.kind == verdictOK || v.kind == verdictEnd:
	case j.isLost.Load():
		v.kind = verdictLost
	case errors.Is(cause, errStopping):
		v = &verdict{error: errStopping, kind: verdictStop}
	case errors.Is(cause, errAttemptTimeout):
		j.shift.p.timeouts.Add(1)
		v.error = fmt.Errorf("no end within %v: %w", j.lane.attempt, err)
		if j.lane.name != "" && v.kind == verdictFail {
			v.kind = verdictAway // who has hours to answer and does not, is not there
		}
	}
	return v
}

// abandon takes the job from a step that does not return.
func (j *job) abandon() bool {
	if !j.state.CompareAndSwap(jobInStep, jobAbandoned) {
		return false
	}
	j.gate.leave(j.probe)
	j.lane.abandoned()
	return true
}

// stepGrace is how long a step may still run when its context has ended.
const stepGrace = 5 * time.Second

// leaveBehind gives up a step that has not returned. It has failed.
func (s *shift) leaveBehind(j *job, step *Step, limit time.Duration) {
	if !j.abandon() {
		return
	}
	s.p.timeouts.Add(1)
	s.p.tell(Observation{Moment: StepStuck, Step: step.Name, Kind: kindOf(j.claim.Kind)})
	err := fmt.Errorf("no end within %v, nor %v after its context had ended", limit, stepGrace)
	s.failed(j, step, &verdict{error: err, kind: verdictFail})
}

// leave tells the gate what its guest met.
func (s *shift) leave(g *gate, probe bool, step *Step, v *verdict) {
	switch v.kind {
	case verdictLost, verdictStop:
		g.leave(probe)
	case verdictAway:
		ask := time.Duration(0)
		if v.waits {
			ask = v.wait
		}
		if g.away(time.Now(), probe, ask, v.error) {
			s.p.isClosed(s.work, step.Name, g, v.error)
		}
	default:
		if d := g.back(time.Now()); d > 0 {
			s.p.isOpen(s.work, step.Name, d)
		}
	}
}
