package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

func TestAHandlerThatFailsThreeTimesIsTriedAfter1And2And4Seconds(t *testing.T) {
	inBubble(t, func(b *bench) {
		first, flaky := &tries{do: func(int) error { return nil }}, &tries{do: func(n int) error {
			if n <= 3 {
				return errHandler
			}
			return nil
		}}
		id := b.deliver(true, night("u1", "s1"))[0]
		p := b.processor(b.inbox, []webhook.Step{{Name: "first", Do: first.try}, {Name: "flaky", Do: flaky.try}})
		stop := b.run(p)
		b.settled(time.Minute)
		b.wantTimes(flaky.since(b.start), seconds(0, 1, 3, 7))
		b.wantTimes(first.since(b.start), seconds(0))
		b.wantState(id[:], store.Done, errHandler.Error())
		if err := stop(); err != nil {
			b.Error(err)
		}
		if s := p.Stats(); s.Done != 1 || s.Retried != 3 || s.Dead != 0 || s.Running {
			b.Errorf("%+v", s)
		}
	})
}

func TestTheFourthFailureIsDeadAndAReplayGoesOnWhereItStood(t *testing.T) {
	inBubble(t, func(b *bench) {
		first, broken := &tries{do: func(int) error { return nil }}, &tries{do: func(n int) error { return fmt.Errorf("failure %d", n) }}
		id := b.deliver(true, night("u1", "s1"))[0]
		stop := b.run(b.processor(b.inbox, []webhook.Step{{Name: "first", Do: first.try}, {Name: "broken", Do: broken.try}}))
		defer stop()
		b.settled(time.Minute)
		b.wantTimes(broken.since(b.start), seconds(0, 1, 3, 7))
		if e := b.wantState(id, store.Dead, "broken: failure 4"); len(e.History) != 4 || e.Attempts != 4 {
			b.Errorf("%+v", e)
		}
		broken.set(func(int) error { return nil })
		if n, err := b.inbox.Replay(b.Context(), id); n != 1 || err != nil {
			b.Fatal(n, err)
		}
		b.settled(time.Minute)
		b.wantState(id, store.Done, "")
		if first.count() != 1 || broken.count() != 5 {
			b.Errorf("tried %d and %d times", first.count(), broken.count())
		}
	})
}

func TestAPanicIsAnAttemptWhoseValueIsNeitherLoggedNorStored(t *testing.T) {
	inBubble(t, func(b *bench) {
		var log bytes.Buffer
		panics := &tries{do: func(n int) error {
			if n == 1 {
				panic("heart rate of user-secret")
			}
			return nil
		}}
		id := b.deliver(true, night("user-secret", "s1"))[0]
		p := b.processor(b.inbox, []webhook.Step{{Name: "panics", Do: panics.try}}, webhook.WithProcessorLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		stop := b.run(p)
		b.settled(time.Minute)
		stop()
		b.wantTimes(panics.since(b.start), seconds(0, 1))
		e := b.wantState(id, store.Done, "panics: panic: a value of type string")
		if text := log.String() + fmt.Sprint(e.History); strings.Contains(text, "user-secret") || !strings.Contains(text, "processor_test.go") {
			b.Errorf("logged or stored: %s", text)
		}
		if s := p.Stats(); s.Panics != 1 {
			b.Errorf("%+v", s)
		}
	})
}

func TestAHangIsAnAttemptWhetherItHeedsItsContextOrNot(t *testing.T) {
	t.Parallel()
	for _, heeds := range []bool{true, false} {
		t.Run(fmt.Sprint("heeds its context: ", heeds), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				var n atomic.Int32
				release := make(chan struct{})
				hang := func(ctx context.Context, _ *webhook.Task) error {
					if n.Add(1) > 1 {
						return nil
					}
					if heeds {
						<-ctx.Done()
						return ctx.Err()
					}
					<-release
					return nil
				}
				id := b.deliver(true, night("u1", "s1"))[0]
				w := webhook.DefaultWork()
				w.Workers = 1
				p := b.processor(b.inbox, []webhook.Step{{Name: "hang", Do: hang}}, webhook.WithWork(w))
				stop := b.run(p)
				limit := 30 * time.Second
				if !heeds {
					limit += 5 * time.Second
				}
				sleepFor(b, limit-time.Millisecond)
				if e := b.entry(id); e.State != store.Leased || e.Attempts != 0 {
					b.Errorf("before the limit: %+v", e)
				}
				sleepFor(b, 2*time.Millisecond)
				b.wantState(id, store.Ready, "hang: no end within 30s")
				if s := p.Stats(); s.Timeouts != 1 || (s.Stuck == 1) == heeds {
					b.Errorf("%+v", s)
				}
				b.settled(time.Minute)
				b.wantState(id, store.Done, "")
				close(release)
				synctest.Wait()
				if s := p.Stats(); s.Stuck != 0 {
					b.Errorf("%+v", s)
				}
				if err := stop(); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func TestALeaseIsRenewedWhileAStepRuns(t *testing.T) {
	inBubble(t, func(b *bench) {
		slow := func(ctx context.Context, _ *webhook.Task) error {
			timer := time.NewTimer(5 * time.Minute)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		id := b.deliver(true, night("u1", "s1"))[0]
		w := webhook.DefaultWork()
		w.Attempt = 0
		stop := b.run(b.processor(b.inbox, []webhook.Step{{Name: "slow", Do: slow}}, webhook.WithWork(w)))
		defer stop()
		other := b.run(b.processor(b.inbox, []webhook.Step{{Name: "slow", Do: slow}}, webhook.WithWork(w)))
		defer other()
		b.settled(6 * time.Minute)
		if e := b.wantState(id, store.Done, ""); e.Claims != 1 {
			b.Errorf("claimed %d times", e.Claims)
		}
	})
}

func TestAnErasedEventStopsItsStep(t *testing.T) {
	inBubble(t, func(b *bench) {
		var cause atomic.Value
		b.deliver(true, night("u1", "s1"))
		p := b.processor(b.inbox, []webhook.Step{{Name: "slow", Do: func(ctx context.Context, _ *webhook.Task) error {
			<-ctx.Done()
			cause.Store(context.Cause(ctx))
			return ctx.Err()
		}}})
		stop := b.run(p)
		defer stop()
		sleepFor(b, time.Second)
		if _, err := b.db.Sessions().EraseUser(b.Context(), "u1", time.Now()); err != nil {
			b.Fatal(err)
		}
		sleepFor(b, 11*time.Second) // the lease is renewed every 5 s
		if err, _ := cause.Load().(error); !errors.Is(err, store.ErrLeaseLost) {
			b.Errorf("cause %v", err)
		}
		if s := p.Stats(); s.Lost != 1 || s.Retried+s.Dead+s.Released > 0 {
			b.Errorf("%+v", s)
		}
	})
}

// TestShutdown: while a step runs, hangs, is waited for, or has not begun, no
// attempt is burnt and nothing is lost.
func TestShutdownBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step  func(ctx context.Context, release chan struct{}) error
		takes time.Duration
		done  bool
	}{
		"a step that ends in time is finished":      {func(context.Context, chan struct{}) error { return pause(10 * time.Second) }, 9 * time.Second, true},
		"a step that heeds its context is released": {func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return ctx.Err() }, 20 * time.Second, false},
		"a step that ignores it is left behind":     {func(_ context.Context, release chan struct{}) error { <-release; return nil }, 21 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				release := make(chan struct{})
				var begun atomic.Int32
				bodies := make([]string, 6)
				for i := range bodies {
					bodies[i] = night("u1", fmt.Sprint("s", i))
				}
				ids := b.deliver(true, bodies...)
				w := webhook.DefaultWork()
				w.Workers = 2
				p := b.processor(b.inbox, []webhook.Step{{Name: "step", Do: func(ctx context.Context, _ *webhook.Task) error {
					begun.Add(1)
					return c.step(ctx, release)
				}}}, webhook.WithWork(w))
				stop := b.run(p)
				sleepFor(b, time.Second)
				if begun.Load() != 2 || b.depth().Leased != 6 {
					b.Fatalf("%d begun, %+v", begun.Load(), b.depth())
				}
				begin := time.Now()
				if err := stop(); err != nil {
					b.Error(err)
				}
				if d := time.Since(begin); d != c.takes {
					b.Errorf("it took %v, want %v", d, c.takes)
				}
				if d := b.depth(); d.Leased != 0 || d.Dead != 0 || (d.Backlog() == 4) != c.done {
					b.Errorf("%+v", d)
				}
				for _, id := range ids {
					if e := b.entry(id); e.Attempts != 0 {
						b.Errorf("an attempt was burnt: %+v", e)
					}
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}

func pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
	return nil
}

func TestDropRetryInAndUnavailableDecide(t *testing.T) {
	t.Parallel()
	away := func(err error) func(int) error { return func(n int) error { return orNil(n <= 20, err) } }
	for name, c := range map[string]struct {
		do   func(n int) error
		want store.EntryState
		at   []time.Duration // nil: with growing waits
	}{
		"drop":          {func(int) error { return webhook.Drop(errHandler) }, store.Dead, seconds(0)},
		"drop, wrapped": {func(int) error { return fmt.Errorf("as it is: %w", webhook.Drop(errHandler)) }, store.Dead, seconds(0)},
		"invalid":       {func(int) error { return store.ErrInvalid }, store.Dead, seconds(0)},
		"retry in":      {func(int) error { return webhook.RetryIn(time.Minute, errHandler) }, store.Dead, seconds(0, 60, 120, 180)},
		"away, asks": {func(n int) error {
			return orNil(n == 1, webhook.RetryIn(10*time.Minute, webhook.Unavailable(errHandler)))
		}, store.Done, seconds(0, 600)},
		"away":              {away(webhook.Unavailable(errHandler)), store.Done, nil},
		"the store is away": {away(fmt.Errorf("put: %w", store.ErrBusy)), store.Done, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				step := &tries{do: c.do}
				id := b.deliver(true, night("u1", "s1"))[0]
				stop := b.run(b.processor(b.inbox, []webhook.Step{{Name: "step", Do: step.try}}))
				b.settled(time.Hour)
				stop()
				e := b.wantState(id, c.want, "")
				if c.at != nil {
					b.wantTimes(step.since(b.start), c.at)
					return
				}
				if e.Attempts != 0 || len(e.History) < 8 || len(e.History) > 12 {
					b.Errorf("%d attempts, %d notes", e.Attempts, len(e.History))
				}
				at := step.since(b.start)
				for i := range at[1:] {
					if gap := at[i+1] - at[i]; gap < 500*time.Millisecond || gap > 62*time.Second {
						b.Errorf("try %d after %v", i+1, gap)
					}
				}
			})
		})
	}
}

func orNil(fail bool, err error) error {
	if fail {
		return err
	}
	return nil
}

func TestWhatCannotBeReadIsDeadWithTheReason(t *testing.T) {
	inBubble(t, func(b *bench) {
		var ids []string
		for i, body := range []string{`{"event":"SESSION_COMPLETE","data":{}}`, `no JSON at all`, `{"event":"INFERENCE_COMPLETE","data":{"user_id":"u","session_id":"s"}}`} {
			r, err := b.inbox.Put(b.Context(), store.Event{Key: fmt.Sprint("k", i), Kind: "SESSION_COMPLETE", Body: body})
			if err != nil {
				b.Fatal(err)
			}
			ids = append(ids, r[0].ID)
		}
		stop := b.run(b.processor(b.inbox, []webhook.Step{{Name: "never", Do: func(context.Context, *webhook.Task) error { b.Error("called"); return nil }}}))
		b.settled(time.Second)
		stop()
		b.wantState(ids[0], store.Dead, "user_id")
		b.wantState(ids[1], store.Dead, "undecodable")
		b.wantState(ids[2], store.Dead, "inference_seq_num")
	})
}

func TestTwoProcessorsWorkOneInboxAndDoEverythingOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		var n [200]atomic.Int32
		var bodies []string
		for i := range n {
			bodies = append(bodies, night("u1", strconv.Itoa(i)))
		}
		b.deliver(true, bodies...)
		var stops []func() error
		var done []uint64
		var all []*webhook.Processor
		for range 2 {
			w := webhook.DefaultWork()
			w.Workers = 4
			p := b.processor(b.inbox, []webhook.Step{{Name: "count", Do: func(_ context.Context, t *webhook.Task) error {
				var i int
				fmt.Sscan(t.SessionID, &i)
				n[i].Add(1)
				return pause(time.Second)
			}}}, webhook.WithWork(w))
			all = append(all, p)
			stops = append(stops, b.run(p))
		}
		b.settled(time.Minute)
		for i, stop := range stops {
			stop()
			done = append(done, all[i].Stats().Done)
		}
		for i := range n {
			if n[i].Load() != 1 {
				b.Errorf("event %d was worked %d times", i, n[i].Load())
			}
		}
		if done[0]+done[1] != 200 || min(done[0], done[1]) < 50 {
			b.Errorf("done %v: want both to work", done)
		}
	})
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewProcessor(nil, []webhook.Step{{Name: "a b"}, {Name: "x", Do: func(context.Context, *webhook.Task) error { return nil }}, {Name: "x"}},
		webhook.WithWork(webhook.Work{}), webhook.WithRetries(webhook.Retries{Jitter: 2, Waits: []time.Duration{-1}}))
	_, pipeline := webhook.Pipeline(webhook.PipelineConfig{Confirm: true, Patience: -1, Handlers: []webhook.Step{{Name: "store"}}})
	text := fmt.Sprint(err, pipeline)
	for _, want := range []string{
		"no inbox", `"a b"`, `"a b" has no Do`, `two steps are named "x"`, "0 workers", "leases of 0s", "a poll every 0s", "jitter of 2", "a wait of -1ns",
		"no Sessions", "Confirm without Fetch", "Patience of -1ns", `two steps are named "store"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if _, err := webhook.NewProcessor(nil, nil); err == nil || !strings.Contains(err.Error(), "no steps") {
		t.Error(err)
	}
}

func TestASecondRunIsRefusedAndALaterOneWorks(t *testing.T) {
	inBubble(t, func(b *bench) {
		p := b.processor(b.inbox, []webhook.Step{{Name: "nothing", Do: func(context.Context, *webhook.Task) error { return nil }}})
		stop := b.run(p)
		sleepFor(b, time.Second)
		if err := p.Run(b.Context()); !errors.Is(err, webhook.ErrRunning) {
			b.Error(err)
		}
		stop()
		b.deliver(true, night("u1", "s1"))
		stop = b.run(p)
		b.settled(time.Minute)
		stop()
	})
}

func TestObservationsTellTheWholeStory(t *testing.T) {
	inBubble(t, func(b *bench) {
		var told []string
		flaky := &tries{do: func(n int) error { return orNil(n <= 3, webhook.Unavailable(errHandler)) }}
		b.deliver(true, night("u1", "s1"))
		w := webhook.DefaultWork()
		w.Workers = 1
		stop := b.run(b.processor(b.inbox, []webhook.Step{{Name: "flaky", Do: flaky.try}}, webhook.WithWork(w), webhook.WithProcessorObserver(func(o webhook.Observation) {
			told = append(told, strings.TrimSuffix(string(o.Moment)+" "+o.Outcome, " "))
		})))
		b.settled(time.Hour)
		stop()
		want := []string{"step_ended away", "event_ended released", "step_ended away", "event_ended released", "gate_closed", "step_ended away", "event_ended released"}
		if len(told) < len(want) || !slices.Equal(told[:len(want)], want) || told[len(told)-1] != "event_ended done" || !slices.Contains(told, "gate_opened") {
			b.Errorf("told %q", told)
		}
	})
}
