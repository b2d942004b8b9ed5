package fleet

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

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
	now := time.Now()
	r := request{
		epoch: t.link.epoch, clock: t.link.clock, elapsed: now.Sub(t.link.seen), wall: now, beat: "bye",
		refund: t.due.refund + float64(t.stock.drop()), accepted: t.accepted.Swap(0),
	}
	t.mu.Unlock()
	// By the guard, which knows whether there is anybody to say good-bye to.
	_, _ = redisconn.Call(context.Background(), t.guard, func(ctx context.Context) (reply, error) { return t.exchange(ctx, r) })
}
