package guarded

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

type sessions struct {
	inner         store.Sessions
	reads, writes *breaker
}

func (s *sessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	return call(ctx, s.writes, s.writes.cfg.Timeout, func(ctx context.Context) ([]store.Outcome, error) { return s.inner.Put(ctx, list...) })
}

func (s *sessions) Get(ctx context.Context, id string) (store.Session, error) {
	return call(ctx, s.reads, s.reads.cfg.Timeout, func(ctx context.Context) (store.Session, error) { return s.inner.Get(ctx, id) })
}

func (s *sessions) List(ctx context.Context, q store.Query) ([]store.Session, error) {
	return call(ctx, s.reads, s.reads.cfg.LongTimeout, func(ctx context.Context) ([]store.Session, error) { return s.inner.List(ctx, q) })
}

func (s *sessions) Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	return call(ctx, s.reads, s.reads.cfg.LongTimeout, func(ctx context.Context) ([]store.Bucket, error) { return s.inner.Stats(ctx, q) })
}

func (s *sessions) PutWindow(ctx context.Context, list ...store.Window) ([]store.Outcome, error) {
	return call(ctx, s.writes, s.writes.cfg.Timeout, func(ctx context.Context) ([]store.Outcome, error) { return s.inner.PutWindow(ctx, list...) })
}

func (s *sessions) Partial(ctx context.Context, id string) (store.Partial, error) {
	return call(ctx, s.reads, s.reads.cfg.Timeout, func(ctx context.Context) (store.Partial, error) { return s.inner.Partial(ctx, id) })
}

func (s *sessions) Partials(ctx context.Context, user string) ([]store.Partial, error) {
	return call(ctx, s.reads, s.reads.cfg.LongTimeout, func(ctx context.Context) ([]store.Partial, error) { return s.inner.Partials(ctx, user) })
}

func (s *sessions) Delete(ctx context.Context, user, id string, until time.Time) (bool, error) {
	return call(ctx, s.writes, s.writes.cfg.Timeout, func(ctx context.Context) (bool, error) { return s.inner.Delete(ctx, user, id, until) })
}

func (s *sessions) EraseUser(ctx context.Context, user string, until time.Time) (store.Erasure, error) {
	return call(ctx, s.writes, s.writes.cfg.LongTimeout, func(ctx context.Context) (store.Erasure, error) { return s.inner.EraseUser(ctx, user, until) })
}

func (s *sessions) Expire(ctx context.Context, before time.Time, limit int) (int, error) {
	return call(ctx, s.writes, s.writes.cfg.LongTimeout, func(ctx context.Context) (int, error) { return s.inner.Expire(ctx, before, limit) })
}
