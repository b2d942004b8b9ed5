package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/asleep-sdk/asleep/store"
)

// What one commit takes, how many commits are under way at once, and how many
// calls may wait for one.
const (
	maxRows    = 256
	maxBytes   = 4 << 20
	maxCommits = 4
	maxWaiting = 8192
)

// gather lets callers that put one event each share commits: what waits while
// commits are under way goes into the next, in the order in which it came. An idle
// store commits at once.
type gather struct {
	commit func(context.Context, []eventRow) ([]store.Receipt, error)

	mu      sync.Mutex
	waiting []*call
	commits int // under way
	all     sync.WaitGroup
}

// call is one event and its caller.
type call struct {
	row     eventRow
	ctx     context.Context //nolint:containedctx // the caller's, asked before the event is taken
	receipt store.Receipt
	err     error
	done    chan struct{}
}

func newGather(commit func(context.Context, []eventRow) ([]store.Receipt, error)) *gather {
	return &gather{commit: commit}
}

// put waits for the event's commit. When the context ends first, what became of
// the event is unknown, unless it was not yet taken: then nothing will.
func (g *gather) put(ctx context.Context, d *DB, row eventRow) (store.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return store.Receipt{}, err
	}
	c := &call{row: row, ctx: ctx, done: make(chan struct{})}
	g.mu.Lock()
	switch {
	case d.closed.Load():
		g.mu.Unlock()
		return store.Receipt{}, store.ErrClosed
	case len(g.waiting) >= maxWaiting:
		g.mu.Unlock()
		return store.Receipt{}, fmt.Errorf("%w: %d events are waiting to be written", store.ErrBusy, maxWaiting)
	}
	g.waiting = append(g.waiting, c)
	if g.commits < maxCommits {
		g.commits++
		g.all.Go(g.run)
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.receipt, c.err
	case <-ctx.Done():
		return store.Receipt{}, ctx.Err()
	}
}

// run commits until nobody waits.
func (g *gather) run() {
	for {
		batch := g.take()
		if len(batch) == 0 {
			return
		}
		rows := make([]eventRow, len(batch))
		for n, c := range batch {
			rows[n] = c.row
		}
		receipts, err := g.commit(context.Background(), rows)
		for n, c := range batch {
			if c.err = err; err == nil {
				c.receipt = receipts[n]
			}
			close(c.done)
		}
	}
}

// take takes what one commit takes of what waits, and leaves out whose caller has
// gone. When nothing waits it ends the commit.
func (g *gather) take() (batch []*call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, bytes := 0, 0
	for ; n < len(g.waiting) && len(batch) < maxRows && bytes < maxBytes; n++ {
		c := g.waiting[n]
		g.waiting[n] = nil
		if c.ctx.Err() != nil {
			continue
		}
		batch = append(batch, c)
		bytes += len(c.row.body)
	}
	g.waiting = g.waiting[n:]
	if len(batch) == 0 {
		g.commits--
	}
	return batch
}

// wait waits for the events that were accepted. The store refuses new ones.
func (g *gather) wait() {
	g.mu.Lock()   // whoever has found the store open has begun by now
	g.mu.Unlock() //nolint:staticcheck // an empty section is what is wanted
	g.all.Wait()
}
