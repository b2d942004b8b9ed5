package cli

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

// busyStore refuses to put for as long as somebody else would hold it.
type busyStore struct {
	store.Store

	until time.Time
	tries int
}

func (b *busyStore) Sessions() store.Sessions { return &busySessions{b.Store.Sessions(), b} }

type busySessions struct {
	store.Sessions

	of *busyStore
}

func (b *busySessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	if b.of.tries++; time.Now().Before(b.of.until) {
		return nil, store.ErrBusy
	}
	return b.Sessions.Put(ctx, list...)
}

func newStoreSink(ctx context.Context, s store.Store, patience time.Duration, details bool) *storeSink {
	sink := &storeSink{
		log: slog.New(slog.DiscardHandler), db: &database{Database: config.Database{Shown: "memory:"}}, store: s,
		patience: patience, details: details, chunks: make(chan []store.Session, 1), ended: make(chan struct{}),
	}
	go sink.work(ctx)
	return sink
}

func listed(t *testing.T, at time.Time, raw string) *client.Batch {
	t.Helper()
	item, err := asleep.ParseSessionSummary(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &client.Batch{User: "u1", Began: at, Sessions: []asleep.SessionSummary{*item}}
}

func reported(t *testing.T, at time.Time, raw string) *client.Batch {
	t.Helper()
	r, err := asleep.ParseReport(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &client.Batch{User: "u1", Began: at, Reports: []*asleep.Report{r}}
}

const (
	openReport = `{"session":{"id":"s1","state":"OPEN","start_time":"2026-03-14T13:00:00+00:00"}}`
	openItem   = `{"session_id":"s1","state":"OPEN","session_start_time":"2026-03-14T13:00:00+00:00"}`
	fullItem   = `{"session_id":"s1","state":"COMPLETE","session_start_time":"2026-03-14T13:00:00+00:00"}`
	fullReport = `{"session":{"id":"s1","state":"COMPLETE","start_time":"2026-03-14T13:00:00+00:00"}}`
)

func TestNewsOfASessionIsKeptOrLeft(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 14, 14, 0, 0, 0, time.UTC)
	type news struct {
		report bool
		raw    string
		after  time.Duration
	}
	for name, c := range map[string]struct {
		first, second news
		want          storeCounts
		kept          string
	}{
		"an item never replaces a report, however new": {news{true, openReport, 0}, news{false, fullItem, time.Hour}, storeCounts{created: 1, unchanged: 1}, openReport},
		"a report replaces an item":                    {news{false, openItem, 0}, news{true, openReport, time.Hour}, storeCounts{created: 1, updated: 1}, openReport},
		"the same again is left alone":                 {news{false, openItem, 0}, news{false, openItem, time.Hour}, storeCounts{created: 1, unchanged: 1}, openItem},
		"a later item replaces an item":                {news{false, openItem, 0}, news{false, fullItem, time.Hour}, storeCounts{created: 1, updated: 1}, fullItem},
		"an earlier one does not":                      {news{false, fullItem, 0}, news{false, openItem, -time.Hour}, storeCounts{created: 1, unchanged: 1}, fullItem},
		"a settled report stays":                       {news{true, fullReport, 0}, news{true, openReport, time.Hour}, storeCounts{created: 1, unchanged: 1}, fullReport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := memory.New()
			var got storeCounts
			for _, n := range []news{c.first, c.second} {
				sink := newStoreSink(t.Context(), s, 0, n.report)
				bring := listed
				if n.report {
					bring = reported
				}
				b := bring(t, at.Add(n.after), n.raw)
				if err := errors.Join(sink.add(b), sink.flush()); err != nil {
					t.Fatal(err)
				}
				total := sink.total()
				got.created, got.updated, got.unchanged = got.created+total.created, got.updated+total.updated, got.unchanged+total.unchanged
			}
			kept, err := s.Sessions().Get(t.Context(), "s1")
			if err != nil || kept.Raw != c.kept || got != c.want {
				t.Errorf("%+v, and %s is kept (%v); want %+v and %s", got, kept.Raw, err, c.want, c.kept)
			}
		})
	}
}

func TestABusyStoreIsLeftAloneForLongerAndLonger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy, patience, took time.Duration
		tries                int
		err                  error
		ends                 time.Duration // of the context; 0: never
	}{
		"free":                {0, time.Minute, 0, 1, nil, 0},
		"busy for a while":    {300 * time.Millisecond, time.Minute, 350 * time.Millisecond, 4, nil, 0},
		"busy for too long":   {time.Hour, 200 * time.Millisecond, 150 * time.Millisecond, 3, store.ErrBusy, 0},
		"a signal comes":      {time.Hour, time.Hour, 400 * time.Millisecond, 4, store.ErrBusy, 400 * time.Millisecond},
		"never over a pause ": {time.Hour, time.Second, 750 * time.Millisecond, 5, store.ErrBusy, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx := t.Context()
				if c.ends > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.ends)
					defer cancel()
				}
				m := memory.New()
				s := &busyStore{Store: m, until: began.Add(c.busy)}
				sink := newStoreSink(ctx, s, c.patience, false)
				err := errors.Join(sink.add(listed(t, began, openItem)), sink.flush())
				if !errors.Is(err, c.err) || time.Since(began) != c.took || s.tries != c.tries {
					t.Errorf("%v after %v and %d tries; want %v after %v and %d", err, time.Since(began), s.tries, c.err, c.took, c.tries)
				}
				if again := sink.add(listed(t, began, fullItem)); c.err != nil && !errors.Is(errors.Join(again, sink.flush()), c.err) {
					t.Error("a failure is forgotten")
				}
				_ = sink.close()
			})
		})
	}
}
