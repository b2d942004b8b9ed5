package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/store"
)

// call runs a step; a panic is an error.
func (j *job) call(ctx context.Context, step *Step) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = j.shift.p.panicked(ctx, step.Name, r)
		}
	}()
	return step.Do(ctx, &j.task)
}

// panicked makes an error of a panic. The value may quote the event, so only what
// the runtime says is repeated; the stack says the rest, to the log alone.
func (p *Processor) panicked(ctx context.Context, step string, r any) error {
	p.panics.Add(1)
	text := fmt.Sprintf("a value of type %T", r)
	if e, ok := r.(runtime.Error); ok {
		text = e.Error()
	}
	p.log.LogAttrs(ctx, slog.LevelError, "a step panicked", slog.String("step", step), slog.String("panic", text), slog.String("stack", string(debug.Stack())))
	return fmt.Errorf("panic: %s", text)
}

// judged goes on by what a step has come to. ended is true when the event was
// handed back.
func (s *shift) judged(j *job, step *Step, v *verdict) (ended bool) {
	switch v.kind {
	case verdictOK:
		s.marked(j, step)
		return false
	case verdictEnd:
		s.finish(j)
	case verdictLost:
		s.drop(j)
	default:
		s.failed(j, step, v)
	}
	return true
}

// markDelay is how long a mark waits for a settlement to go with. A crash before
// that repeats the step.
const markDelay = 100 * time.Millisecond

// marked notes that a step is done. Unless Apply has done it, the mark goes with
// the next settlement of the event, or after a moment if there is none; with the
// last step the event is done in its place. That of a transient step waits for
// the mark of one that lasts.
func (s *shift) marked(j *job, step *Step) {
	if j.task.Done(step.Name) {
		return
	}
	j.task.done = append(j.task.done, step.Name)
	m := &j.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = append(m.pending, step.Name)
	if !step.Transient && m.late == nil {
		m.late = time.AfterFunc(markDelay, func() {
			if list := j.takeMarks(); len(list) > 0 {
				s.settler.add(nil, "", list...)
			}
		})
	}
}

// takeMarks returns settlements that write the marks, up to the last one that
// lasts.
func (j *job) takeMarks() (list []store.Settlement) {
	m := &j.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.late == nil {
		return nil
	}
	m.late.Stop()
	m.late = nil
	lasting := 0
	for i, name := range m.pending {
		list = append(list, j.mark(name))
		if !j.shift.p.transient(name) {
			lasting = i + 1
		}
	}
	m.pending = m.pending[lasting:]
	return list[:lasting]
}

func (p *Processor) transient(name string) bool {
	return slices.ContainsFunc(p.steps, func(s Step) bool { return s.Name == name && s.Transient })
}

// failed hands an event back whose step has not come to its end.
func (s *shift) failed(j *job, step *Step, v *verdict) {
	now := time.Now()
	reason := step.Name + ": " + v.Error()
	switch {
	case v.kind == verdictStop:
		s.release(j, time.Time{}, "")
	case v.kind == verdictDrop:
		s.p.logFailure(s.work, slog.LevelError, j, step.Name, v.error)
		s.bury(j, fmt.Errorf("%s", reason), s.roundEnds(j, step)...)
	case v.kind == verdictWait:
		s.release(j, now.Add(v.wait), j.seldom(reason))
	case step.Schedule != nil:
		s.rescheduled(j, step, v, now, reason)
	case v.kind == verdictAway:
		wait := backoff(j.claim.Claims-j.claim.Attempts, gateFirst, gateLongest)
		s.release(j, now.Add(max(wait, v.wait)), j.seldom(reason))
	case j.claim.Attempts >= len(s.p.retries.Waits):
		s.p.logFailure(s.work, slog.LevelError, j, step.Name, v.error)
		s.bury(j, fmt.Errorf("%s", reason))
	default:
		wait := jitter(s.p.retries.Waits[j.claim.Attempts], s.p.retries.Jitter)
		if v.waits {
			wait = v.wait
		}
		s.p.logFailure(s.work, slog.LevelWarn, j, step.Name, v.error)
		s.conclude(j, "retried", store.Settlement{Action: store.Retry, At: now.Add(wait), Reason: reason})
	}
}

// rescheduled hands an event back by the schedule of its step.
func (s *shift) rescheduled(j *job, step *Step, v *verdict, now time.Time, reason string) {
	since, going := j.task.round(step.Name)
	var marks []store.Settlement
	if !going {
		since = store.Milli(now)
		marks = append(marks, j.mark(step.Name+roundSince+strconv.FormatInt(since.UnixMilli(), 10)))
	}
	next, ok := step.Schedule.after(since, now)
	if !ok {
		s.p.logFailure(s.work, slog.LevelError, j, step.Name, v.error)
		s.bury(j, fmt.Errorf("%s", reason), append(marks, j.mark(step.Name+roundOver+strconv.FormatInt(since.UnixMilli(), 10)))...)
		return
	}
	if v.waits {
		next = now.Add(v.wait)
	}
	s.release(j, next, reason, marks...)
}

// roundEnds marks the end of the round that is going on, so that a replay begins
// another.
func (s *shift) roundEnds(j *job, step *Step) []store.Settlement {
	since, going := j.task.round(step.Name)
	if step.Schedule == nil || !going {
		return nil
	}
	return []store.Settlement{j.mark(step.Name + roundOver + strconv.FormatInt(since.UnixMilli(), 10))}
}

// turnAway hands an event back whose step is behind a closed gate. Nothing is
// noted in its history: it was not tried.
func (s *shift) turnAway(j *job, step *Step, back time.Time, why error) {
	if step.Schedule != nil {
		if since, going := j.task.round(step.Name); going {
			if _, ok := step.Schedule.after(since, time.Now()); !ok {
				s.failed(j, step, &verdict{error: why, kind: verdictAway})
				return
			}
		}
	}
	s.release(j, back, "")
}

// seldom is the reason for the history, or nothing if the event has been handed
// out so often that its history would grow without telling more.
func (j *job) seldom(reason string) string {
	const all = 8
	if n := j.claim.Claims; n > all && n&(n-1) != 0 {
		return ""
	}
	return reason
}

func (j *job) mark(step string) store.Settlement {
	return store.Settlement{Token: j.claim.Token, Action: store.StepDone, Step: step}
}

// after is the first time of the schedule after now.
func (c *Schedule) after(since, now time.Time) (next time.Time, ok bool) {
	next = since
	for _, d := range c.Waits {
		if next = next.Add(d); next.After(now) {
			return next, true
		}
	}
	return time.Time{}, false
}

// round is the run of tries of a scheduled step that began with the first failure
// since the event was new or replayed. It is kept as marks of the event, NAME-since-T
// when it begins and NAME-over-T when the event is buried, T in milliseconds.
func (t *Task) round(step string) (since time.Time, going bool) {
	for _, mark := range t.done {
		word, ok := strings.CutPrefix(mark, step)
		if !ok {
			continue
		}
		if at, ok := strings.CutPrefix(word, roundSince); ok {
			ms, err := strconv.ParseInt(at, 10, 64)
			since, going = time.UnixMilli(ms), err == nil
		} else if strings.HasPrefix(word, roundOver) {
			going = false
		}
	}
	return since, going
}

const (
	roundSince = "-since-"
	roundOver  = "-over-"
)

func (p *Processor) logFailure(ctx context.Context, level slog.Level, j *job, step string, err error) {
	text := err.Error()
	if j.claim.UserID != "" {
		text = strings.ReplaceAll(text, j.claim.UserID, redact.User(j.claim.UserID).String())
	}
	p.log.LogAttrs(ctx, level, "a step failed", slog.Bool("dead", level == slog.LevelError), slog.String("event", j.claim.ID), slog.String("step", step),
		slog.String("kind", string(kindOf(j.claim.Kind))), slog.Any("user", redact.User(j.claim.UserID)),
		slog.Int("attempts", j.claim.Attempts+1), slog.String("error", strings.ToValidUTF8(text[:min(len(text), maxLogged)], "")))
}

// maxLogged bounds what is logged of an error.
const maxLogged = 500

func (p *Processor) isClosed(ctx context.Context, step string, g *gate, err error) {
	wait := time.Until(g.stats(step).Probe)
	p.log.LogAttrs(ctx, slog.LevelWarn, "what a step needs is away, events wait for it", slog.String("step", step), slog.Duration("probe_in", wait))
	p.tell(Observation{Moment: GateClosed, Step: step, Wait: wait, Err: err})
}

func (p *Processor) isOpen(ctx context.Context, step string, after time.Duration) {
	p.log.LogAttrs(ctx, slog.LevelInfo, "what a step needs is back", slog.String("step", step), slog.Duration("after", after))
	p.tell(Observation{Moment: GateOpened, Step: step, Duration: after})
}
