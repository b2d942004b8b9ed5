package fleet

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

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
	part, _ := t.part()
	booked, owed := t.share.booked(now, part), 0.0
	if t.share.over(now) {
		// Those who wait for the share longer than for the bucket are late for what was
		// taken from there: it has earned that again, and others would send it too.
		owed = max(0, booked-part*max(0, t.link.tail.Sub(now)).Seconds())
		t.share.stop()
	}
	t.due.refund += float64(t.stock.expire(now))
	n := min(len(t.pending), maxBatch)
	r := request{
		epoch: t.link.epoch, clock: t.link.clock, elapsed: now.Sub(t.link.seen), wall: now, back: t.link.back, asks: t.pending[:n:n],
		tail: min(max(0, t.link.tail.Sub(now)), maxWait), accepted: t.accepted.Swap(0), refund: t.due.refund, owed: owed, limited: t.due.limited,
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
		r.owed = booked
	case t.share.on && t.share.until.IsZero(): // single failures: what they used is paid
		r.owed = t.share.taken
	}
	if wanted := int(t.demand.settle(now) * aheadWindow.Seconds()); !t.share.on && !r.limited && !now.Before(t.quiet) {
		r.ahead = max(0, min(wanted, int(t.rate.depth()/4))-len(t.stock.due))
		r.window = min(aheadWindow, t.rate.late())
	}
	t.due = duties{}
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
