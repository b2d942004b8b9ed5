package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// How a shift ends, after the drain: steps whose context was ended may still
// return for a moment, then the last settlements may take a little.
const (
	endGrace    = time.Second
	settleGrace = 5 * time.Second
)

// shift is one Run of a processor: a claimer, workers, and a settler.
type shift struct {
	p     *Processor
	lanes []*lane

	work     context.Context // of the steps
	stopWork context.CancelCauseFunc
	stopping atomic.Bool

	settler *settler
	due     dueTimes
	nudge   chan struct{} // the claimer may have something to do
	settled chan struct{} // an event is no longer held

	mu   sync.Mutex
	jobs map[store.Token]*job // all that is claimed and not handed back
}

func newShift(ctx context.Context, p *Processor) *shift {
	s := &shift{p: p, nudge: make(chan struct{}, 1), settled: make(chan struct{}, 1), jobs: map[store.Token]*job{}}
	s.work, s.stopWork = context.WithCancelCause(context.WithoutCancel(ctx))
	s.lanes = append(s.lanes, newLane(s, "", p.work.Workers, p.work.Attempt))
	for i := range p.steps {
		if c := p.steps[i].Schedule; c != nil {
			workers, attempt := c.Workers, c.Attempt
			if workers == 0 {
				workers = defaultScheduleWorkers
			}
			if attempt == 0 {
				attempt = defaultScheduleAttempt
			}
			s.lanes = append(s.lanes, newLane(s, p.steps[i].Name, workers, attempt))
		}
	}
	s.settler = newSettler(s)
	return s
}

func (s *shift) run(ctx context.Context) error {
	defer s.stopWork(errStopping)
	over := make(chan struct{})
	var claiming sync.WaitGroup
	claiming.Go(func() { s.claim(over) })
	go s.settler.run()
	for _, l := range s.lanes {
		l.start()
	}
	<-ctx.Done()
	s.stopping.Store(true)
	signal(s.nudge)
	s.releaseQueued()
	if !s.idle(s.p.work.Drain) {
		s.stopWork(errStopping)
		s.idle(endGrace)
	}
	s.releaseQueued()
	s.abandonAll()
	close(over)
	claiming.Wait()
	s.releaseQueued() // what was claimed in the last moment
	for _, l := range s.lanes {
		l.stop()
	}
	s.settler.stop(settleGrace)
	if n := s.holds(); n > 0 {
		return fmt.Errorf("webhook: %d events could not be handed back: they wait for their leases to run out", n)
	}
	return nil
}

// idle waits until nothing is held, at most d.
func (s *shift) idle(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for s.holds() > 0 {
		select {
		case <-s.settled:
		case <-timer.C:
			return false
		}
	}
	return true
}

func (s *shift) holds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs)
}

// releaseQueued hands back what no worker has begun.
func (s *shift) releaseQueued() {
	for _, l := range s.lanes {
		for more := true; more; {
			select {
			case j := <-l.queue:
				s.release(j, time.Time{}, "")
			default:
				more = false
			}
		}
	}
}

// abandonAll hands back what runs in spite of all.
func (s *shift) abandonAll() {
	s.mu.Lock()
	var left []*job
	for _, j := range s.jobs {
		left = append(left, j)
	}
	s.mu.Unlock()
	for _, j := range left {
		if j.abandon() {
			s.release(j, time.Time{}, "shutdown: a step did not return")
		}
	}
}

// add makes a job of a claim.
func (s *shift) add(c store.Claim) *job {
	j := &job{shift: s, claim: c, lane: s.lanes[0], until: c.Until}
	j.task.Claims, j.task.Attempts = c.Claims, c.Attempts
	j.task.done = c.Steps
	j.ctx, j.cancel = context.WithCancelCause(s.work)
	s.lanes[0].held.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[c.Token] = j
	return j
}

// remove ends what add began.
func (s *shift) remove(j *job) {
	j.cancel(nil)
	s.mu.Lock()
	_, held := s.jobs[j.claim.Token]
	delete(s.jobs, j.claim.Token)
	s.mu.Unlock()
	if held {
		j.lane.held.Add(-1)
		signal(s.settled)
		signal(s.nudge)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
