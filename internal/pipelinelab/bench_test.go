package pipelinelab_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/webhook"
)

// callers is how many deliveries are under way at once.
const callers = 64

type noCache struct{}

func (noCache) Invalidate(context.Context, string) error { return nil }

// BenchmarkPipeline counts an event when it was put, stored as a session,
// invalidated and notified. done/acked is how far the processor has come when the
// last event is acknowledged: 1 means that it keeps up.
func BenchmarkPipeline(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"1 KiB", 600}, {"a night of 6 KiB", 5600}} {
		for _, steps := range []string{"put alone", "whole pipeline"} {
			b.Run(size.name+", "+steps, func(b *testing.B) { benchPipeline(b, size.bytes, steps == "whole pipeline") })
		}
	}
}

func benchPipeline(b *testing.B, size int, whole bool) {
	b.Helper()
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "a.db"), sqlite.Config{}, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	inbox, err := db.Inbox()
	if err != nil {
		b.Fatal(err)
	}
	var notified atomic.Int64
	last := make(chan struct{})
	steps, err := webhook.Pipeline(webhook.PipelineConfig{
		Sessions: db.Sessions(), Invalidate: noCache{},
		Notify: webhook.NotifyFunc(func(context.Context, webhook.Notification) error {
			if notified.Add(1) == int64(b.N) {
				close(last)
			}
			return nil
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	p, err := webhook.NewProcessor(inbox, steps)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	ended := make(chan error, 1)
	if whole {
		go func() { ended <- p.Run(ctx) }()
	}
	b.ReportAllocs()
	b.ResetTimer()
	putAll(b, inbox, size)
	acked := b.Elapsed()
	keptUp := float64(p.Stats().Done) / float64(b.N)
	if whole {
		<-last
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/acked.Seconds(), "acked/s")
	if whole {
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "done/s")
		b.ReportMetric(keptUp, "done/acked")
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

func putAll(b *testing.B, inbox store.Inbox, size int) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				e, err := webhook.Decode("", night(fmt.Sprint("user-", i%1000), fmt.Sprintf("20260314135107_%07d", i), size))
				if err == nil {
					_, err = inbox.Put(b.Context(), e.Stored())
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// night is a SESSION_COMPLETE whose epochs have the given size as JSON.
func night(user, session string, size int) string {
	return fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":%q,"timezone":"UTC","peculiarities":[],"missing_data_ratio":0,`+
		`"session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00","end_time":"2026-03-14T20:51:07+00:00","created_timezone":"UTC","sleep_stages":[0%s]},`+
		`"stat":{"sleep_index":72,"time_in_sleep":25200,"sleep_efficiency":0.88,"time_in_bed":28000}}}`, user, session, strings.Repeat(",1", size/2))
}
