package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep"
)

// feed reads the input and hands the users to the workers.
func (r *batchRun) feed(users func(func(string, error) bool)) {
	defer close(r.users)
	defer func() {
		if crash := recover(); crash != nil { // the caller's code: it fails in the caller's goroutine
			r.mu.Lock()
			r.crash = crash
			r.mu.Unlock()
			r.halt(ErrBatchInput, nil)
		}
	}()
	in := &intake{
		resume: r.options.Resume, tally: r.tally, admit: r.admit,
		passed: func(index int64) { r.ledger.finish(index, false) },
		known:  r.witness.done,
	}
	if !r.options.KeepDuplicates {
		in.ids = newIDSet()
	}
	for u, err := range in.fresh(users) {
		if err != nil {
			r.refuseInput(err)
			return
		}
		r.mark(&r.verified)
		if r.stopped() {
			return
		}
		select {
		case r.users <- u:
		case <-r.stopping:
			return
		}
	}
	if in.verified() {
		r.mark(&r.verified)
	}
	if !r.stopped() { // else it may have ended because the batch does
		r.mark(&r.exhausted)
	}
}

// admit waits until a position is within the window.
func (r *batchRun) admit(index int64, chain idChain) bool {
	for !r.ledger.room(index) {
		select {
		case <-r.ledger.moved:
		case <-r.stopping:
			return false
		}
	}
	if r.stopped() {
		return false
	}
	r.ledger.note(index, chain)
	r.tally.read()
	return true
}

func (r *batchRun) refuseInput(err error) {
	broken, ok := errors.AsType[*inputError](err)
	switch {
	case ok:
		// What was read before counts: those users are finished, without a bound.
		r.blame(ErrBatchInput, broken.err)
	case !r.stopped(): // else the input may have ended because the batch does
		r.halt(err, nil) // the token does not fit
	}
}

func (r *batchRun) mark(flag *bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*flag = true
}

// work takes users in hand, one after the other.
func (r *batchRun) work() {
	for u := range r.users {
		if r.stopped() {
			continue
		}
		r.tally.begun()
		b := r.fetch(u)
		if b == nil {
			r.tally.dropped()
			continue
		}
		r.tally.offered()
		select {
		case r.results <- b:
		case <-r.ended:
			r.tally.taken()
			r.tally.dropped()
		}
	}
}

// fetch does one user; nil if the batch ended meanwhile.
func (r *batchRun) fetch(u batchUserID) *Batch {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	w := &userWork{batchRun: r, ctx: ctx, cancel: cancel, batch: Batch{User: u.id, Index: u.index, Began: time.Now()}}
	b := &w.batch
	if b.Err = w.refuse("user id", u.id); b.Err == nil {
		b.Sessions, b.Err = w.list()
	}
	if b.Err == nil && r.options.Details {
		b.Reports, b.Err = w.reports()
	}
	if errors.Is(b.Err, errBatchOver) {
		return nil
	}
	if b.Err != nil {
		b.Sessions, b.Reports, b.Deleted, b.Cached = nil, nil, 0, 0
	}
	return b
}

// userWork is one user in hand.
type userWork struct {
	*batchRun
	ctx    context.Context // a user in hand is one operation
	cancel context.CancelFunc

	mu    sync.Mutex
	batch Batch
	err   error // of the reports, the first one
}

// refuse is the error of an id that the service cannot be asked for. It is judged
// before the gate, which is about the service.
func (w *userWork) refuse(name, id string) error {
	problem := checkID(id)
	if problem == "" {
		return nil
	}
	k := w.client.newCall(opFetchSessions, w.opts)
	k.problem(name, "%s", problem)
	return k.refusal()
}

// finish makes a call and counts it.
func (w *userWork) finish(c *batchCall, entered bool, once func(context.Context) error) error {
	calls, attempts, err := c.do(w.ctx, entered, once)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batch.Calls += calls
	w.batch.Attempts += attempts
	return err
}

// list reads the list of sessions, page by page.
func (w *userWork) list() ([]asleep.SessionSummary, error) {
	k := w.client.newCall(opListSessions, w.opts)
	k.checkUser(w.batch.User)
	sessions := []asleep.SessionSummary{}
	for p := newPager(k, w.query); p.more; {
		c := &batchCall{run: w.batchRun, op: batchList, index: w.batch.Index, first: w.batch.Calls == 0}
		err := w.finish(c, false, func(ctx context.Context) error {
			fresh, err := p.next(ctx)
			sessions = append(sessions, fresh...)
			return err
		})
		if err != nil {
			return nil, err
		}
		w.witness.list(w.batch.User)
	}
	return sessions, nil
}

// reports reads the reports of the sessions listed, as many at a time as the gate
// lets out. Sessions that are gone are counted and left out.
func (w *userWork) reports() ([]*asleep.Report, error) {
	for _, s := range w.batch.Sessions {
		if err := w.refuse("session id", s.SessionID); err != nil {
			return nil, err
		}
	}
	reports := make([]*asleep.Report, len(w.batch.Sessions))
	var reading sync.WaitGroup
	room := make(chan struct{}, w.options.Concurrency) // for those that wait outside the gate, too
	for i := range reports {
		if reports[i] = w.recall(w.batch.Sessions[i].SessionID); reports[i] != nil {
			continue
		}
		c := w.letOut(room)
		if c == nil {
			break
		}
		reading.Go(func() {
			defer func() { <-room }()
			w.report(c, i, reports)
		})
	}
	reading.Wait()
	if w.err == nil && w.ctx.Err() != nil {
		w.err = errBatchOver
	}
	return slices.DeleteFunc(reports, func(r *asleep.Report) bool { return r == nil }), w.err
}

// recall returns a report that is kept, nil if none is. What needs no call stays
// out of the gate: it says nothing about the service.
func (w *userWork) recall(session string) *asleep.Report {
	k := w.client.newCall(opGetSession, w.opts)
	if w.client.cache == nil || k.settings.skipCache || w.ctx.Err() != nil {
		return nil
	}
	k.checkUser(w.batch.User)
	k.settings.cacheOnly = true
	r, err := k.report(w.ctx, session)
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batch.Cached++
	return r
}

// letOut waits for room and for the gate before a goroutine is spent on a call;
// nil if the user is over.
func (w *userWork) letOut(room chan struct{}) *batchCall {
	select {
	case room <- struct{}{}:
	case <-w.ctx.Done():
		return nil
	}
	c := &batchCall{run: w.batchRun, op: batchReport, index: w.batch.Index}
	if w.gate.enter(w.ctx, c) != nil {
		return nil
	}
	return c
}

// report reads one report into its place.
func (w *userWork) report(c *batchCall, i int, into []*asleep.Report) {
	session := w.batch.Sessions[i].SessionID
	err := w.finish(c, true, func(ctx context.Context) (err error) {
		into[i], err = w.client.Session(ctx, w.batch.User, session, w.opts...)
		return err
	})
	switch {
	case err == nil:
		w.witness.read(w.batch.User, session)
	case errors.Is(err, ErrNotFound):
		w.mu.Lock()
		w.batch.Deleted++
		w.mu.Unlock()
	default:
		w.mu.Lock()
		if w.err == nil && (!errors.Is(err, errBatchOver) || w.batchRun.ctx.Err() != nil) {
			w.err = err
		}
		w.mu.Unlock()
		w.cancel() // the user has failed: the other reports are not needed
	}
}
