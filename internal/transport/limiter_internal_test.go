package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// stopped is the context of a process that is stopped for a while when it waits on the
// context for the nth time.
type stopped struct {
	context.Context

	waits *int
	nth   int
	pause time.Duration
}

func (s stopped) Done() <-chan struct{} {
	if *s.waits++; *s.waits == s.nth {
		time.Sleep(s.pause)
	}
	return s.Context.Done()
}

// AfterFunc spares package context a goroutine of its own that waits.
func (s stopped) AfterFunc(f func()) func() bool { return context.AfterFunc(s.Context, f) }

// counting is a limiter that makes everybody wait for a second once.
type counting struct{ asked int }

func (c *counting) Reserve(context.Context, int, time.Duration) (time.Duration, bool, error) {
	c.asked++
	if c.asked == 1 {
		return time.Second, true, nil
	}
	return 0, true, nil
}
func (*counting) Feedback(bool, time.Duration) {}

func TestATokenThatWasSleptOverIsReservedAnew(t *testing.T) {
	t.Parallel()
	for stop, asks := range map[time.Duration]int{0: 1, time.Second + limiterStale: 1, time.Second + limiterStale + 1: 2} {
		synctest.Test(t, func(t *testing.T) {
			limiter := &counting{}
			s, err := NewShared(limiter, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			// Bounding the time to ask looks at the context three times.
			if _, err := s.take(stopped{t.Context(), new(int), 4, stop}); err != nil || limiter.asked != asks {
				t.Errorf("stopped for %v: %v, %d reservations, want %d", stop, err, limiter.asked, asks)
			}
		})
	}
}
