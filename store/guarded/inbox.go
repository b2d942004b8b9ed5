package guarded

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

type inbox struct {
	inner         store.Inbox
	reads, writes *breaker
}

func (i *inbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	return call(ctx, i.writes, i.writes.cfg.Timeout, func(ctx context.Context) ([]store.Receipt, error) { return i.inner.Put(ctx, events...) })
}

func (i *inbox) Claim(ctx context.Context, limit int, lease time.Duration) ([]store.Claim, error) {
	return call(ctx, i.writes, i.writes.cfg.Timeout, func(ctx context.Context) ([]store.Claim, error) { return i.inner.Claim(ctx, limit, lease) })
}

func (i *inbox) Extend(ctx context.Context, lease time.Duration, tokens ...store.Token) ([]store.Token, error) {
	return call(ctx, i.writes, i.writes.cfg.Timeout, func(ctx context.Context) ([]store.Token, error) { return i.inner.Extend(ctx, lease, tokens...) })
}

func (i *inbox) Settle(ctx context.Context, list ...store.Settlement) ([]store.Token, error) {
	return call(ctx, i.writes, i.writes.cfg.Timeout, func(ctx context.Context) ([]store.Token, error) { return i.inner.Settle(ctx, list...) })
}

func (i *inbox) List(ctx context.Context, q store.InboxQuery) ([]store.Entry, error) {
	return call(ctx, i.reads, i.reads.cfg.LongTimeout, func(ctx context.Context) ([]store.Entry, error) { return i.inner.List(ctx, q) })
}

func (i *inbox) Get(ctx context.Context, id string) (store.Entry, error) {
	return call(ctx, i.reads, i.reads.cfg.Timeout, func(ctx context.Context) (store.Entry, error) { return i.inner.Get(ctx, id) })
}

func (i *inbox) Replay(ctx context.Context, ids ...string) (int, error) {
	return call(ctx, i.writes, i.writes.cfg.LongTimeout, func(ctx context.Context) (int, error) { return i.inner.Replay(ctx, ids...) })
}

func (i *inbox) Purge(ctx context.Context, ids ...string) (int, error) {
	return call(ctx, i.writes, i.writes.cfg.LongTimeout, func(ctx context.Context) (int, error) { return i.inner.Purge(ctx, ids...) })
}

func (i *inbox) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	return call(ctx, i.writes, i.writes.cfg.LongTimeout, func(ctx context.Context) (int, error) { return i.inner.Sweep(ctx, before, limit) })
}

func (i *inbox) Depth(ctx context.Context) (store.Depth, error) {
	return call(ctx, i.reads, i.reads.cfg.Timeout, i.inner.Depth)
}

func (i *inbox) Wake() <-chan struct{} { return i.inner.Wake() }

// applying is an inbox that shares its database with the sessions.
type applying struct {
	*inbox

	inner store.Applier
}

func (a *applying) Apply(ctx context.Context, t store.Token, step string, w store.Write) ([]store.Outcome, error) {
	return call(ctx, a.writes, a.writes.cfg.Timeout, func(ctx context.Context) ([]store.Outcome, error) { return a.inner.Apply(ctx, t, step, w) })
}
