package guarded

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// outcome is how a call has ended.
type outcome[T any] struct {
	value    T
	err      error
	panicked any
}

// call runs one call under a deadline, if the breaker admits it. The caller waits no
// longer than that, also for a store that does not heed its context, or cannot: a
// call that hangs in the system then keeps its place among [Config.Calls].
func call[T any](ctx context.Context, b *breaker, timeout time.Duration, do func(context.Context) (T, error)) (none T, err error) {
	if err := ctx.Err(); err != nil {
		return none, err
	}
	probe, err := b.admit()
	if err != nil {
		return none, err
	}
	begun := time.Now()
	bound, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan outcome[T], 1)
	go run(bound, b, do, done)
	var o outcome[T]
	select {
	case o = <-done:
	case <-bound.Done():
		o.err = bound.Err()
	}
	switch {
	case o.panicked != nil:
		b.settle(probe, failed)
		panic(o.panicked) //nolint:forbidigo // on with it, to whoever has called
	case o.err == nil:
		b.noteRoom(nil)
		b.settle(probe, answered)
		return o.value, nil
	case ctx.Err() != nil:
		b.settle(probe, nothing)
		return none, o.err
	case bound.Err() != nil && !errors.Is(o.err, store.ErrUnavailable):
		o.err = fmt.Errorf("%w: no answer within %v: %w", store.ErrUnavailable, timeout, o.err)
	}
	b.noteRoom(o.err)
	b.settle(probe, b.judge(o.err, time.Since(begun)))
	return none, o.err
}

// run does the work of a call.
func run[T any](ctx context.Context, b *breaker, do func(context.Context) (T, error), done chan<- outcome[T]) {
	var o outcome[T]
	defer func() {
		if p := recover(); p != nil {
			o.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
		b.leave()
		done <- o
	}()
	o.value, o.err = do(ctx)
}
