package webhook

import (
	"container/heap"
	"sync"
	"time"
)

// maxDue bounds what is remembered of the future. Beyond it the poll serves.
const maxDue = 4096

// dueTimes remembers when events come due that this processor handed back, so that
// a retry after one second is claimed after one second, not at the next poll.
type dueTimes struct {
	mu   sync.Mutex
	list timeHeap
}

func (d *dueTimes) add(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) < maxDue {
		heap.Push(&d.list, at)
	}
}

// next forgets what is due by now and returns the time that comes first after;
// zero if none is known.
func (d *dueTimes) next(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.list) > 0 && !d.list[0].After(now) {
		heap.Pop(&d.list)
	}
	if len(d.list) == 0 {
		return time.Time{}
	}
	return d.list[0]
}

type timeHeap []time.Time

func (h timeHeap) Len() int           { return len(h) }
func (h timeHeap) Less(i, j int) bool { return h[i].Before(h[j]) }
func (h timeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends.
func (h *timeHeap) Push(x any) {
	if at, ok := x.(time.Time); ok {
		*h = append(*h, at)
	}
}

// Pop removes the last.
func (h *timeHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
