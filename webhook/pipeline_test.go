package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// upstream is the API as the pipeline sees it.
type upstream struct {
	tries
	report func(session string) string
}

func (u *upstream) FetchSession(ctx context.Context, _, session string) (*asleep.Report, error) {
	if err := u.try(ctx, nil); err != nil {
		return nil, err
	}
	return asleep.ParseReport(u.report(session))
}

func settledReport(session string) string {
	return fmt.Sprintf(`{"timezone":"UTC","peculiarities":[],"missing_data_ratio":0,"session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00","end_time":"2026-03-14T20:51:07+00:00","created_timezone":"UTC","sleep_stages":[3,3]},"stat":{"sleep_index":99}}`, session)
}

func api(do func(n int) error) *upstream { return &upstream{tries{do: do}, settledReport} }

func fine(int) error { return nil }

// outbox collects notifications.
type outbox struct {
	mu   sync.Mutex
	sent []webhook.Notification
	do   func(n webhook.Notification) error
}

func (o *outbox) Notify(_ context.Context, n webhook.Notification) error {
	o.mu.Lock()
	o.sent = append(o.sent, n)
	do := o.do
	o.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(n)
}

func (o *outbox) count() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := map[string]int{}
	for _, n := range o.sent {
		m[n.ID]++
	}
	return m
}

type cache struct {
	tries
	users []string
}

func (c *cache) Invalidate(ctx context.Context, user string) error {
	c.users = append(c.users, user)
	return c.try(ctx, nil)
}

func (b *bench) works(c webhook.PipelineConfig, d time.Duration) *webhook.Processor {
	b.Helper()
	p := b.processor(b.inbox, b.pipeline(c))
	stop := b.run(p)
	b.settled(d)
	if err := stop(); err != nil {
		b.Error(err)
	}
	return p
}

func (b *bench) session(id string) store.Session {
	b.Helper()
	s, err := b.db.Sessions().Get(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func index(s store.Session) float64 { v, _ := s.Metrics.Get(store.SleepIndex); return v }

func TestASignedEventIsStoredAsItCame(t *testing.T) {
	inBubble(t, func(b *bench) {
		box, stale, up := &outbox{}, &cache{tries: tries{do: fine}}, api(fine)
		id := b.deliver(true, night("u1", "s1"), inference("u1", "s2", 3))[0]
		b.works(webhook.PipelineConfig{Confirm: true, Fetch: up, Invalidate: stale, Notify: box, NotifyFigures: true}, time.Minute)
		s := b.session("s1")
		if !strings.Contains(night("u1", "s1"), s.Raw) || index(s) != 72 || !s.Settled || len(s.Epochs.Sleep) != 4 || up.count() != 0 {
			b.Errorf("%+v, %d calls", s, up.count())
		}
		p, err := b.db.Sessions().Partial(b.Context(), "s2")
		if err != nil || p.Seq != 3 || len(p.Epochs.Sleep) != 40 || p.Epochs.Sleep[29] != asleep.StageUnknown || p.Epochs.Sleep[30] != asleep.StageWake {
			b.Errorf("%+v, %v", p, err)
		}
		buckets, err := b.db.Sessions().Stats(b.Context(), store.StatsQuery{UserID: "u1"})
		if err != nil || len(buckets) != 1 || buckets[0].Figure(store.SleepIndex).Mean != 72 {
			b.Errorf("statistics %+v, %v", buckets, err)
		}
		if len(box.sent) != 2 || len(stale.users) != 2 || stale.users[0] != "u1" {
			b.Fatalf("%d notifications, users %q", len(box.sent), stale.users)
		}
		for _, n := range box.sent {
			complete := n.Type == asleep.WebhookEventSessionComplete
			if n.UserID != "u1" || !n.Confirmed || n.Revision != 1 || complete != (n.Figures["sleep_index"] == 72) || complete == (n.Seq != nil && *n.Seq == 3) {
				b.Errorf("%+v", n)
			}
		}
		b.wantState(id, store.Done, "")
	})
}

func TestAnUnsignedEventIsATriggerOfWhichOnlyTheIDsAreBelieved(t *testing.T) {
	inBubble(t, func(b *bench) {
		up := api(fine)
		var handled *asleep.Report
		handler := webhook.Handle("mine", webhook.OnSessionComplete(func(_ context.Context, e webhook.SessionComplete) error {
			handled = e.Report
			return nil
		}))
		ids := b.deliver(false, night("u1", "s1"), inference("u1", "s1", 3), inference("u1", "s3", 1), inference("u1", "s3", 2))
		up.report = func(session string) string {
			if session == "s3" {
				return `{"session":{"id":"s3","state":"OPEN"},"peculiarities":["IN_PROGRESS"]}`
			}
			return settledReport(session)
		}
		b.works(webhook.PipelineConfig{Confirm: true, Fetch: up, Handlers: []webhook.Step{handler}}, time.Minute)
		if s := b.session("s1"); s.Raw != settledReport("s1") || index(s) != 99 {
			b.Errorf("%+v", s)
		}
		if handled == nil || handled.Raw != settledReport("s1") {
			b.Errorf("handled %+v", handled)
		}
		if p, err := b.db.Sessions().Partial(b.Context(), "s3"); err != nil || p.Windows != 2 {
			b.Errorf("%+v, %v", p, err)
		}
		if n := up.count(); n > 4 {
			b.Errorf("%d calls for two sessions", n)
		}
		for _, id := range ids {
			b.wantState(id, store.Done, "")
		}
	})
}

func TestWhatTheAPISaysAboutAnUnsignedEventDecides(t *testing.T) {
	t.Parallel()
	minutes := func(n int) int { return n * 60 }
	for name, c := range map[string]struct {
		do     func(n int) error
		report string
		want   store.EntryState
		reason string
		within [2]int // seconds until it is decided
	}{
		"missing for ever":    {func(int) error { return webhook.ErrNoSession }, "", store.Dead, "no such session", [2]int{minutes(15), minutes(16)}},
		"missing at first":    {func(n int) error { return orNil(n <= 3, webhook.ErrNoSession) }, settledReport("s1"), store.Done, "no such session", [2]int{3, 20}},
		"not final for ever":  {fine, `{"session":{"id":"s1","state":"CLOSED"},"peculiarities":["IN_PROGRESS"]}`, store.Done, "not final", [2]int{minutes(15), minutes(16)}},
		"refused ids":         {func(int) error { return webhook.Drop(errors.New("x-user-id is invalid")) }, "", store.Dead, "x-user-id", [2]int{0, 1}},
		"another session":     {fine, settledReport("s2"), store.Dead, "another session", [2]int{0, 1}},
		"away for 20 tries":   {func(n int) error { return orNil(n <= 20, errors.New("connection refused")) }, settledReport("s1"), store.Done, "connection refused", [2]int{minutes(7), minutes(16)}},
		"counted by RetryIn":  {func(int) error { return webhook.RetryIn(time.Second, errors.New("garbage")) }, "", store.Dead, "garbage", [2]int{3, 4}},
		"an outage by itself": {func(n int) error { return orNil(n <= 2, webhook.Unavailable(errors.New("open breaker"))) }, settledReport("s1"), store.Done, "open breaker", [2]int{1, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				up := api(c.do)
				up.report = func(string) string { return c.report }
				id := b.deliver(false, night("u1", "s1"))[0]
				b.works(webhook.PipelineConfig{Confirm: true, Fetch: up}, time.Hour)
				e := b.wantState(id, c.want, c.reason)
				if c.want == store.Done && e.Attempts > 0 {
					b.Errorf("%d attempts were burnt", e.Attempts)
				}
				at := up.since(b.start)
				if last := int(at[len(at)-1] / time.Second); last < c.within[0] || last > c.within[1] {
					b.Errorf("decided after %d s, want %v", last, c.within)
				}
				_, err := b.db.Sessions().Get(b.Context(), "s1")
				if (err == nil) != (c.want == store.Done) {
					b.Errorf("stored: %v", err)
				}
			})
		})
	}
}

func TestAForeignSessionIsDeadAndStaysSoWhenReplayed(t *testing.T) {
	inBubble(t, func(b *bench) {
		box := &outbox{}
		s, err := store.FromReport("owner", must(asleep.ParseReport(settledReport("s1"))), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := b.db.Sessions().Put(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		id := b.deliver(true, night("thief", "s1"))[0]
		p := b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Notify: box}))
		stop := b.run(p)
		defer stop()
		b.settled(time.Minute)
		b.wantState(id, store.Dead, "another user")
		if _, err := b.inbox.Replay(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		b.settled(time.Minute)
		b.wantState(id, store.Dead, "another user")
		if len(box.sent) > 0 || b.session("s1").UserID != "owner" {
			b.Errorf("told of %+v", box.sent)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestOlderNewsNeverOverwritesNewer(t *testing.T) {
	inBubble(t, func(b *bench) {
		open := strings.Replace(night("u1", "s1"), "COMPLETE\",\"start", "OPEN\",\"start", 1)
		for _, body := range []string{night("u1", "s1"), open, inference("u1", "s1", 2), inference("u1", "s1", 1)} {
			b.deliver(true, body)
			sleepFor(b, time.Second)
		}
		b.works(webhook.PipelineConfig{}, time.Minute)
		if s := b.session("s1"); !s.Settled || s.State != asleep.SessionStateComplete {
			b.Errorf("%+v", s)
		}
		if _, err := b.db.Sessions().Partial(b.Context(), "s1"); !errors.Is(err, store.ErrNotFound) {
			b.Errorf("a partial night beside the whole: %v", err)
		}
	})
}

func TestSixtyFourDuplicatesAreOneEvent(t *testing.T) {
	inBubble(t, func(b *bench) {
		box := &outbox{}
		stop := b.run(b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Notify: box})))
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { b.deliver(true, night("u1", "s1")) })
		}
		wg.Wait()
		b.settled(time.Minute)
		stop()
		if len(box.sent) != 1 {
			b.Errorf("%d notifications", len(box.sent))
		}
	})
}

func TestOfAnErasedUserNobodyIsTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		box := &outbox{}
		away := webhook.Handle("away", webhook.OnSessionComplete(func(context.Context, webhook.SessionComplete) error {
			if _, err := b.db.Sessions().Delete(b.Context(), "u1", "other", time.Now()); err != nil {
				return err
			}
			return orNil(time.Since(b.start) < time.Minute, webhook.Unavailable(errHandler))
		}))
		id := b.deliver(true, night("u1", "s1"))[0]
		stop := b.run(b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Handlers: []webhook.Step{away}, Notify: box})))
		defer stop()
		sleepFor(b, time.Second)
		if n, err := b.db.Sessions().Expire(b.Context(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), 10); n != 1 || err != nil {
			b.Fatal(n, err)
		}
		b.settled(time.Hour)
		b.wantState(id, store.Done, "")
		if len(box.sent) > 0 {
			b.Errorf("%+v", box.sent)
		}
	})
}

func TestCachesThatAreAwayAreWaitedFor(t *testing.T) {
	inBubble(t, func(b *bench) {
		redis, box := &cache{tries: tries{do: func(n int) error { return orNil(n <= 15, errors.New("redis: connection refused")) }}}, &outbox{}
		ids := b.deliver(true, night("u1", "s1"), night("u1", "s2"), night("u2", "s3"))
		p := b.works(webhook.PipelineConfig{Invalidate: redis, Notify: box}, time.Hour)
		for _, id := range ids {
			if e := b.wantState(id, store.Done, ""); e.Attempts > 0 {
				b.Errorf("%+v", e)
			}
		}
		if s := p.Stats(); len(box.sent) != 3 || s.Dead > 0 || s.Done != 3 {
			b.Errorf("%d sent, %+v", len(box.sent), s)
		}
	})
}

func TestUnknownEventsReachTheirHandlerAndTheNotifier(t *testing.T) {
	inBubble(t, func(b *bench) {
		var kinds []asleep.WebhookEvent
		box, up := &outbox{}, api(func(int) error { return errors.New("not to be asked") })
		handlers := webhook.Handle("mine",
			webhook.OnUnknown(func(_ context.Context, e webhook.Event) error { kinds = append(kinds, e.Kind); return nil }),
			webhook.OnInference(func(context.Context, webhook.InferenceComplete) error { b.Error("called"); return nil }),
			webhook.OnSessionComplete(func(context.Context, webhook.SessionComplete) error { b.Error("called"); return nil }))
		b.deliver(false, `{"event":"MOON_LANDING","data":{"user_id":"u1"}}`)
		b.works(webhook.PipelineConfig{Confirm: true, Fetch: up, Handlers: []webhook.Step{handlers}, Notify: box}, time.Minute)
		if len(kinds) != 1 || kinds[0] != "MOON_LANDING" || len(box.sent) != 1 || box.sent[0].Confirmed {
			b.Errorf("%q, %+v", kinds, box.sent)
		}
	})
}

// TestNotify for ten minutes, hours and ever.

func TestANotifyAddressThatIsAwayForTenMinutesHoldsUpNothingElse(t *testing.T) {
	inBubble(t, func(b *bench) {
		const events = 300
		var calls atomic.Int32
		back := b.start.Add(10 * time.Minute)
		ids := map[string]int{}
		notify := webhook.NotifyFunc(func(ctx context.Context, n webhook.Notification) error {
			calls.Add(1)
			if time.Now().Before(back) {
				<-ctx.Done() // it does not even refuse
				return ctx.Err()
			}
			return nil
		})
		_ = ids
		p := b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Notify: notify}))
		stop := b.run(p)
		defer stop()
		for i := range events {
			b.deliver(true, night("u1", fmt.Sprint("s", i)))
		}
		sleepFor(b, 2*time.Second)
		for i := range events {
			b.session(fmt.Sprint("s", i))
		}
		sleepFor(b, 10*time.Minute-4*time.Second)
		if n := calls.Load(); n > 60 {
			b.Errorf("%d calls while nobody was there", n)
		}
		if s := p.Stats(); !s.Gates[1].Closed || s.Gates[1].Step != "notify" || s.Gates[1].Reason == "" || s.Dead > 0 {
			b.Errorf("%+v", s)
		}
		b.settled(32 * time.Minute)
		s := p.Stats()
		if d := b.depth(); d.Dead != 0 || s.Done != events || s.Gates[1].Closed {
			b.Errorf("%+v, %+v", d, s)
		}
	})
}

func TestNotifyKeepsItsScheduleOverRestartsAndThenIsDead(t *testing.T) {
	inBubble(t, func(b *bench) {
		at, box := &tries{do: func(int) error { return errors.New("422") }}, &outbox{}
		box.do = func(webhook.Notification) error { return at.try(b.Context(), nil) }
		id := b.deliver(true, night("u1", "s1"))[0]
		steps := b.pipeline(webhook.PipelineConfig{Notify: box, NotifySchedule: webhook.Schedule{Waits: []time.Duration{5 * time.Second, 30 * time.Second, time.Hour, 10 * time.Hour}}})
		for range 24 {
			stop := b.run(b.processor(b.inbox, steps))
			sleepFor(b, 30*time.Minute)
			stop()
		}
		b.wantTimes(at.since(b.start), seconds(0, 5, 35, 3635, 39635))
		if e := b.wantState(id, store.Dead, "422"); e.Attempts != 1 || len(e.History) != 5 {
			b.Errorf("%+v", e)
		}
		if n := len(box.count()); n != 1 {
			b.Errorf("%d ids for one event", n)
		}
		if _, err := b.inbox.Replay(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		again := time.Now()
		stop := b.run(b.processor(b.inbox, steps))
		sleepFor(b, time.Minute)
		b.wantTimes(at.since(again)[5:], seconds(0, 5, 35))
		at.set(fine)
		b.settled(2 * time.Hour)
		stop()
		b.wantState(id, store.Done, "")
		if len(box.count()) != 1 {
			b.Error("the replay has another id")
		}
	})
}

func TestNotifyGoesWhereItIsToldByDropAndRetryIn(t *testing.T) {
	inBubble(t, func(b *bench) {
		gone, asks := &tries{do: func(int) error { return webhook.Drop(errors.New("410")) }}, &tries{do: func(n int) error {
			return orNil(n == 1, webhook.RetryIn(7*time.Minute, webhook.Unavailable(errors.New("429"))))
		}}
		box := &outbox{do: func(n webhook.Notification) error {
			if n.SessionID == "gone" {
				return gone.try(b.Context(), nil)
			}
			return asks.try(b.Context(), nil)
		}}
		id := b.deliver(true, night("u1", "gone"))[0]
		stop := b.run(b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Notify: box})))
		defer stop()
		sleepFor(b, time.Second)
		b.deliver(true, night("u1", "asks"))
		b.settled(time.Hour)
		b.wantState(id, store.Dead, "410")
		b.wantTimes(asks.since(b.start), seconds(1, 421))
	})
}

func TestANotificationIsTheJSONThatIsDocumented(t *testing.T) {
	t.Parallel()
	seq := 3
	n := webhook.Notification{
		ID: "evt_1", Type: "SESSION_COMPLETE", UserID: "u", SessionID: "s", Received: time.Unix(0, 0).UTC(), Revision: 1, Confirmed: true, Seq: &seq,
		State: "COMPLETE", Start: time.Unix(1, 0).UTC(), End: time.Unix(2, 0).UTC(), Figures: map[string]float64{"sleep_index": 72},
	}
	full, err := json.Marshal(n)
	if want := `{"id":"evt_1","type":"SESSION_COMPLETE","user_id":"u","session_id":"s","received":"1970-01-01T00:00:00Z","revision":1,"confirmed":true,"seq":3,"state":"COMPLETE","start":"1970-01-01T00:00:01Z","end":"1970-01-01T00:00:02Z","figures":{"sleep_index":72}}`; err != nil || string(full) != want {
		t.Errorf("%s, %v", full, err)
	}
	bare, err := json.Marshal(webhook.Notification{ID: "evt_1", Type: "X", Revision: 1})
	if want := `{"id":"evt_1","type":"X","received":"0001-01-01T00:00:00Z","revision":1,"confirmed":false}`; err != nil || string(bare) != want {
		t.Errorf("%s, %v", bare, err)
	}
}
