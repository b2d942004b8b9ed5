package transport

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// latencyWindow is how many latencies of a kind of operation are remembered, and
// latencyStep after how many more the quantile is found anew.
const (
	latencyWindow = 256
	latencyStep   = 16
)

// latencies remembers the last few of a kind of operation and knows a quantile of
// them: the nearest rank, which is one that was seen. Sorting 256 numbers once in
// 16 calls is as cheap as any sketch, and exact.
type latencies struct {
	known atomic.Int64 // the quantile in nanoseconds, 0 for none yet

	mu     sync.Mutex
	ring   [latencyWindow]time.Duration
	size   int
	next   int // the oldest, once the ring is full
	behind int // noted since the quantile was found
}

// note adds a latency and finds the quantile if it is time.
func (l *latencies) note(took time.Duration, quantile float64, least int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.next] = took
	l.next = (l.next + 1) % latencyWindow
	l.size = min(l.size+1, latencyWindow)
	l.behind++
	if l.size < least || l.behind < latencyStep && l.known.Load() != 0 {
		return
	}
	l.behind = 0
	sorted := l.ring
	slices.Sort(sorted[:l.size])
	rank := int(math.Ceil(quantile*float64(l.size))) - 1
	l.known.Store(max(1, int64(sorted[min(max(rank, 0), l.size-1)])))
}

// quantile returns it, 0 if too little is known.
func (l *latencies) quantile() time.Duration { return time.Duration(l.known.Load()) }

func (l *latencies) samples() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}
