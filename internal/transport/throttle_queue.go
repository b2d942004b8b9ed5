package transport

import "time"

// waiter is one caller in a queue.
type waiter struct {
	wake     chan struct{} // capacity 1: a wake-up is never lost and never blocks
	deadline time.Duration // of the caller's context, on the throttle's clock
	refused  error         // set when the waiter is thrown out
	prev     *waiter
	next     *waiter
	queued   bool
}

func (w *waiter) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// queue is a list of callers in the order they came, from which any can drop
// out. Whoever becomes its head is woken.
type queue struct {
	head, tail *waiter
	size       int
}

func (q *queue) push(w *waiter) {
	w.prev, w.queued = q.tail, true
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	q.size++
}

// remove takes w out; it does nothing if w is not in.
func (q *queue) remove(w *waiter) {
	if !w.queued {
		return
	}
	if w.prev == nil {
		q.head = w.next
		if q.head != nil {
			q.head.rouse()
		}
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	q.size--
}
