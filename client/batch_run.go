package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// batchRun is one run of a batch. Its goroutines are a feeder, which reads the
// input; workers, which take a user at a time in hand; and a watch for the soft
// stop and the progress. The caller's goroutine hands out the results.
type batchRun struct {
	*batchPlan
	outer  context.Context // the caller's; a run is one call of the caller
	ctx    context.Context // of all calls; ends with a halt
	cancel context.CancelFunc

	gate    *gate
	ledger  *ledger
	tally   *tally
	witness witness

	users   chan batchUserID
	results chan *Batch
	feeding sync.WaitGroup // feeder and workers
	others  sync.WaitGroup // the watches

	stopping chan struct{} // closed: no user is started any more
	ended    chan struct{} // closed: the consumer takes no more results
	over     chan struct{} // closed: feeder and workers have ended

	mu        sync.Mutex
	reason    error // of the stop, the first one
	err       error // says more
	soft      bool  // users in hand may finish
	exhausted bool  // the input was read to its end
	verified  bool  // the token was found to fit the input
	crash     any   // what the sequence of users panicked with
	closed    bool
}

func (p *batchPlan) start(ctx context.Context, users iter.Seq2[string, error]) *batchRun {
	o := p.options
	r := &batchRun{
		batchPlan: p, outer: ctx,
		ledger:   newLedger(o.Window, o.Resume),
		tally:    newTally(o.Total, o.Resume.failed),
		users:    make(chan batchUserID),
		results:  make(chan *Batch),
		stopping: make(chan struct{}), ended: make(chan struct{}), over: make(chan struct{}),
		verified: o.Resume.end() == 0,
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.gate = newGate(o.Concurrency, o.MaxOutage, func(_ time.Time, cause error) { r.halt(ErrOutage, cause) })
	r.tally.waiting = func(b *BatchProgress) { b.Waiting, b.Until, b.Cause = r.gate.state() }
	if o.Meter != nil {
		o.Meter.tally.Store(r.tally)
	}
	r.feeding.Go(func() { r.feed(users) })
	for range 2 * o.Concurrency {
		r.feeding.Go(r.work)
	}
	r.others.Go(func() {
		r.feeding.Wait()
		close(r.over)
	})
	r.others.Go(r.watchStop)
	if o.Progress != nil {
		r.others.Go(r.report)
	}
	return r
}

// deliver hands out the results, and at the end the reason if it came early.
func (r *batchRun) deliver(yield func(Batch, error) bool) {
	for {
		select {
		case b := <-r.results:
			r.tally.taken()
			if r.outer.Err() != nil {
				r.tally.dropped()
				continue
			}
			r.ledger.finish(b.Index, b.Err != nil)
			r.tally.yielded(b)
			b.Token = r.ledger.token(r.like)
			if !yield(*b, nil) {
				return
			}
		case <-r.over:
			r.close()
			if err := r.outcome(); err != nil {
				yield(Batch{}, err)
			}
			return
		}
	}
}

// close ends the run and waits for everything it started.
func (r *batchRun) close() {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return
	}
	r.stop()
	close(r.ended)
	r.cancel()
	r.feeding.Wait()
	r.others.Wait()
	r.gate.close()
	p := r.tally.freeze()
	if r.options.Progress != nil {
		r.options.Progress(p)
	}
	if r.crash != nil {
		panic(r.crash) //nolint:forbidigo // the caller's own, passed on
	}
}

// halt ends the batch at once: calls in flight are cancelled. The first reason
// counts, unless it was a soft one; a better account of the same one is kept.
func (r *batchRun) halt(reason, err error) {
	r.mu.Lock()
	switch {
	case r.reason == nil || r.soft:
		r.reason, r.err, r.soft = reason, err, false
	case errors.Is(r.reason, reason) && err != nil && !isFailure(r.err):
		r.err = err
	}
	r.mu.Unlock()
	r.stop()
	r.cancel()
}

func isFailure(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

// drain ends the batch softly: no user is started any more, those in hand may
// finish.
func (r *batchRun) drain(reason error) {
	r.blame(reason, nil)
	r.stop()
}

// blame notes why the batch will not end well, unless that is known already.
func (r *batchRun) blame(reason, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil {
		r.reason, r.err, r.soft = reason, err, true
	}
}

// stop lets no further user start.
func (r *batchRun) stop() {
	r.mu.Lock()
	first := !r.stopRequested()
	if first {
		close(r.stopping)
	}
	r.mu.Unlock()
	if first && r.options.Stopping != nil {
		r.options.Stopping()
	}
}

// stopped reports whether no user may start any more.
func (r *batchRun) stopped() bool { return r.stopRequested() || r.ctx.Err() != nil }

func (r *batchRun) stopRequested() bool {
	select {
	case <-r.stopping:
		return true
	default:
		return false
	}
}

// watchStop turns Stop and MaxDuration into a soft stop, and bounds every soft stop.
func (r *batchRun) watchStop() {
	var after <-chan time.Time
	if d := r.options.MaxDuration; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-r.options.Stop:
		r.drain(ErrStopRequested)
	case <-after:
		r.drain(ErrMaxDuration)
	case <-r.stopping:
	case <-r.ctx.Done():
		r.stop()
		return
	case <-r.over:
		return
	}
	bound := time.NewTimer(r.options.Drain)
	defer bound.Stop()
	select {
	case <-bound.C:
		r.cancel()
	case <-r.ctx.Done():
	case <-r.over:
	}
}

// report calls Progress now and then; close does at the end.
func (r *batchRun) report() {
	ticker := time.NewTicker(r.options.ProgressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.options.Progress(r.tally.progress())
		case <-r.over:
			return
		}
	}
}

// outcome is the error that the batch ends with, once all of it has ended.
func (r *batchRun) outcome() error {
	read, done := r.ledger.state()
	if r.exhausted && r.verified && done == read {
		return nil // whatever happened: all users are done
	}
	if _, ok := errors.AsType[*ResumeError](r.reason); ok {
		return r.reason
	}
	stopped := &BatchStopped{
		Reason: cmp.Or(r.reason, errBatchOver), Err: r.err, Progress: r.tally.progress(), Token: r.options.Resume,
		Unfinished: max(0, read-done), NotStarted: -1,
	}
	if err := r.outer.Err(); err != nil && (r.reason == nil || r.soft) {
		stopped.Reason, stopped.Err = err, nil
		if cause := context.Cause(r.outer); cause != err { //nolint:errorlint // is there another one?
			stopped.Err = cause
		}
	}
	if r.verified {
		stopped.Token = r.ledger.token(r.like)
	}
	if total := r.options.Total; total > 0 {
		stopped.NotStarted = max(0, total-read)
	}
	return stopped
}
