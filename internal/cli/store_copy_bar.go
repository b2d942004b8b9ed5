package cli

import (
	"context"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/asleep-sdk/asleep/store"
)

// copyReporter draws how far a copy has come, on a terminal.
type copyReporter struct {
	bars *mpb.Progress
	bar  *mpb.Bar
	text *atomic.Pointer[string]
}

// newCopyReporter counts what there is to copy first, for there is no bar without
// an end. Elsewhere it draws nothing, and needs no count.
func newCopyReporter(ctx context.Context, a *app, from store.Sessions) (r copyReporter, err error) {
	if a.json || !a.ErrTerminal {
		return r, nil
	}
	total := int64(0)
	for _, err := range store.All(ctx, from, store.Query{Brief: true, Limit: store.MaxLimit}) {
		if err != nil {
			return r, err
		}
		total++
	}
	r.text = new(atomic.Pointer[string])
	r.text.Store(new(string))
	r.bars = mpb.New(mpb.WithOutput(a.Err), mpb.WithAutoRefresh(), mpb.WithRefreshRate(barRefresh), mpb.WithWidth(24))
	bar, err := r.bars.Add(max(1, total), mpb.BarStyle().Build(), mpb.BarRemoveOnComplete(), mpb.AppendDecorators(
		decor.Any(func(decor.Statistics) string { return *r.text.Load() }),
	))
	if err == nil { // it fails only after the end
		r.bar = bar
	}
	return r, nil
}

func (r *copyReporter) update(s store.Session, read int64) {
	if r.bar == nil || read%copyBatch != 0 {
		return
	}
	text := " " + count(read, "session") + ", back to " + s.LocalDate().String()
	r.text.Store(&text)
	r.bar.SetCurrent(read)
}

// stop takes the bar away. It may be called again.
func (r *copyReporter) stop() {
	if r.bar == nil {
		return
	}
	r.bar.Abort(true)
	r.bars.Wait()
	r.bar = nil
}
