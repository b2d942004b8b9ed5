package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// maxClaim is how many events are claimed in one commit.
const maxClaim = 256

// claimer claims events and keeps their leases alive. It does both on one
// goroutine and extends first, so that an inbox that was away, or a process that
// was stopped, for longer than a lease does not hand out anew what is still held.
type claimer struct {
	*shift
	failures  int
	notBefore time.Time // while the inbox is away
	extended  time.Time
	average   int // size of a body, of late
}

// claim runs until over is closed.
func (s *shift) claim(over <-chan struct{}) {
	c := claimer{shift: s, extended: time.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	wake := s.p.inbox.Wake()
	for {
		select {
		case <-over:
			return
		case <-timer.C:
		case <-wake:
		case <-s.nudge:
		}
		timer.Reset(c.turn())
	}
}

// turn does what is due and returns when the next turn is, if nothing wakes the
// claimer before.
func (c *claimer) turn() time.Duration {
	now := time.Now()
	if wait := c.notBefore.Sub(now); wait > 0 {
		return wait
	}
	again, err := false, c.extend(now)
	if err == nil && !c.stopping.Load() && !c.settler.failing.Load() {
		again, err = c.take()
	}
	if err != nil {
		c.failures++
		c.p.isAway(c.work, err)
		wait := backoff(c.failures, awayFirst, awayLongest)
		c.notBefore = now.Add(wait)
		return wait
	}
	if c.failures > 0 {
		c.failures = 0
		c.p.isBack(c.work)
	}
	if again {
		return 0
	}
	wait := min(c.p.work.Poll, time.Until(c.extended.Add(c.p.work.Lease/3)))
	if due := c.due.next(now); !due.IsZero() {
		wait = min(wait, time.Until(due))
	}
	return max(wait, 0)
}

// take claims as many as there is room for; again is true if there may be more.
func (c *claimer) take() (again bool, err error) {
	l := c.lanes[0]
	room := l.room()
	if room < cap(l.queue)/heldPerWorker {
		return false, nil // the settler nudges when there is
	}
	n := min(room, maxClaim, c.affordable())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.work), c.p.work.Lease/3)
	defer cancel()
	claims, err := c.p.inbox.Claim(ctx, n, c.p.work.Lease)
	if errors.Is(err, store.ErrSealed) {
		c.p.log.LogAttrs(ctx, slog.LevelError, "events cannot be decrypted: is a key missing?", slog.String("error", err.Error()))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.p.claimed.Add(uint64(len(claims)))
	for _, claim := range claims {
		c.average += (len(claim.Body) - c.average) / 16
		if j := c.add(claim); c.stopping.Load() || !l.offer(j) {
			c.release(j, time.Time{}, "")
		}
	}
	return len(claims) == n, nil
}

// maxHeldBytes bounds the bodies in memory, by their usual size.
const maxHeldBytes = 64 << 20

// affordable is how many events may be claimed without holding too many bytes.
func (c *claimer) affordable() int {
	return max(1, maxHeldBytes/max(1, c.average)-c.holds())
}

// extend lengthens the leases of which a third has passed, when a third of one
// has passed since the last time.
func (c *claimer) extend(now time.Time) error {
	lease := c.p.work.Lease
	if now.Sub(c.extended) < lease/3 {
		return nil
	}
	var tokens []store.Token
	c.mu.Lock()
	for token, j := range c.jobs {
		if j.until.Sub(now) <= lease*2/3 {
			tokens = append(tokens, token)
		}
	}
	c.mu.Unlock()
	for len(tokens) > 0 {
		n := min(len(tokens), maxClaim)
		if err := c.extendSome(lease, tokens[:n]); err != nil {
			return err
		}
		tokens = tokens[n:]
	}
	c.extended = now
	return nil
}

func (c *claimer) extendSome(lease time.Duration, tokens []store.Token) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.work), lease/3)
	defer cancel()
	until := time.Now().Add(lease)
	lost, err := c.p.inbox.Extend(ctx, lease, tokens...)
	if err != nil {
		return err
	}
	c.mu.Lock()
	for _, token := range tokens {
		if j := c.jobs[token]; j != nil {
			j.until = until
		}
	}
	c.mu.Unlock()
	c.lose(lost)
	return nil
}

// lose gives up jobs whose claims are over: their events were erased, or another
// processor has them.
func (c *claimer) lose(tokens []store.Token) {
	for _, token := range tokens {
		c.mu.Lock()
		j := c.jobs[token]
		c.mu.Unlock()
		if j != nil {
			j.isLost.Store(true)
			j.cancel(store.ErrLeaseLost)
		}
	}
}
