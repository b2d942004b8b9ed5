package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// bench is one processor over a store in memory, in a bubble.
type bench struct {
	*testing.T
	db    store.Store
	inbox store.Inbox
	start time.Time
}

func inBubble(t *testing.T, f func(b *bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memory.New()
		inbox, err := db.Inbox()
		if err != nil {
			t.Fatal(err)
		}
		f(&bench{T: t, db: db, inbox: inbox, start: time.Now()})
	})
}

// night is the body of a SESSION_COMPLETE event.
func night(user, session string) string {
	return fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":%q,"timezone":"UTC","peculiarities":[],"missing_data_ratio":0,`+
		`"session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00","end_time":"2026-03-14T20:51:07+00:00","created_timezone":"UTC","sleep_stages":[0,1,2,3]},`+
		`"stat":{"sleep_index":72,"time_in_sleep":25200}}}`, user, session)
}

func inference(user, session string, seq int) string {
	return fmt.Sprintf(`{"event":"INFERENCE_COMPLETE","version":"V3","data":{"user_id":%q,"session_id":%q,"seq_num":%d,"inference_seq_num":%d,"sleep_stages":[0,0,1,1,2,2,3,3,1,1],"breath_stages":null,"snoring_stages":[0,0,0,0,0,0,0,0,0,0]}}`, user, session, seq*10, seq)
}

// deliver puts events as the receiver does.
func (b *bench) deliver(signed bool, bodies ...string) (ids []string) {
	b.Helper()
	for _, body := range bodies {
		e, err := webhook.Decode("", body)
		if err != nil {
			b.Fatal(err)
		}
		e.Signed = signed
		r, err := b.inbox.Put(b.Context(), e.Stored())
		if err != nil {
			b.Fatal(err)
		}
		ids = append(ids, r[0].ID)
	}
	return ids
}

func (b *bench) processor(inbox store.Inbox, steps []webhook.Step, o ...webhook.ProcessorOption) *webhook.Processor {
	b.Helper()
	p, err := webhook.NewProcessor(inbox, steps, o...)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// run starts a processor and returns what stops it.
func (b *bench) run(p *webhook.Processor) (stop func() error) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}

func (b *bench) pipeline(c webhook.PipelineConfig) []webhook.Step {
	b.Helper()
	if c.Sessions == nil {
		c.Sessions = b.db.Sessions()
	}
	steps, err := webhook.Pipeline(c)
	if err != nil {
		b.Fatal(err)
	}
	return steps
}

func (b *bench) entry(id string) store.Entry {
	b.Helper()
	e, err := b.inbox.Get(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func (b *bench) depth() store.Depth {
	b.Helper()
	d, err := b.inbox.Depth(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// settled waits until nothing is left to do, at most d of virtual time.
func (b *bench) settled(d time.Duration) {
	b.Helper()
	for end := time.Now().Add(d); b.depth().Backlog() > 0; sleepFor(b, time.Second) {
		if time.Now().After(end) {
			b.Fatalf("after %v: %+v", d, b.depth())
		}
	}
}

// sleepFor passes virtual time.
func sleepFor(b *bench, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.Context().Done():
	}
	synctest.Wait()
}

// tries records when a step was tried, and answers what it is told.
type tries struct {
	mu sync.Mutex
	at []time.Time
	do func(n int) error
}

func (r *tries) try(context.Context, *webhook.Task) error {
	r.mu.Lock()
	r.at = append(r.at, time.Now())
	n, do := len(r.at), r.do
	r.mu.Unlock()
	return do(n)
}

func (r *tries) set(do func(int) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do = do
}

func (r *tries) since(start time.Time) (list []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.at {
		list = append(list, t.Sub(start))
	}
	return list
}

func (r *tries) count() int { return len(r.since(time.Time{})) }

func seconds(list ...float64) (d []time.Duration) {
	for _, s := range list {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

func (b *bench) wantTimes(got, want []time.Duration) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("tried at %v, want %v", got, want)
	}
}

func (b *bench) wantState(id string, want store.EntryState, reason string) store.Entry {
	b.Helper()
	e := b.entry(id)
	last := ""
	if n := len(e.History); n > 0 {
		last = e.History[n-1].Reason
	}
	if e.State != want || !strings.Contains(last, reason) {
		b.Errorf("%v with %q in the end, want %v with %q", e.State, last, want, reason)
	}
	return e
}

var errHandler = errors.New("the handler cannot")
