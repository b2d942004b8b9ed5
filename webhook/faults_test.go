package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// seam is an inbox that fails as it is told: before it has done anything, or
// after, so that the outcome is unknown.
type seam struct {
	store.Inbox
	mu      sync.Mutex
	before  func(call string) error
	after   func(call string) error
	calls   map[string]int
	applied map[string]int // fresh writes, by session and kind
}

func newSeam(inbox store.Inbox) *seam {
	no := func(string) error { return nil }
	return &seam{Inbox: inbox, before: no, after: no, calls: map[string]int{}, applied: map[string]int{}}
}

func (s *seam) fail(before, after func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *seam) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

// through does a call between its faults.
func through[T any](s *seam, call string, do func() (T, error)) (T, error) {
	s.mu.Lock()
	s.calls[call]++
	before, after := s.before(call), s.after(call)
	s.mu.Unlock()
	var zero T
	if before != nil {
		return zero, before
	}
	v, err := do()
	if err == nil && after != nil {
		return zero, after
	}
	return v, err
}

func (s *seam) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	return through(s, "claim", func() ([]store.Claim, error) { return s.Inbox.Claim(ctx, limit, lease) })
}

func (s *seam) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) ([]store.Token, error) {
	return through(s, "extend", func() ([]store.Token, error) { return s.Inbox.Extend(ctx, lease, tokens...) })
}

func (s *seam) Settle(ctx context.Context, list ...store.Settlement) ([]store.Token, error) {
	return through(s, "settle", func() ([]store.Token, error) { return s.Inbox.Settle(ctx, list...) })
}

func (s *seam) Apply(ctx context.Context, t store.Token, step string, w store.Write) ([]store.Outcome, error) {
	return through(s, "apply", func() ([]store.Outcome, error) {
		a, ok := s.Inbox.(store.Applier)
		if !ok {
			return nil, errors.ErrUnsupported
		}
		out, err := a.Apply(ctx, t, step, w)
		if err == nil && len(out) > 0 {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, x := range w.Sessions {
				s.applied[x.ID]++
			}
			for _, x := range w.Windows {
				s.applied[fmt.Sprint(x.SessionID, "/", x.Seq)]++
			}
		}
		return out, err
	})
}

// plain hides that an inbox is a store.Applier.
type plain struct{ store.Inbox }

func TestAnInboxThatIsAwayIsWaitedForWithoutAHotLoop(t *testing.T) {
	t.Parallel()
	for _, err := range []error{store.ErrFull, store.ErrBusy, store.ErrCorrupt, errors.New("anything else")} {
		t.Run(err.Error(), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				s := newSeam(b.inbox)
				box := &outbox{}
				p := b.processor(s, b.pipeline(webhook.PipelineConfig{Notify: box, Handlers: []webhook.Step{{Name: "slow", Do: func(context.Context, *webhook.Task) error { return pause(2 * time.Second) }}}}))
				stop := b.run(p)
				first := b.deliver(true, night("u1", "s1"))[0]
				sleepFor(b, time.Second) // it is in the slow step when the disk goes
				away := func(string) error { return err }
				s.fail(away, func(string) error { return nil })
				later := b.deliver(true, night("u1", "s2"))[0]
				for i := range 600 { // each wakes the processor
					b.deliver(true, night("u2", fmt.Sprint("n", i)))
					sleepFor(b, time.Second)
				}
				if n := s.count("claim") + s.count("settle") + s.count("extend"); n < 100 || n > 500 {
					b.Errorf("%d calls in ten minutes", n)
				}
				if since := p.Stats().Away; since.IsZero() {
					b.Error("the stats do not say that the inbox is away")
				}
				s.fail(func(string) error { return nil }, func(string) error { return nil })
				b.settled(time.Minute)
				sleepFor(b, time.Second)
				for _, id := range []string{first, later} {
					if e := b.wantState(id, store.Done, ""); e.Attempts > 0 {
						b.Errorf("%+v", e)
					}
				}
				if s := p.Stats(); !s.Away.IsZero() || s.Done != 602 || s.Dead+s.Retried+s.Lost > 0 || len(box.sent) != 602 {
					b.Errorf("%+v, %d sent", s, len(box.sent))
				}
				if err := stop(); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func TestAStoreThatIsAwayBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, applies := range []bool{true, false} {
		t.Run(fmt.Sprint("in one commit: ", applies), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				s := newSeam(b.inbox)
				sessions := &awaySessions{Sessions: b.db.Sessions(), until: b.start.Add(10 * time.Minute)}
				s.fail(func(call string) error {
					return orNil(call == "apply" && time.Since(b.start) < 10*time.Minute, store.ErrFull)
				}, func(string) error { return nil })
				inbox := store.Inbox(s)
				if !applies {
					inbox = plain{s}
				}
				var bodies []string
				for i := range 100 {
					bodies = append(bodies, night("u1", fmt.Sprint("s", i)), inference("u2", fmt.Sprint("r", i), i))
				}
				ids := b.deliver(true, bodies...)
				p := b.processor(inbox, b.pipeline(webhook.PipelineConfig{Sessions: sessions}))
				stop := b.run(p)
				b.settled(15 * time.Minute)
				stop()
				for _, id := range ids {
					if e := b.wantState(id, store.Done, ""); e.Attempts > 0 {
						b.Fatalf("%+v", e)
					}
				}
				if n := s.count("apply") + sessions.calls; n > 400 {
					b.Errorf("%d writes were tried", n)
				}
			})
		})
	}
}

// awaySessions is a database that cannot be written for a while.
type awaySessions struct {
	store.Sessions
	until time.Time
	mu    sync.Mutex
	calls int
}

func (s *awaySessions) away() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return orNil(time.Now().Before(s.until), store.ErrUnavailable)
}

func (s *awaySessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	if err := s.away(); err != nil {
		return nil, err
	}
	return s.Sessions.Put(ctx, list...)
}

func (s *awaySessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	if err := s.away(); err != nil {
		return nil, err
	}
	return s.Sessions.PutWindow(ctx, list...)
}

// TestACrashBetweenStoreAndMark: the process dies when the session is written and
// before anything else is. The next one repeats what has no mark and nothing else.
func TestACrashRepeatsWhatHasNoMark(t *testing.T) {
	t.Parallel()
	for _, applies := range []bool{true, false} {
		t.Run(fmt.Sprint("in one commit: ", applies), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				s := newSeam(b.inbox)
				inbox := func() store.Inbox {
					if applies {
						return s
					}
					return plain{s}
				}
				first, second := &cache{tries: tries{do: fine}}, &cache{tries: tries{do: fine}}
				crash := func(string) error { return errors.New("killed") }
				id := b.deliver(true, night("u1", "s1"))[0]
				die := &tries{do: func(int) error { s.fail(crash, crash); return nil }}
				stop := b.run(b.processor(inbox(), b.pipeline(webhook.PipelineConfig{Invalidate: first, Handlers: []webhook.Step{{Name: "die", Do: die.try}, {Name: "on", Do: func(ctx context.Context, _ *webhook.Task) error { <-ctx.Done(); return ctx.Err() }}}})))
				sleepFor(b, time.Second)
				if err := stop(); err == nil || !strings.Contains(err.Error(), "1 events could not be handed back") {
					b.Error(err)
				}
				s.fail(func(string) error { return nil }, func(string) error { return nil })
				box := &outbox{}
				stop = b.run(b.processor(inbox(), b.pipeline(webhook.PipelineConfig{Invalidate: second, Notify: box})))
				b.settled(time.Minute)
				stop()
				b.wantState(id, store.Done, "")
				if len(box.sent) != 1 || second.count() != 1 || index(b.session("s1")) != 72 || s.applied["s1"] > 1 || applies && s.applied["s1"] != 1 {
					b.Errorf("%d notifications, %d invalidations, %v applied", len(box.sent), second.count(), s.applied)
				}
			})
		})
	}
}

// TestWhateverFailsEveryEventIsAppliedOnceAndTold throws dice at every seam, kills
// and restarts the processor, replays what died, and looks at the end: every event
// is done, was written once, and was told of at least once, by one id.
func TestWhateverFailsEveryEventIsAppliedOnceAndTold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(b *bench) { chaos(b, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func chaos(b *bench, dice *rand.Rand) {
	var mu sync.Mutex
	roll := func(p float64) bool {
		mu.Lock()
		defer mu.Unlock()
		return dice.Float64() < p
	}
	want, ids := map[string]bool{}, map[string]bool{}
	for i := range 20 {
		id := fmt.Sprint("s", i)
		bodies, key := []string{night("u1", id)}, id
		if i%3 == 0 {
			bodies, key = []string{inference("u1", id, i)}, fmt.Sprint(id, "/", i)
		}
		if roll(0.3) {
			bodies = append(bodies, bodies...)
		}
		want[key] = true
		for _, e := range b.deliver(true, bodies...) {
			ids[e] = true
		}
	}
	trouble := func(p float64) func(int) error {
		return func(int) error {
			switch {
			case roll(p):
				return webhook.Unavailable(errors.New("away"))
			case roll(p):
				return errors.New("failed")
			case roll(p):
				return webhook.RetryIn(time.Second, errors.New("later"))
			case roll(p / 2):
				panic("a bug")
			case roll(p / 4):
				return pause(40 * time.Second) // deaf to its context
			}
			return nil
		}
	}
	box, handler, redis := &outbox{}, &tries{do: trouble(0.1)}, &tries{do: trouble(0.1)}
	box.do = func(webhook.Notification) error { return trouble(0.1)(0) }
	applied := map[string]int{}
	for life := range 8 {
		s := newSeam(b.inbox)
		s.applied = applied
		faults := func(p float64) func(string) error {
			return func(string) error { return orNil(life < 7 && roll(p), store.ErrUnavailable) }
		}
		s.fail(faults(0.15), faults(0.1))
		steps := b.pipeline(webhook.PipelineConfig{
			Notify: box, Handlers: []webhook.Step{{Name: "mine", Do: handler.try}}, NotifySchedule: webhook.Schedule{Workers: 2},
			Invalidate: invalidateFunc(func() error { return redis.try(b.Context(), nil) }),
		})
		w := webhook.DefaultWork()
		w.Workers = 4
		stop := b.run(b.processor(s, steps, webhook.WithWork(w)))
		if life == 7 {
			redis.set(fine)
			handler.set(fine)
			box.mu.Lock()
			box.do = nil
			box.mu.Unlock()
			for id := range ids {
				if _, err := b.inbox.Replay(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
			b.settled(100 * time.Hour)
		} else {
			mu.Lock()
			life := time.Duration(1+dice.IntN(60)) * time.Second
			mu.Unlock()
			sleepFor(b, life)
			if roll(0.5) { // killed: nothing reaches the inbox any more
				dead := func(string) error { return errors.New("killed") }
				s.fail(dead, dead)
			}
		}
		_ = stop()
		sleepFor(b, 50*time.Second) // steps that were left behind come back
	}
	for id := range ids {
		b.wantState(id, store.Done, "")
	}
	for key := range want {
		if applied[key] != 1 {
			b.Errorf("%s was written %d times", key, applied[key])
		}
	}
	if told := box.count(); len(told) != len(want) {
		b.Errorf("%d ids were told for %d events", len(told), len(want))
	}
}

type invalidateFunc func() error

func (f invalidateFunc) Invalidate(context.Context, string) error { return f() }
