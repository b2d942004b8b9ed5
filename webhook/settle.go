package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// settler hands events back, many in one commit: while one is under way the next
// gathers.
type settler struct {
	shift *shift
	mu    sync.Mutex
	queue []settling
	wake  chan struct{}
	quit  chan struct{} // stop has been called
	ended chan struct{}

	failing atomic.Bool // the inbox does not take them: nothing more should be claimed
	ctx     context.Context
	cancel  context.CancelFunc
}

// settling is one settlement. Of several about one event the last bears the job.
type settling struct {
	store.Settlement
	job     *job
	outcome string
}

const (
	maxSettling   = 256              // in one commit
	settleTimeout = 10 * time.Second // of one commit
	awayLongest   = 5 * time.Second  // between tries while the inbox is away
	awayFirst     = 50 * time.Millisecond
)

func newSettler(s *shift) *settler {
	t := &settler{shift: s, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(s.work))
	return t
}

// add queues settlements of one event.
func (t *settler) add(j *job, outcome string, list ...store.Settlement) {
	t.mu.Lock()
	for i, x := range list {
		entry := settling{Settlement: x}
		if i == len(list)-1 {
			entry.job, entry.outcome = j, outcome
		}
		t.queue = append(t.queue, entry)
	}
	t.mu.Unlock()
	signal(t.wake)
}

// stop lets what is queued be written, for as long as it is told.
func (t *settler) stop(bound time.Duration) {
	close(t.quit)
	timer := time.AfterFunc(bound, t.cancel)
	defer timer.Stop()
	<-t.ended
	t.cancel()
}

func (t *settler) run() {
	defer close(t.ended)
	for {
		batch := t.take()
		if len(batch) > 0 {
			if !t.write(batch) {
				return
			}
			continue
		}
		select {
		case <-t.wake:
		case <-t.quit:
			if t.empty() {
				return
			}
		}
	}
}

func (t *settler) empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue) == 0
}

func (t *settler) take() []settling {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.queue), maxSettling)
	batch := append([]settling(nil), t.queue[:n]...)
	rest := copy(t.queue, t.queue[n:])
	clear(t.queue[rest:])
	t.queue = t.queue[:rest]
	return batch
}

// write settles a batch, however often it takes; false if the shift is over
// before.
func (t *settler) write(batch []settling) bool {
	p := t.shift.p
	list := make([]store.Settlement, len(batch))
	for i := range batch {
		list[i] = batch[i].Settlement
	}
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(t.ctx, settleTimeout)
		lost, err := p.inbox.Settle(ctx, list...)
		cancel()
		switch {
		case err == nil:
			if t.failing.Swap(false) {
				p.isBack(t.ctx)
			}
			// After a failure whose outcome is unknown a claim may be over because of us.
			t.settled(batch, lost, n > 1)
			return true
		case errors.Is(err, store.ErrInvalid): // never worth repeating: their leases run out
			p.log.LogAttrs(t.ctx, slog.LevelError, "settlements were refused", slog.String("error", err.Error()))
			t.settled(batch, tokensOf(batch), false)
			return true
		}
		t.failing.Store(true)
		p.isAway(t.ctx, err)
		if !sleep(t.ctx, backoff(n, awayFirst, awayLongest)) {
			return false
		}
	}
}

func (t *settler) settled(batch []settling, lost []store.Token, unsure bool) {
	gone := make(map[store.Token]bool, len(lost))
	for _, token := range lost {
		gone[token] = true
	}
	for _, x := range batch {
		if x.job == nil {
			continue
		}
		if gone[x.Token] && !unsure {
			x.outcome = "lost"
		}
		if x.Action == store.Retry || x.Action == store.Release {
			t.shift.due.add(x.At)
		}
		t.shift.ended(x.job, x.outcome)
	}
}

func tokensOf(batch []settling) (list []store.Token) {
	for _, x := range batch {
		list = append(list, x.Token)
	}
	return list
}

// sleep waits; false if the context ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// The ways in which a job ends. After any of them it is the settler's.

func (s *shift) conclude(j *job, outcome string, last store.Settlement, before ...store.Settlement) {
	list := j.takeMarks()
	if last.Action == store.Finish {
		list = nil
	}
	last.Token = j.claim.Token
	s.settler.add(j, outcome, append(append(list, before...), last)...)
}

func (s *shift) finish(j *job) { s.conclude(j, "done", store.Settlement{Action: store.Finish}) }

func (s *shift) bury(j *job, why error, before ...store.Settlement) {
	s.conclude(j, "dead", store.Settlement{Action: store.Bury, Reason: why.Error()}, before...)
}

func (s *shift) release(j *job, at time.Time, reason string, before ...store.Settlement) {
	s.conclude(j, "released", store.Settlement{Action: store.Release, At: at, Reason: reason}, before...)
}

// drop ends a job whose claim is over.
func (s *shift) drop(j *job) { s.ended(j, "lost") }

// ended counts what became of an event, when the inbox has it.
func (s *shift) ended(j *job, outcome string) {
	p, attempts := s.p, j.claim.Attempts
	switch outcome {
	case "done":
		p.done.Add(1)
	case "retried":
		p.retried.Add(1)
		attempts++
	case "dead":
		p.dead.Add(1)
		attempts++
	case "released":
		p.released.Add(1)
	default:
		p.lost.Add(1)
	}
	p.tell(Observation{Moment: EventEnded, Step: j.at, Kind: kindOf(j.claim.Kind), Outcome: outcome, Attempts: attempts, Age: time.Since(j.claim.Received)})
	s.remove(j)
}

// move hands a job to another lane; if that is full it is handed back for a moment.
func (s *shift) move(j *job, to *lane) {
	if to.room() > 0 {
		from := j.lane
		to.held.Add(1)
		j.lane = to
		from.held.Add(-1)
		signal(s.nudge)
		if to.offer(j) {
			return
		}
	}
	s.release(j, to.crowded(time.Now()), "")
}
