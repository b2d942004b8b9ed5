package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// backlog knows whether the inbox is too full, and asks it as seldom as it can:
// what was counted plus what was stored since is never less than the truth, so
// the inbox is counted anew only when that sum reaches the limit.
type backlog struct {
	inbox store.Inbox
	limit int64 // 0: none

	stored   atomic.Int64 // since the receiver was made
	estimate atomic.Int64 // what was counted, less what had been stored by then

	known atomic.Bool // it was counted once

	mu      sync.Mutex
	counted time.Time
	full    bool // by the last count
}

// recount is how long a count that found the inbox full is good.
const recount = 100 * time.Millisecond

// upper is what is not done yet, at most.
func (b *backlog) upper() int64 { return b.estimate.Load() + b.stored.Load() }

// isFull reports whether one more event is too many. An inbox that cannot count is
// not full: Put will tell what is wrong with it.
func (b *backlog) isFull(ctx context.Context) bool {
	if b.limit <= 0 || b.known.Load() && b.upper() < b.limit {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.known.Load() && b.upper() < b.limit:
		return false // somebody else has counted
	case b.full && time.Since(b.counted) < recount:
		return true
	}
	stored := b.stored.Load()
	depth, err := b.inbox.Depth(ctx)
	if err != nil {
		return false
	}
	b.estimate.Store(int64(depth.Backlog()) - stored)
	b.known.Store(true)
	b.full, b.counted = int64(depth.Backlog()) >= b.limit, time.Now()
	return b.full
}
