package webhook_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

func TestTheJanitorForgetsWhatIsOldAndDoneAndNothingElse(t *testing.T) {
	inBubble(t, func(b *bench) {
		ctx, cancel := context.WithCancel(b.Context())
		stop := b.run(b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{})))
		done := b.deliver(true, night("u1", "old"))[0]
		b.settled(time.Minute)
		stop()
		waiting := b.deliver(true, night("u1", "waiting"))[0]
		old, err := store.FromReport("u1", must(asleep.ParseReport(settledReport("ancient"))), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		old.Start = b.start.Add(-29 * 24 * time.Hour)
		young := old
		young.ID, young.Start = "young", b.start.Add(-time.Hour)
		if _, err := b.db.Sessions().Put(b.Context(), old, young); err != nil {
			b.Fatal(err)
		}
		j := &webhook.Janitor{Inbox: b.inbox, Sessions: b.db.Sessions(), Retention: 30 * 24 * time.Hour}
		ended := make(chan struct{})
		go func() { j.Run(ctx); close(ended) }()
		gone := func(id string) bool {
			_, inbox := b.inbox.Get(b.Context(), id)
			_, session := b.db.Sessions().Get(b.Context(), id)
			return inbox != nil && session != nil
		}
		sleepFor(b, 23*time.Hour)
		if gone(done) || gone("ancient") {
			b.Error("too early")
		}
		sleepFor(b, 2*time.Hour)
		if !gone("ancient") || gone("young") {
			b.Error("the ancient session should be gone, the young one not")
		}
		sleepFor(b, store.DedupeWindow)
		if !gone(done) || gone(waiting) {
			b.Error("the old event should be gone, the one that waits not")
		}
		cancel()
		<-ended
	})
}

func TestTheJanitorWorksInSmallCommitsAndTriesAgainSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sweeper{left: 1200, fail: 2}
		ended := make(chan struct{})
		go func() { (&webhook.Janitor{Inbox: s}).Run(ctx); close(ended) }()
		begin := time.Now()
		<-time.NewTimer(90 * time.Minute).C
		cancel()
		<-ended
		if fmt.Sprint(s.at) != fmt.Sprint([]time.Duration{0, time.Minute, 2 * time.Minute, 2 * time.Minute, 2 * time.Minute, 62 * time.Minute}) || s.left != 0 {
			t.Errorf("swept at %v since %v, %d left", s.at, begin, s.left)
		}
	})
}

// sweeper is an inbox that fails at first.
type sweeper struct {
	store.Inbox
	left, fail int
	start      time.Time
	at         []time.Duration
}

func (s *sweeper) Sweep(_ context.Context, _ time.Time, limit int) (int, error) {
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.at = append(s.at, time.Since(s.start))
	if s.fail--; s.fail >= 0 {
		return 0, store.ErrBusy
	}
	n := min(limit, s.left)
	s.left -= n
	return n, nil
}
