package transport_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// hint is an OpenHint in memory.
type hint struct {
	mu        sync.Mutex
	until     time.Time
	published []time.Time
}

func (h *hint) Until() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until
}

func (h *hint) Publish(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.published = append(h.published, until)
	h.until = until
}

func (h *hint) set(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = until
}

func TestOpeningsArePublishedAndNotTakenForAnothers(t *testing.T) {
	t.Parallel()
	h := &hint{}
	inLab(t, downUntil(time.Second), breakers(t, func(b *transport.BreakerConfig) { b.Hint = h }), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		until := l.start.Add(time.Minute)
		if len(h.published) != 1 || !h.published[0].Equal(until) {
			t.Errorf("published %v, want %v", h.published, until)
		}
		l.until(time.Minute)
		l.get()
		l.get()
		if len(h.published) != 2 || !h.published[1].IsZero() {
			t.Errorf("published %v, want a zero time in the end", h.published)
		}
		h.set(until.Add(500 * ms)) // our own, late and rounded
		l.wantNotRefused(l.get())
	})
}

func TestAHintOpensTheBreakerUntilThenOrUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]bool{"waits": false, "taken back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hint{}
			inLab(t, always(200), breakers(t, func(b *transport.BreakerConfig) { b.Hint = h }), func(l *lab) {
				l.get()
				until := time.Now().Add(20 * time.Second)
				h.set(until)
				refusal, ok := errors.AsType[*transport.CircuitOpenError](l.get().err)
				if !ok || !refusal.Until.Equal(until) || len(h.published) != 0 {
					t.Errorf("%v, published %v", refusal, h.published)
				}
				if back {
					time.Sleep(time.Second)
					h.set(time.Time{})
				} else {
					time.Sleep(20 * time.Second)
				}
				l.wantNotRefused(l.get())
				l.wantNotRefused(l.get())
				l.wantState(closed)
			})
		})
	}
}

// TestALyingHintHoldsTheBreakerNoLongerThanItWouldByItself and opens it once for each
// thing it says.
func TestALyingHintHoldsTheBreakerNoLongerThanItWouldByItself(t *testing.T) {
	t.Parallel()
	h := &hint{}
	inLab(t, always(200), breakers(t, func(b *transport.BreakerConfig) { b.Hint = h }), func(l *lab) {
		lie := time.Now().Add(10 * 365 * 24 * time.Hour)
		h.set(lie)
		refusal, ok := errors.AsType[*transport.CircuitOpenError](l.get().err)
		if want := l.start.Add(time.Minute); !ok || !refusal.Until.Equal(want) {
			t.Errorf("%v, want a refusal until %v", refusal, want)
		}
		if s := l.breaker(); !s.Hinted || !s.HintUntil.Equal(lie) || s.Heeded != 1 || s.Opened != 1 {
			t.Errorf("%+v", s)
		}
		l.until(30 * time.Second)
		h.set(lie.Add(time.Hour)) // and once more
		if refusal, ok := errors.AsType[*transport.CircuitOpenError](l.get().err); !ok || !refusal.Until.Equal(l.start.Add(time.Minute)) {
			t.Errorf("%v, want no more than a minute in all", refusal)
		}
		l.until(time.Minute)
		h.mu.Lock()
		h.published = nil
		h.mu.Unlock()
		l.wantNotRefused(l.get())
		l.wantNotRefused(l.get())
		l.wantState(closed)
		h.set(lie.Add(time.Hour)) // what was heeded before
		l.wantNotRefused(l.get())
		if s := l.breaker(); s.Hinted || s.Heeded != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAHintNeverLetsACallThroughAnOpenBreaker(t *testing.T) {
	t.Parallel()
	h := &hint{}
	inLab(t, always(503), breakers(t, func(b *transport.BreakerConfig) { b.Hint = h }), func(l *lab) {
		for range 5 {
			l.get(once)
		}
		for _, said := range []time.Time{{}, l.start, l.start.Add(time.Second), l.start.Add(time.Hour)} {
			h.set(said)
			l.until(l.since() + 10*time.Second)
			if res := l.get(once); !errors.Is(res.err, transport.ErrCircuitOpen) || len(l.attempts()) != 5 {
				t.Errorf("with %v: %v, %d attempts", said, res.err, len(l.attempts()))
			}
		}
		if s := l.breaker(); s.Hinted || s.Heeded != 0 || !s.Until.Equal(l.start.Add(time.Minute)) {
			t.Errorf("%+v", s)
		}
	})
}

// brokenHint panics.
type brokenHint struct{}

func (brokenHint) Until() time.Time  { panic("a broken hint") }
func (brokenHint) Publish(time.Time) { panic("a broken hint") }

func TestAHintThatPanicsBreaksNothing(t *testing.T) {
	t.Parallel()
	inLab(t, downUntil(time.Second), breakers(t, func(b *transport.BreakerConfig) { b.Hint = brokenHint{} }), func(l *lab) {
		for range 5 {
			if res := l.get(once); res.status != 503 {
				t.Errorf("%d %v", res.status, res.err)
			}
		}
		l.wantState(open)
		l.until(time.Minute)
		l.wantNotRefused(l.get())
		l.wantNotRefused(l.get())
		l.wantState(closed)
		if s := l.doer.Stats(); s.HookPanics == 0 {
			t.Error("the panics were not counted")
		}
	})
}
