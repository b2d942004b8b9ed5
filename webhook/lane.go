package webhook

import (
	"sync"
	"sync/atomic"
	"time"
)

// heldPerWorker is how many events a lane holds for each of its workers: one
// runs, the others wait to run or to be settled, so that the commits of the inbox
// and the work overlap. The lane of a step with a schedule holds minScheduled at
// least, for what finds no room there has to be claimed again.
const (
	heldPerWorker = 4
	minScheduled  = 256
)

// lane is a pool of workers.
type lane struct {
	shift   *shift
	name    string // of its only step; "" for the lane of all steps without a schedule
	workers int
	attempt time.Duration
	queue   chan *job
	held    atomic.Int64

	mu     sync.Mutex
	idle   *sync.Cond // live is 0
	live   int        // workers that are not stuck
	stuck  int
	closed bool
	tail   time.Time // when the last who found no room comes back
}

func newLane(s *shift, name string, workers int, attempt time.Duration) *lane {
	hold := workers * heldPerWorker
	if name != "" {
		hold = max(hold, minScheduled)
	}
	l := &lane{shift: s, name: name, workers: workers, attempt: attempt, queue: make(chan *job, hold)}
	l.idle = sync.NewCond(&l.mu)
	return l
}

func (l *lane) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.workers {
		l.live++
		go l.work()
	}
}

// stop ends the workers that are not stuck. Nothing may be queued any more.
func (l *lane) stop() {
	close(l.queue)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for l.live > 0 {
		l.idle.Wait()
	}
}

// room is how many more events the lane can hold.
func (l *lane) room() int { return max(0, cap(l.queue)-int(l.held.Load())) }

// offer queues a job; false if the lane is full.
func (l *lane) offer(j *job) bool {
	select {
	case l.queue <- j:
		return true
	default:
		return false
	}
}

func (l *lane) work() {
	for j := range l.queue {
		if !j.advance() && !l.returned() {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live--
	l.idle.Broadcast()
}

// abandoned takes a stuck worker out of the count and puts another into its
// place. When as many are stuck as there should be workers, no more are made: a
// step that hangs for ever must not fill the memory.
func (l *lane) abandoned() {
	l.shift.p.stuck.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stuck++
	l.live--
	if l.stuck <= l.workers && !l.closed {
		l.live++
		go l.work()
	}
	l.idle.Broadcast()
}

// returned puts a worker back that was stuck; false if there is no place for it.
func (l *lane) returned() bool {
	l.shift.p.stuck.Add(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stuck--
	if l.closed || l.live >= l.workers {
		return false
	}
	l.live++
	return true
}

// crowded says when an event that found no room may come back: after a second,
// and one after the other.
func (l *lane) crowded(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	back := now.Add(gateFirst)
	if next := l.tail.Add(gateSpacing); back.Before(next) {
		back = next
	}
	l.tail = back
	return back
}
