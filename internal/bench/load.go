package bench

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Shot is one call of a load, times counted from the load's beginning.
type Shot struct {
	Start, End time.Duration
	Err        error
}

// Took is how long the call lasted.
func (s Shot) Took() time.Duration { return s.End - s.Start }

// OpenLoop begins calls at a fixed rate per second for a while, whether earlier ones
// have come back or not, and returns when all have. Each call has its own
// deadline.
func OpenLoop(ctx context.Context, call Caller, rate int, length, deadline time.Duration) []Shot {
	shots := make([]Shot, int(length.Seconds()*float64(rate)))
	begun, fired := time.Now(), 0
	var wg sync.WaitGroup
	for i := range shots {
		due := time.Duration(i) * time.Second / time.Duration(rate)
		if pause(ctx, due-time.Since(begun)) != nil {
			break
		}
		fired++
		wg.Go(func() { shots[i] = shoot(ctx, call, begun, deadline) })
	}
	wg.Wait()
	return shots[:fired]
}

// Workers makes calls from so many goroutines, each one call after the other.
func Workers(ctx context.Context, call Caller, workers, calls int, deadline time.Duration) []Shot {
	shots := make([]Shot, calls)
	begun := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < calls; i = int(next.Add(1)) - 1 {
				shots[i] = shoot(ctx, call, begun, deadline)
			}
		})
	}
	wg.Wait()
	return shots
}

func shoot(ctx context.Context, call Caller, begun time.Time, deadline time.Duration) Shot {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	s := Shot{Start: time.Since(begun)}
	s.Err = call.Get(ctx, "/payload")
	s.End = time.Since(begun)
	return s
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Succeeded is the share of shots without an error, 0 of none.
func Succeeded(shots []Shot) float64 {
	if len(shots) == 0 {
		return 0
	}
	n := 0
	for _, s := range shots {
		if s.Err == nil {
			n++
		}
	}
	return float64(n) / float64(len(shots))
}

// StartedBetween returns the shots begun at from or later and before to.
func StartedBetween(shots []Shot, from, to time.Duration) (some []Shot) {
	for _, s := range shots {
		if s.Start >= from && s.Start < to {
			some = append(some, s)
		}
	}
	return some
}

// Elapsed is when the last shot ended.
func Elapsed(shots []Shot) (last time.Duration) {
	for _, s := range shots {
		last = max(last, s.End)
	}
	return last
}

// Quantile returns the duration that a share q of the calls did not exceed, 0 of none.
func Quantile(shots []Shot, q float64) time.Duration {
	if len(shots) == 0 {
		return 0
	}
	took := make([]time.Duration, len(shots))
	for i, s := range shots {
		took[i] = s.Took()
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(q*float64(len(took))))]
}
