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
// the inbox is counted anew when that sum reaches the limit, and seldom besides.
type backlog struct {
	inbox store.Inbox
	limit int64 // 0: none

	stored   atomic.Int64 // since the receiver was made
	estimate atomic.Int64 // what was counted, less what had been stored by then
	counted  atomic.Int64 // unix nanoseconds of the last count; 0: never
	failed   atomic.Int64 // the same of the last count that failed

	mu   sync.Mutex // of counting
	full bool       // by the last count
}

const (
	// recount is how long a count that found the inbox full is good.
	recount = 100 * time.Millisecond
	// stale is when it is counted anew in any case: others may store there too.
	stale = 5 * time.Second
	// countTime bounds a count, so that there is time left to store the event: an inbox
	// that counts slowly may store fast.
	countTime = 500 * time.Millisecond
)

// upper is what is not done yet, at most.
func (b *backlog) upper() int64 { return b.estimate.Load() + b.stored.Load() }

// hasFailed reports whether a count failed a short time ago.
func (b *backlog) hasFailed() bool { return time.Since(time.Unix(0, b.failed.Load())) < stale }

// isFull reports whether one more event is too many. An inbox that cannot count is
// not full: Put will tell what is wrong with it, and is not held up by trying again
// for a while.
func (b *backlog) isFull(ctx context.Context) bool {
	if b.limit <= 0 {
		return false
	}
	counted := b.counted.Load()
	switch {
	case b.hasFailed():
		return false
	case counted == 0 || b.upper() >= b.limit:
		b.mu.Lock()
	case time.Since(time.Unix(0, counted)) < stale || !b.mu.TryLock():
		return false
	}
	defer b.mu.Unlock()
	if b.counted.Load() != counted && b.upper() < b.limit {
		return false // somebody else has counted meanwhile
	}
	if b.hasFailed() { // or has tried to
		return false
	}
	if b.full && time.Since(time.Unix(0, b.counted.Load())) < recount {
		return true
	}
	stored := b.stored.Load()
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	depth, err := b.inbox.Depth(ctx)
	if err != nil {
		b.failed.Store(time.Now().UnixNano())
		return false
	}
	b.estimate.Store(int64(depth.Backlog()) - stored)
	b.counted.Store(time.Now().UnixNano())
	b.full = int64(depth.Backlog()) >= b.limit
	return b.full
}
