package bench

import (
	"context"
	"slices"
	"time"
)

const (
	beat = 5 * time.Millisecond
	// tooBusy is from when on late timers spoil figures in milliseconds.
	tooBusy = 10 * time.Millisecond
)

// lateness watches how late timers are while fn runs, and returns the 99th percentile:
// what the machine's other work, and ours, adds to every wait.
func lateness(ctx context.Context, fn func()) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan []time.Duration)
	go func() {
		var late []time.Duration
		for begun := time.Now(); pause(ctx, beat) == nil; begun = time.Now() {
			late = append(late, time.Since(begun)-beat)
		}
		watched <- late
	}()
	fn()
	cancel()
	late := <-watched
	if len(late) == 0 {
		return 0
	}
	slices.Sort(late)
	return late[len(late)*99/100]
}
