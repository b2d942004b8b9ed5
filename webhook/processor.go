package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// Processor takes events out of an inbox and through its steps, at least once
// each. Make one with [NewProcessor]; any number may work one inbox.
type Processor struct {
	inbox   store.Inbox
	applier store.Applier // nil if the inbox is none
	steps   []Step
	gates   []*gate // one a step
	laneOf  []int   // of each step; 0 is that of all without a schedule
	processorSettings

	running atomic.Bool
	mu      sync.Mutex
	shift   *shift // the Run under way

	claimed, done, retried, dead, released, lost, panics, timeouts atomic.Uint64

	stuck atomic.Int64
	away  atomic.Pointer[time.Time]
}

// ErrRunning is what Run returns when the processor runs already.
var ErrRunning = errors.New("webhook: the processor is running already")

// NewProcessor refuses, all at once, what is wrong with the steps and options.
func NewProcessor(inbox store.Inbox, steps []Step, opts ...ProcessorOption) (*Processor, error) {
	p := &Processor{inbox: inbox, steps: append([]Step(nil), steps...), processorSettings: processorSettings{work: DefaultWork(), retries: DefaultRetries()}}
	for _, o := range opts {
		o(&p.processorSettings)
	}
	var missing error
	if inbox == nil {
		missing = errors.New("webhook: no inbox: give the processor the one that the receiver fills")
	}
	if err := errors.Join(missing, checkSteps(steps), p.check()); err != nil {
		return nil, err
	}
	p.applier, _ = inbox.(store.Applier)
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	lanes := 1
	for _, s := range p.steps {
		p.gates = append(p.gates, new(gate))
		lane := 0
		if s.Schedule != nil {
			lane = lanes
			lanes++
		}
		p.laneOf = append(p.laneOf, lane)
	}
	return p, nil
}

// Run works until the context ends, then claims nothing more, lets running steps
// finish within [Work].Drain, and hands the rest back without burning an attempt.
// An inbox that is away is waited for, and whatever else the steps need. It
// returns within Drain and six seconds after the end of the context: nil, or how
// many events could not be handed back, whose leases then run out by themselves.
// While one Run is under way another returns [ErrRunning]. When it has ended no
// goroutine is left but those of steps that ignore the end of their context.
func (p *Processor) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer p.running.Store(false)
	s := newShift(ctx, p)
	p.mu.Lock()
	p.shift = s
	p.mu.Unlock()
	return s.run(ctx)
}

// Stats returns a snapshot.
func (p *Processor) Stats() ProcessorStats {
	s := ProcessorStats{
		Claimed: p.claimed.Load(), Done: p.done.Load(), Retried: p.retried.Load(), Dead: p.dead.Load(), Released: p.released.Load(),
		Lost: p.lost.Load(), Panics: p.panics.Load(), Timeouts: p.timeouts.Load(), Running: p.running.Load(), Stuck: int(p.stuck.Load()),
	}
	if since := p.away.Load(); since != nil {
		s.Away = *since
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shift != nil {
		for _, l := range p.shift.lanes {
			s.Lanes = append(s.Lanes, LaneStats{Step: l.name, Held: int(l.held.Load())})
		}
	}
	for i, g := range p.gates {
		s.Gates = append(s.Gates, g.stats(p.steps[i].Name))
	}
	return s
}

// next is the step that comes next; len(p.steps) if none does. A transient one is
// passed over when one after it is marked, for nobody would use what it does.
func (p *Processor) next(t *Task) int {
	marked := -1
	for i := range p.steps {
		if !p.steps[i].Transient && t.Done(p.steps[i].Name) {
			marked = i
		}
	}
	for i := range p.steps {
		if s := &p.steps[i]; !t.Done(s.Name) && (!s.Transient || i > marked) {
			return i
		}
	}
	return len(p.steps)
}

// isAway notes that the inbox cannot be used.
func (p *Processor) isAway(ctx context.Context, err error) {
	now := time.Now()
	if p.away.CompareAndSwap(nil, &now) {
		p.log.LogAttrs(ctx, slog.LevelError, "the inbox cannot be used, events wait in it", slog.String("error", err.Error()))
		p.tell(Observation{Moment: InboxAway, Err: err})
	}
}

func (p *Processor) isBack(ctx context.Context) {
	if since := p.away.Swap(nil); since != nil {
		d := time.Since(*since)
		p.log.LogAttrs(ctx, slog.LevelInfo, "the inbox can be used again", slog.Duration("after", d))
		p.tell(Observation{Moment: InboxBack, Duration: d})
	}
}

func (p *Processor) tell(o Observation) {
	if p.observe != nil {
		p.observe(o)
	}
}

func kindOf(k asleep.WebhookEvent) asleep.WebhookEvent {
	if known(k) {
		return k
	}
	return "other"
}

func (s *processorSettings) check() error {
	var problems []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("webhook: "+format, args...))
		}
	}
	w := s.work
	refuse(w.Workers > 0 && w.Workers <= 10_000, "%d workers: want 1 to 10,000", w.Workers)
	refuse(w.Attempt >= 0, "attempts of %v: want 0, for no bound, or more", w.Attempt)
	refuse(w.Lease >= time.Second, "leases of %v: want a second at least", w.Lease)
	refuse(w.Poll > 0, "a poll every %v: want more than 0", w.Poll)
	refuse(w.Drain >= 0, "%v to drain: want 0 or more", w.Drain)
	refuse(s.retries.Jitter >= 0 && s.retries.Jitter <= 1, "a jitter of %v: want 0 to 1", s.retries.Jitter)
	for _, d := range s.retries.Waits {
		refuse(d >= 0, "a wait of %v before a retry: want 0 or more", d)
	}
	return errors.Join(problems...)
}
