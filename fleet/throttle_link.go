package fleet

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

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
	epoch    string        // "" if it was never seen
	seen     time.Time     // when the last answered exchange began,
	clock    int64         // and what the server's clock said then; 0 if there was none
	rate     float64       // per second
	members  int           // living processes, 0 if not known
	hold     time.Time     // until then members does not shrink: the others have to come back
	queue    time.Duration // how long it took then to earn all that was booked,
	tail     time.Time     // and when that is
	back     bool          // Redis was away since
	lastCut  time.Time     // of the rate, alone
	attempts uint64        // exchanges that were begun
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

// fly makes exchanges until nothing is left to be said, on a goroutine of its own. The
// lock is held.
func (t *Throttle) fly() {
	if t.flying || t.closed {
		return
	}
	t.flying = true
	t.wg.Go(func() {
		for {
			t.mu.Lock()
			idle := t.closed || t.guard.Away()
			if idle {
				t.dismiss()
			}
			if len(t.pending) == 0 && (idle || t.due == duties{}) {
				t.flying = false
				t.rouse()
				t.mu.Unlock()
				return
			}
			now := time.Now()
			r := t.request(now)
			t.mu.Unlock()
			got, err := redisconn.Call(t.life, t.guard, func(ctx context.Context) (reply, error) { return t.exchange(ctx, r) })
			t.mu.Lock()
			t.settle(now, r, got, err)
			t.mu.Unlock()
		}
	})
}

// dismiss sends those that wait to the share.
func (t *Throttle) dismiss() {
	now := time.Now()
	for _, a := range t.pending {
		t.deny(now, a)
	}
	t.pending = nil
}

func (t *Throttle) deny(now time.Time, a *ask) {
	if a.left {
		return
	}
	wait, ok, err := t.alone(now, a.cost, a.maxWait)
	a.done <- answer{wait, ok, err}
}

// request gathers what there is to say.
func (t *Throttle) request(now time.Time) request {
	if t.share.over(now) {
		t.share.stop()
	}
	t.due.refund += float64(t.stock.expire(now))
	n := min(len(t.pending), maxBatch)
	r := request{
		epoch: t.link.epoch, clock: t.link.clock, elapsed: now.Sub(t.link.seen), back: t.link.back, asks: t.pending[:n:n],
		tail: min(max(0, t.link.tail.Sub(now)), maxWait), accepted: t.accepted.Swap(0), refund: t.due.refund, limited: t.due.limited,
	}
	t.pending = t.pending[n:]
	if !r.back {
		r.queue = min(t.link.queue, maxWait)
	}
	if t.due.beat || r.back {
		r.beat = "beat"
	}
	if r.limited {
		r.quiet = max(0, t.quiet.Sub(now))
	}
	switch {
	case r.back:
		r.owed = t.share.booked()
	case t.share.on && t.share.until.IsZero(): // single failures: what they used is paid
		r.owed = t.share.taken
	}
	if wanted := int(t.demand.settle(now) * aheadWindow.Seconds()); !t.share.on && !r.limited && !now.Before(t.quiet) {
		r.ahead = max(0, min(wanted, int(t.rate.depth()/4))-len(t.stock.due))
		r.window = min(aheadWindow, t.rate.late())
	}
	t.due = duties{}
	t.link.attempts++
	return r
}

// settle takes the answer to r, which left at sent, and serves who asked.
func (t *Throttle) settle(sent time.Time, r request, got reply, err error) {
	now := time.Now()
	if err != nil {
		// What was given back may have arrived: it is not given twice. That the
		// upstream wants quiet can be said again.
		t.due.limited = t.due.limited || r.limited
		t.counts.failed++
		for _, a := range r.asks {
			t.deny(now, a)
		}
		return
	}
	t.counts.exchanges++
	t.learn(sent, now, r, got)
	for i, a := range r.asks {
		t.serve(now, a, got.waits[i])
	}
	t.stock.add(now, got.ahead...)
	for len(t.pending) > 0 && !t.pending[0].left { // came meanwhile
		a := t.pending[0]
		wait, ok := t.fromStock(now, a.cost, a.maxWait)
		if !ok {
			break
		}
		a.done <- answer{wait: wait, ok: true}
		t.pending = t.pending[1:]
	}
}

// learn takes over what an answer says of the bucket.
func (t *Throttle) learn(sent, now time.Time, r request, got reply) {
	l := &t.link
	if got.epoch != l.epoch {
		if l.epoch != "" {
			l.hold = now.Add(memberTTL)
		}
		l.epoch = got.epoch
	}
	if r.back {
		l.hold = now.Add(memberTTL)
		l.back = false
	}
	switch {
	case !t.share.on:
	case r.back:
		t.share.until = now.Add(settleTime)
	case t.share.until.IsZero():
		if t.share.taken -= r.owed; t.share.taken <= 0 {
			t.share.stop()
		}
	}
	l.seen, l.clock, l.rate = sent, got.clock, got.rate
	l.count(now, got.members)
	l.queue = got.tail()
	l.tail = now.Add(l.queue)
	t.hush(now, min(got.quiet, t.rate.MaxQuiet))
}

// serve hands a caller what the bucket gave, and in the while after an outage no
// more than the share has.
func (t *Throttle) serve(now time.Time, a *ask, granted int64) {
	wait, ok := verdict(granted)
	switch {
	case !ok:
	case a.left:
		t.due.refund += float64(a.cost)
		return
	case t.share.on:
		rate, burst := t.part()
		own, fits := t.share.take(now, a.cost, rate, burst, a.maxWait)
		if ok = fits; !ok {
			t.due.refund += float64(a.cost)
		}
		wait = max(wait, own)
	}
	if a.left {
		return
	}
	if ok {
		t.counts.reserved++
	} else {
		t.counts.refused++
	}
	a.done <- answer{wait: wait, ok: ok}
}

// rejoin is the probe while Redis is away: an exchange like any other, as a Redis that
// answers and does not write is of no use.
func (t *Throttle) rejoin(ctx context.Context) error {
	t.mu.Lock()
	now := time.Now()
	t.link.back = true
	held := t.pending
	t.pending = nil
	r := t.request(now)
	t.pending = held
	t.mu.Unlock()
	got, err := t.exchange(ctx, r)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(now, r, got, err)
	return err
}

// changed takes the news that Redis went or came.
func (t *Throttle) changed(away bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if away {
		t.link.back = true
		t.stock.drop()
		t.due.refund = 0
		t.share.start(later(time.Now(), t.link.tail))
		t.share.until = time.Time{}
		t.counts.outages++
	}
}

// beat has this process show that it lives, and hear the news, soon.
func (t *Throttle) beat() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due.beat = true
	t.fly()
}

// run beats, and takes tokens back that nobody used.
func (t *Throttle) run() {
	t.beat()
	next := time.Now().Add(beatEvery)
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-t.kick:
		case <-t.life.Done():
			return
		}
		now := time.Now()
		if !now.Before(next) {
			next = now.Add(beatEvery*9/10 + rand.N(beatEvery/5))
			t.beat()
		}
		t.mu.Lock()
		if n := t.stock.expire(now); n > 0 {
			t.due.refund += float64(n)
			t.fly()
		}
		wake := next
		if at := t.stock.nextExpiry(); !at.IsZero() && at.Before(wake) {
			wake = at
		}
		t.mu.Unlock()
		timer.Reset(time.Until(wake))
	}
}

// rouse has run look at its timer again.
func (t *Throttle) rouse() {
	if len(t.stock.due) == 0 {
		return
	}
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// close gives back what is left and leaves the others' count.
func (t *Throttle) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.end()
	t.guard.Close()
	t.wg.Wait()
	t.mu.Lock()
	t.dismiss()
	r := request{epoch: t.link.epoch, clock: t.link.clock, elapsed: time.Since(t.link.seen), beat: "bye", refund: t.due.refund + float64(t.stock.drop()), accepted: t.accepted.Swap(0)}
	t.mu.Unlock()
	// By the guard, which knows whether there is anybody to say good-bye to.
	_, _ = redisconn.Call(context.Background(), t.guard, func(ctx context.Context) (reply, error) { return t.exchange(ctx, r) })
}
