package transport

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// batchPatience is how long a batch call yields to interactive ones. A batch
// call that has waited longer gets the next free slot, one such call per
// batchPatience: no lane starves, and interactive traffic hardly notices.
const batchPatience = 5 * time.Second

// Bulkhead bounds the attempts in flight, so that a slow upstream costs this
// program a known number of connections and goroutines.
//
// It has two lanes. A free slot goes to the interactive caller that has waited
// longest; only if none waits, to the longest waiting batch caller. Batch calls
// never hold the reserved slots. So an interactive call starts at once as long as
// no more of its kind are in flight than slots are reserved, and otherwise as
// soon as any call in flight ends: within the duration of one attempt, however large the
// batch. A batch alone uses everything but the reserve. See batchPatience for
// the reverse: a flood of interactive calls slows a batch to a trickle, but
// does not stop it.
//
// It runs no goroutine of its own. All methods are safe for concurrent use, and on a
// nil *Bulkhead they do nothing: every Acquire succeeds at once.
type Bulkhead struct {
	cfg  BulkheadConfig
	base time.Time

	mu       sync.Mutex
	limit    int
	reserve  int
	inFlight [lanes]int
	waiting  [lanes]list.List // of *ticket, in the order they came
	yielded  time.Duration    // when a batch call last got a slot
	slots    []uint32         // how often each slot was given back
	free     []uint32         // slots that are not in use
}

// ticket is a caller in the queue.
type ticket struct {
	ready chan struct{} // closed when slot is set
	slot  Slot
	since time.Duration
}

// NewBulkhead returns a bulkhead, nil if cfg.Limit is 0, or an error that names every
// bad field.
func NewBulkhead(cfg BulkheadConfig) (*Bulkhead, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Limit == 0 {
		return nil, nil //nolint:nilnil // a nil bulkhead is one that is off
	}
	return &Bulkhead{cfg: cfg, base: time.Now(), limit: cfg.Limit, reserve: cfg.reserve(cfg.Limit)}, nil
}

// Slot is the right to have one attempt in flight. The zero Slot is no slot.
type Slot struct {
	b     *Bulkhead
	index uint32
	turn  uint32
	lane  Lane
}

// Acquire waits for a slot; call Release on it when the attempt is over, body
// included. It fails with a [*BulkheadFullError] at once if the lane's queue is
// full, or after MaxWait; and with the context's error when ctx ends first, even
// if a slot is handed over in the same moment.
func (b *Bulkhead) Acquire(ctx context.Context, lane Lane) (Slot, error) {
	if b == nil {
		return Slot{}, nil
	}
	if lane >= lanes {
		return Slot{}, fmt.Errorf("bulkhead: lane %d is unknown; want Interactive or Batch", lane)
	}
	if ctx.Err() != nil {
		return Slot{}, waitError(ctx)
	}
	b.mu.Lock()
	if b.open(lane) {
		s := b.take(lane)
		b.mu.Unlock()
		return s, nil
	}
	queue := &b.waiting[lane]
	if n := queue.Len(); b.cfg.MaxQueue > 0 && n >= b.cfg.MaxQueue {
		err := &BulkheadFullError{Lane: lane, Limit: b.limit, Queued: n}
		b.mu.Unlock()
		return Slot{}, err
	}
	t := &ticket{ready: make(chan struct{}), since: time.Since(b.base)}
	place := queue.PushBack(t)
	b.mu.Unlock()
	return b.await(ctx, lane, t, place)
}

// TryAcquire is Acquire for those who do not wait; it reports whether there was a
// free slot.
func (b *Bulkhead) TryAcquire(lane Lane) (Slot, bool) {
	if b == nil {
		return Slot{}, true
	}
	if lane >= lanes {
		return Slot{}, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open(lane) {
		return Slot{}, false
	}
	return b.take(lane), true
}

func (b *Bulkhead) await(ctx context.Context, lane Lane, t *ticket, place *list.Element) (Slot, error) {
	var late <-chan time.Time
	if b.cfg.MaxWait > 0 {
		timer := time.NewTimer(b.cfg.MaxWait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-t.ready:
	case <-ctx.Done():
	case <-late:
	}
	ended := ctx.Err() != nil
	b.mu.Lock()
	defer b.mu.Unlock()
	granted := t.slot.b != nil
	if granted && !ended {
		return t.slot, nil
	}
	if granted {
		b.giveBack(t.slot)
	} else {
		b.waiting[lane].Remove(place)
	}
	if ended {
		return Slot{}, waitError(ctx)
	}
	return Slot{}, &BulkheadFullError{
		Lane: lane, Limit: b.limit, Queued: b.waiting[lane].Len(), Waited: time.Since(b.base) - t.since,
	}
}

// Release gives the slot back. Further calls, also on copies, do nothing.
func (s Slot) Release() {
	if s.b == nil {
		return
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.giveBack(s)
}

// Resize sets the number of slots, at least 1. Calls in flight above a smaller
// limit are left to finish.
func (b *Bulkhead) Resize(limit int) error {
	if b == nil {
		return nil
	}
	if limit < 1 {
		return fmt.Errorf("bulkhead: limit is %d; want at least 1", limit)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.reserve = limit, b.cfg.reserve(limit)
	b.handOut()
	return nil
}

// BulkheadStats is a snapshot of a [Bulkhead].
type BulkheadStats struct {
	Limit    int // slots in all
	Reserve  int // slots that batch calls cannot take
	InFlight int // slots taken

	QueuedInteractive int
	QueuedBatch       int
}

// Stats returns a snapshot; on a nil bulkhead it is zero.
func (b *Bulkhead) Stats() BulkheadStats {
	if b == nil {
		return BulkheadStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return BulkheadStats{
		Limit: b.limit, Reserve: b.reserve, InFlight: b.busy(),
		QueuedInteractive: b.waiting[Interactive].Len(), QueuedBatch: b.waiting[Batch].Len(),
	}
}

func (b *Bulkhead) busy() int { return b.inFlight[Interactive] + b.inFlight[Batch] }

// fits reports whether lane may take one more slot.
func (b *Bulkhead) fits(lane Lane) bool {
	return b.busy() < b.limit && (lane == Interactive || b.inFlight[Batch] < b.limit-b.reserve)
}

// open reports whether a new caller can have a slot without passing anybody.
func (b *Bulkhead) open(lane Lane) bool { return b.fits(lane) && b.waiting[lane].Len() == 0 }

func (b *Bulkhead) take(lane Lane) Slot {
	b.inFlight[lane]++
	if len(b.free) == 0 {
		b.slots = append(b.slots, 0)
		b.free = append(b.free, uint32(len(b.slots)-1)) //nolint:gosec // as many as calls in flight
	}
	i := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return Slot{b: b, index: i, turn: b.slots[i], lane: lane}
}

func (b *Bulkhead) giveBack(s Slot) {
	if b.slots[s.index] != s.turn {
		return // given back before
	}
	b.slots[s.index]++
	b.free = append(b.free, s.index)
	b.inFlight[s.lane]--
	b.handOut()
}

// handOut gives free slots to those who wait.
func (b *Bulkhead) handOut() {
	for {
		lane, ok := b.next()
		if !ok {
			return
		}
		t, _ := b.waiting[lane].Remove(b.waiting[lane].Front()).(*ticket)
		if lane == Batch {
			b.yielded = time.Since(b.base)
		}
		t.slot = b.take(lane)
		close(t.ready)
	}
}

// next is the lane whose first waiter is to get a slot, if any.
func (b *Bulkhead) next() (Lane, bool) {
	interactive := b.waiting[Interactive].Len() > 0 && b.fits(Interactive)
	batch := b.waiting[Batch].Len() > 0 && b.fits(Batch)
	if interactive && batch && b.overdue() {
		return Batch, true
	}
	if interactive {
		return Interactive, true
	}
	return Batch, batch
}

// overdue reports whether the batch lane has yielded long enough.
func (b *Bulkhead) overdue() bool {
	t, _ := b.waiting[Batch].Front().Value.(*ticket)
	return time.Since(b.base)-max(t.since, b.yielded) >= batchPatience
}
