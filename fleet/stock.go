package fleet

import "time"

// stock is tokens taken ahead of demand, in the order in which they are earned. A
// token is good from its time until some time after; then it goes back.
type stock struct {
	late time.Duration
	due  []time.Time
}

// add puts tokens in that are earned after these waits from now, each no sooner
// than the one before.
func (s *stock) add(now time.Time, waits ...time.Duration) {
	for _, w := range waits {
		s.due = append(s.due, now.Add(w))
	}
}

// take hands out one token if it is earned within maxWait.
func (s *stock) take(now time.Time, maxWait time.Duration) (wait time.Duration, ok bool) {
	if len(s.due) == 0 {
		return 0, false
	}
	wait = max(0, s.due[0].Sub(now))
	if wait > maxWait {
		return 0, false
	}
	s.due = s.due[1:]
	return wait, true
}

// expire drops the tokens whose time is over, and returns how many those are.
func (s *stock) expire(now time.Time) (n int) {
	for n < len(s.due) && now.Sub(s.due[n]) > s.late {
		n++
	}
	s.due = s.due[n:]
	return n
}

// drop empties the stock and returns how much was in it.
func (s *stock) drop() int {
	n := len(s.due)
	s.due = nil
	return n
}

// nextExpiry is when expire has something to do; zero if there is no stock.
func (s *stock) nextExpiry() time.Time {
	if len(s.due) == 0 {
		return time.Time{}
	}
	return s.due[0].Add(s.late + time.Millisecond)
}
