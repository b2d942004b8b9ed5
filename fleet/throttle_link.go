package fleet

import "time"

const (
	// beatEvery is how often a process shows that it lives; memberTTL is how long
	// it is believed to.
	beatEvery = time.Second
	memberTTL = 3 * time.Second
	// settleTime is how long after an outage a process also keeps to its share: by
	// then all others are back, or no more.
	settleTime = 2 * time.Second
	// maxBatch bounds the callers served in one exchange.
	maxBatch = 256
	// aheadWindow is for how long tokens are taken ahead.
	aheadWindow = 20 * time.Millisecond
)

// link is what is known of the shared bucket.
type link struct {
	epoch   string        // "" if it was never seen
	seen    time.Time     // when the last answered exchange began,
	clock   int64         // and what the server's clock said then; 0 if there was none
	rate    float64       // per second
	members int           // living processes, 0 if not known
	hold    time.Time     // until then members does not shrink: the others have to come back
	queue   time.Duration // how long it took then to earn all that was booked,
	tail    time.Time     // and when that is
	back    bool          // Redis was away since
	lastCut time.Time     // of the rate, alone
}

// cut lowers the rate of the share, once a second.
func (l *link) cut(now time.Time, floor float64) {
	if now.Sub(l.lastCut) < time.Second {
		return
	}
	l.lastCut = now
	l.rate = max(floor, l.rate*0.8)
}

// count takes the number of living processes over.
func (l *link) count(now time.Time, members int) {
	if members > l.members || members > 0 && now.After(l.hold) {
		l.members = members
	}
}

// demand is how many tokens per second this process asks for, smoothed.
type demand struct {
	asked int
	since time.Time
	rate  float64
}

func (d *demand) add(cost int) { d.asked += cost }

func (d *demand) settle(now time.Time) float64 {
	const smooth = 50 * time.Millisecond
	if d.since.IsZero() {
		d.since = now
	}
	if passed := now.Sub(d.since); passed >= smooth {
		d.rate += (float64(d.asked)/passed.Seconds() - d.rate) / 2
		d.asked, d.since = 0, now
	}
	return d.rate
}
