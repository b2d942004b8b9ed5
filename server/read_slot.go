package server

import (
	"context"
	"net/http"
	"time"
)

// How many questions are under way at once, those included that nobody waits for any more.
// Those that are answered here need a processor, which a few keep busy and more would only
// take memory from; those that wait for the service need patience.
const (
	readsHere = 64
	readsAway = 512
	slotTime  = time.Second // to wait for a slot
)

type slots struct{ here, away slotKind }

func newSlots() *slots {
	return &slots{here: make(slotKind, readsHere), away: make(slotKind, readsAway)}
}

// slotKind is the slots of one kind; those that are taken are in it.
type slotKind chan struct{}

// take waits for a slot: many who ask at once are served one after the other, and only
// where slots are held for long some are turned away.
func (k slotKind) take(ctx context.Context) (*slot, error) {
	select {
	case k <- struct{}{}:
		return &slot{k}, nil
	default:
	}
	patience := time.NewTimer(slotTime)
	defer patience.Stop()
	select {
	case k <- struct{}{}:
		return &slot{k}, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil, &failure{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "too much is asked at once: try again later", retry: time.Second}
}

// slot is held by one question, and one goroutine at a time.
type slot struct{ of slotKind }

// move exchanges it for one of another kind.
func (s *slot) move(ctx context.Context, to slotKind) error {
	if s.of == to {
		return nil
	}
	other, err := to.take(ctx)
	if err != nil {
		return err
	}
	s.free()
	*s = *other
	return nil
}

func (s *slot) free() { <-s.of }
