package guarded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// ErrOpen is what calls fail with while the breaker is open.
var ErrOpen = fmt.Errorf("%w: it failed several times in a row and is left alone for a while", store.ErrUnavailable)

// openError is an [ErrOpen] that says when it may be over.
type openError struct{ after time.Duration }

func (e *openError) Error() string { return ErrOpen.Error() }
func (e *openError) Unwrap() error { return ErrOpen }

// RetryAfter is in how long the database will be asked again, if the error is an
// [ErrOpen].
func RetryAfter(err error) (after time.Duration, ok bool) {
	if e, ok := errors.AsType[*openError](err); ok {
		return e.after, true
	}
	return 0, false
}

// breaker is what all calls of a store go through.
type breaker struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	calls    int       // under way
	failures int       // in a row
	until    time.Time // open until then; zero: closed
	probing  bool      // the one call that an open breaker has let through
}

// admit lets a call through or says why not; probe tells that it decides whether
// the breaker closes.
func (b *breaker) admit() (probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls >= b.cfg.Calls {
		return false, fmt.Errorf("%w: %d calls are under way", store.ErrBusy, b.calls)
	}
	if !b.until.IsZero() {
		left := time.Until(b.until)
		if left > 0 || b.probing {
			return false, &openError{after: max(left, b.cfg.Pause/10)}
		}
		b.probing, probe = true, true
	}
	b.calls++
	return probe, nil
}

// verdict is what the end of a call says about the database.
type verdict uint8

const (
	nothing verdict = iota // the caller went away
	answered
	failed
)

// settle notes how a call has ended.
func (b *breaker) settle(probe bool, v verdict) {
	b.mu.Lock()
	b.calls--
	open := !b.until.IsZero()
	if probe {
		b.probing = false
	}
	switch {
	case v == answered && (probe || !open):
		b.failures, b.until = 0, time.Time{}
	case v == failed && probe:
		b.until = time.Now().Add(b.cfg.Pause)
	case v == failed && !open:
		if b.failures++; b.failures >= b.cfg.Failures {
			b.until = time.Now().Add(b.cfg.Pause)
		}
	}
	after := !b.until.IsZero()
	b.mu.Unlock()
	switch {
	case !open && after:
		b.log.Warn("the database is left alone for a while", slog.Duration("pause", b.cfg.Pause))
	case open && !after:
		b.log.Info("the database answers again")
	}
}

// judge reads an error. The context is the caller's.
func judge(ctx context.Context, err error) verdict {
	switch {
	case err == nil:
		return answered
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrFull), errors.Is(err, store.ErrReadOnly), errors.Is(err, store.ErrClosed):
		return answered
	case errors.Is(err, store.ErrUnavailable):
		return failed
	case ctx.Err() != nil:
		return nothing
	}
	return answered
}

// call runs one call under a deadline, if the breaker admits it.
func call[T any](ctx context.Context, b *breaker, timeout time.Duration, do func(context.Context) (T, error)) (out T, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	probe, err := b.admit()
	if err != nil {
		return out, err
	}
	v := failed // also if do panics
	defer func() { b.settle(probe, v) }()
	bound, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err = do(bound)
	if err != nil && ctx.Err() == nil && bound.Err() != nil && !errors.Is(err, store.ErrUnavailable) {
		err = fmt.Errorf("%w: no answer within %v: %w", store.ErrUnavailable, timeout, err)
	}
	v = judge(ctx, err)
	return out, err
}
