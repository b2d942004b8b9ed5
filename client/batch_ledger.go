package client

import "sync"

// ledger keeps which positions of the input are done. All before the low-water
// mark are; behind it, a ring of the size of the window holds a bit and a link of
// the chain of ids for each. So its size depends on the window alone.
type ledger struct {
	window int64
	moved  chan struct{} // the low-water mark has moved; one place

	mu      sync.Mutex
	low     int64   // all before it are done
	end     int64   // behind the last one done
	read    int64   // behind the last one read
	done    int64   // how many are
	failed  int64   // users, over all runs
	lowHash idChain // of the ids before low
	bits    []uint64
	chain   []idChain // of the ids up to each position
}

// newLedger begins where the token says; the chain is filled in as the input is
// read again.
func newLedger(window int, resume ResumeToken) *ledger {
	w := max(int64(window), resume.end()-resume.low)
	l := &ledger{
		window: w, moved: make(chan struct{}, 1),
		low: resume.low, end: resume.end(), done: resume.Done(), failed: resume.failed,
		bits: make([]uint64, (w+63)/64), chain: make([]idChain, w),
	}
	for i := l.low; i < l.end; i++ {
		if resume.has(i) {
			l.set(i)
		}
	}
	return l
}

// room reports whether a position is within the window.
func (l *ledger) room(index int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return index < l.low+l.window
}

// note takes down the next position read, which is within the window.
func (l *ledger) note(index int64, chain idChain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = index + 1
	if index < l.low {
		l.lowHash = chain
		return
	}
	l.chain[index%l.window] = chain
}

// finish marks a position done.
func (l *ledger) finish(index int64, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(index)
	l.done++
	if failed {
		l.failed++
	}
	l.end = max(l.end, index+1)
	before := l.low
	for l.low < l.end && l.has(l.low) {
		i := l.low % l.window
		l.bits[i/64] &^= 1 << (i % 64)
		l.lowHash = l.chain[i]
		l.low++
	}
	if l.low > before {
		select {
		case l.moved <- struct{}{}:
		default:
		}
	}
}

func (l *ledger) set(index int64) {
	i := index % l.window
	l.bits[i/64] |= 1 << (i % 64)
}

func (l *ledger) has(index int64) bool {
	i := index % l.window
	return l.bits[i/64]>>(i%64)&1 != 0
}

// token returns what is done as a token of like.
func (l *ledger) token(like ResumeToken) ResumeToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	like.low, like.failed, like.hash, like.beyond = l.low, l.failed, l.lowHash, ""
	if l.end > l.low {
		beyond := make([]byte, (l.end-l.low+7)/8)
		for i := l.low; i < l.end; i++ {
			if l.has(i) {
				beyond[(i-l.low)/8] |= 1 << ((i - l.low) % 8)
			}
		}
		like.beyond = string(beyond)
		like.hash = l.chain[(l.end-1)%l.window]
	}
	return like
}

// state returns how many positions were read and how many of those are done.
func (l *ledger) state() (read, done int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read, l.done
}
