package guarded

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// ErrOpen is what calls fail with while a breaker is open.
var ErrOpen = fmt.Errorf("%w: it failed several times in a row and is left alone for a while", store.ErrUnavailable)

// openError is an [ErrOpen] that says when it may be over.
type openError struct{ after time.Duration }

func (e *openError) Error() string             { return ErrOpen.Error() }
func (e *openError) Unwrap() error             { return ErrOpen }
func (e *openError) RetryAfter() time.Duration { return e.after }

// RetryAfter is in how long the database will be asked again, if the error is an
// [ErrOpen]. It is [store.RetryAfter].
func RetryAfter(err error) (after time.Duration, ok bool) { return store.RetryAfter(err) }

// Breaker is one of the breakers at one moment.
type Breaker struct {
	Name string // reads or writes, which it is of

	// State is closed, open, or half_open: the pause is over, and the next call
	// is a probe or one is under way.
	State string

	// Since is when it opened, Until when the next probe may go; both zero while it
	// is closed.
	Since, Until time.Time

	Calls   int    // under way
	InARow  int    // failures
	Opened  uint64 // times it went from closed to open
	Refused uint64 // calls
}

// breaker is what all calls of one kind go through.
type breaker struct {
	name string
	cfg  Config
	log  *slog.Logger

	mu       sync.Mutex
	calls    int       // under way
	failures int       // in a row
	since    time.Time // when it opened
	until    time.Time // open until then; zero: closed
	probing  bool      // the one call that an open breaker has let through
	opened   uint64
	refused  uint64
	full     error     // of the last call, if there was no room for it
	fullAt   time.Time // when
}

// admit lets a call through or says why not; probe tells that it decides whether
// the breaker closes. A call that was let through leaves, later.
func (b *breaker) admit() (probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.refusal(); err != nil {
		b.refused++
		return false, err
	}
	if b.calls >= b.cfg.Calls {
		b.refused++
		return false, fmt.Errorf("%w: %d calls are under way", store.ErrBusy, b.calls)
	}
	if !b.until.IsZero() {
		b.probing, probe = true, true
	}
	b.calls++
	return probe, nil
}

// refusal is an error while the breaker is open and no probe is due.
func (b *breaker) refusal() error {
	if b.until.IsZero() {
		return nil
	}
	if left := time.Until(b.until); left > 0 || b.probing {
		return &openError{after: max(left, b.cfg.Pause/10)}
	}
	return nil
}

// leave is the end of a call, whether or not anybody still waits for it.
func (b *breaker) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls--
}

// verdict is what a call says about the database.
type verdict uint8

const (
	nothing verdict = iota // the caller went away
	answered
	failed
)

// settle notes what a call has shown.
func (b *breaker) settle(probe bool, v verdict) {
	b.mu.Lock()
	open := !b.until.IsZero()
	if probe {
		b.probing = false
	}
	switch {
	case v == answered && (probe || !open):
		b.failures, b.since, b.until = 0, time.Time{}, time.Time{}
	case v == failed && probe:
		b.failures++
		b.until = time.Now().Add(b.cfg.Pause)
	case v == failed && !open:
		if b.failures++; b.failures >= b.cfg.Failures {
			b.since = time.Now()
			b.until = b.since.Add(b.cfg.Pause)
			b.opened++
		}
	}
	after := !b.until.IsZero()
	b.mu.Unlock()
	switch {
	case !open && after:
		b.log.Warn("the database is left alone for a while", slog.String("calls", b.name), slog.Duration("pause", b.cfg.Pause))
	case open && !after:
		b.log.Info("the database answers again", slog.String("calls", b.name))
	}
}

// fullLasts is how long a disk without room is remembered where nobody writes. It cannot be
// asked whether there is room again, and who is sent away by that answer does not write.
const fullLasts = 10 * time.Second

// noteRoom remembers whether there was room for a call, as far as its end tells.
func (b *breaker) noteRoom(err error) {
	full := errors.Is(err, store.ErrFull)
	if err != nil && !full {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = nil
	if full {
		b.full, b.fullAt = err, time.Now()
	}
}

// judge reads the error of a call that has taken so long, and whose caller is
// still there.
func (b *breaker) judge(err error, took time.Duration) verdict {
	switch {
	case errors.Is(err, store.ErrBusy) && took >= b.cfg.Timeout/2:
		return failed // others who would have to wait as long pile up
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrFull), errors.Is(err, store.ErrReadOnly), errors.Is(err, store.ErrClosed):
		return answered
	case errors.Is(err, store.ErrUnavailable):
		return failed
	}
	return answered
}

func (b *breaker) snapshot() Breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Breaker{Name: b.name, State: "closed", Since: b.since, Until: b.until, Calls: b.calls, InARow: b.failures, Opened: b.opened, Refused: b.refused}
	switch {
	case b.until.IsZero():
	case time.Now().Before(b.until):
		s.State = "open"
	default:
		s.State = "half_open"
	}
	return s
}

// ask is [breaker.refusal], for who only wants to know.
func (b *breaker) ask() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal()
}

// room is an error while the last call that was about room has found none.
func (b *breaker) room() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.fullAt) < fullLasts {
		return b.full
	}
	return nil
}
