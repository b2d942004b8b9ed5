package cli

import (
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/asleep-sdk/asleep/client"
)

// barRefresh is how often the bar is drawn.
const barRefresh = 200 * time.Millisecond

// barReporter draws a bar on the terminal, and lines above it.
type barReporter struct {
	*lineReporter

	bars *mpb.Progress
	bar  *mpb.Bar
	text atomic.Pointer[string] // beside the bar
}

func newBarReporter(lines *lineReporter) *barReporter {
	r := &barReporter{lineReporter: lines}
	r.show(progressText(client.BatchProgress{Total: lines.total}, 0))
	r.bars = mpb.New(mpb.WithOutput(lines.app.Err), mpb.WithAutoRefresh(), mpb.WithRefreshRate(barRefresh), mpb.WithWidth(24))
	filler := mpb.BarStyle().Build()
	if lines.total <= 0 {
		filler = mpb.NopStyle().Build()
	}
	bar, err := r.bars.Add(max(1, lines.total), filler, mpb.BarRemoveOnComplete(), mpb.AppendDecorators(
		decor.Any(func(decor.Statistics) string { return *r.text.Load() }),
	))
	if err == nil { // it fails only after the end
		r.bar = bar
	}
	lines.w = writerFunc(r.bars.Write)
	return r
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (r *barReporter) show(text string) {
	text = " " + cell(text)
	r.text.Store(&text)
}

func (r *barReporter) every() time.Duration { return barRefresh }

func (r *barReporter) update(p client.BatchProgress) {
	p.Waiting, p.Until = longWait(p)
	r.show(progressText(p, r.pace.remaining(p)))
	if r.bar != nil && p.Total > 0 {
		r.bar.SetCurrent(min(position(p), p.Total-1)) // complete is what stop says
	}
}

// longWait leaves out the waits that come and go all the time.
func longWait(p client.BatchProgress) (client.Wait, time.Time) {
	if p.Waiting == client.WaitConsumer || p.Waiting == client.WaitInput && p.InHand > 0 {
		return client.WaitNothing, time.Time{}
	}
	return p.Waiting, p.Until
}

// stop takes the bar away; what is said from then on goes to stderr itself.
func (r *barReporter) stop() {
	if r.bar != nil {
		r.bar.Abort(true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bars.Wait()
	r.w = r.app.Err
}
