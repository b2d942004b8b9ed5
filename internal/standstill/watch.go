package standstill

import (
	"sync"
	"time"
)

// How often a watch asks to be woken, and how late that may be without being noted.
const (
	every   = 5 * time.Millisecond
	usually = time.Millisecond
)

// Watch notes when the process stood still. Make one with [Begin]. Its methods may be
// called from several goroutines.
type Watch struct {
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	due   time.Time // when it is to be woken next
	stood []stretch
}

// stretch is a time in which nothing was run that should have been.
type stretch struct{ from, to time.Time }

// Begin watches until [Watch.End].
func Begin() *Watch {
	w := &Watch{stop: make(chan struct{}), done: make(chan struct{}), due: time.Now().Add(every)}
	go w.run()
	return w
}

// TB is what a watch needs of a test.
type TB interface{ Cleanup(func()) }

// For watches until the test ends.
func For(tb TB) *Watch {
	w := Begin()
	tb.Cleanup(w.End)
	return w
}

// End ends the watch. What it has noted can still be asked for.
func (w *Watch) End() {
	close(w.stop)
	<-w.done
}

func (w *Watch) run() {
	defer close(w.done)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-w.stop:
			w.note(time.Now())
			return
		case <-timer.C:
			w.note(time.Now())
			timer.Reset(every)
		}
	}
}

// note is a wake-up.
func (w *Watch) note(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.due) > usually {
		w.stood = append(w.stood, stretch{w.due, now})
	}
	w.due = now.Add(every)
}

// Within is for how long the process stood still between two instants. It counts a
// standstill that has only just ended, of which the watch itself has not heard yet.
func (w *Watch) Within(from, to time.Time) (sum time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.done:
	default:
		sum = overlap(stretch{w.due, time.Now()}, from, to)
	}
	for _, s := range w.stood {
		sum += overlap(s, from, to)
	}
	return sum
}

// Longest is the longest time since an instant in which the process stood still at a stretch.
func (w *Watch) Longest(since time.Time) (most time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	select {
	case <-w.done:
	default:
		most = overlap(stretch{w.due, now}, since, now)
	}
	for _, s := range w.stood {
		most = max(most, overlap(s, since, now))
	}
	return most
}

func overlap(s stretch, from, to time.Time) time.Duration {
	if s.from.After(from) {
		from = s.from
	}
	if s.to.Before(to) {
		to = s.to
	}
	return max(0, to.Sub(from))
}

// Since is for how long the process has stood still since an instant.
func (w *Watch) Since(from time.Time) time.Duration { return w.Within(from, time.Now()) }

// Took is how much time has passed since an instant in which the process could run.
func (w *Watch) Took(from time.Time) time.Duration {
	now := time.Now()
	return now.Sub(from) - w.Within(from, now)
}
