package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/webhook"
)

// upstream is the way to the API: a client that can be exchanged for one with
// another key, and what was last seen of the other side.
type upstream struct {
	settings Upstream
	options  []client.Option
	client   atomic.Pointer[client.Client]
	seen     atomic.Pointer[sight]

	log         *slog.Logger
	invalidates bool         // there is a cache
	deferring   atomic.Bool  // the one that is shared missed the last news
	own         *cache.Cache // the one that was made here, if it was
}

// sight is the last attempt.
type sight struct {
	at     time.Time
	op     string
	class  string
	status int
	took   time.Duration
}

// newUpstream makes the way. What was answered is kept in the cache given, else in one of
// its own, if the settings allow it.
func newUpstream(cfg Config, hooks client.Hooks, log *slog.Logger, kept *cache.Cache) (*upstream, error) {
	u := cfg.Upstream
	up := &upstream{settings: u, log: log}
	switch {
	case !cfg.Caching:
		kept = nil
	case kept == nil:
		var err error
		if kept, err = newCache(cfg.CacheTTL); err != nil {
			return nil, err
		}
		up.own = kept
	}
	up.options = append(u.clientOptions(), client.WithLogger(log), client.WithHooks(hooks), client.WithHooks(client.Hooks{AttemptEnd: up.look}))
	if kept != nil {
		up.options, up.invalidates = append(up.options, client.WithCache(kept)), true
	}
	return up, up.use(u.APIKey)
}

// use makes all calls from now on with another key.
func (u *upstream) use(key Secret) error {
	c, err := client.New(key.Reveal(), u.options...)
	if err != nil {
		return err
	}
	u.settings.APIKey = key
	if old := u.client.Swap(c); old != nil {
		return old.Close() // idle connections only: calls under way go on
	}
	return nil
}

func (u *upstream) stats() client.Stats { return u.client.Load().Stats() }

func (u *upstream) close() error {
	err := u.client.Load().Close()
	if u.own != nil {
		err = errors.Join(err, u.own.Close())
	}
	return err
}

// maxCache is the memory for what the service said, in bytes: some 2,500 nights.
const maxCache = 32 << 20

func newCache(ttl time.Duration) (*cache.Cache, error) {
	near, err := memory.New(memory.Options{MaxBytes: maxCache})
	if err != nil {
		return nil, err
	}
	keep := cache.DefaultKeep()
	if ttl > 0 {
		keep.Mutable = ttl
	}
	return cache.New(near, cache.WithKeep(keep))
}

func (u *upstream) look(_ context.Context, op *client.Operation, a *client.Attempt) {
	if a.Class != "canceled" { // that would say something about us
		u.seen.Store(&sight{at: time.Now(), op: op.Op, class: a.Class, status: a.StatusCode, took: a.Duration})
	}
}

// invalidator is what the pipeline tells of news, nil without a cache.
func (u *upstream) invalidator() webhook.Invalidator {
	if !u.invalidates {
		return nil
	}
	return u
}

// Invalidate implements [webhook.Invalidator]. A shared tier that is away is no reason to
// wait: it will be told before it is read again, and nobody else can read it either.
func (u *upstream) Invalidate(ctx context.Context, user string) error {
	err := u.client.Load().InvalidateUser(ctx, user)
	switch {
	case err == nil:
		u.deferring.Store(false)
	case errors.Is(err, cache.ErrDeferred):
		if !u.deferring.Swap(true) { // once an outage, not once an event
			u.log.LogAttrs(ctx, slog.LevelWarn, "the shared cache is away and will be told of news later", slog.Any("error", err))
		}
		return nil
	case errors.Is(err, client.ErrInvalid): // an id that no call takes: nothing is kept of it
		return nil
	}
	return err
}

// FetchSession implements [webhook.Fetcher]. It never believes a cache.
func (u *upstream) FetchSession(ctx context.Context, user, session string) (*asleep.Report, error) {
	report, err := u.client.Load().Session(ctx, user, session, client.SkipCache())
	switch {
	case err == nil:
		return report, nil
	case errors.Is(err, client.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", webhook.ErrNoSession, err)
	case errors.Is(err, client.ErrUserIDInvalid), errors.Is(err, client.ErrInvalid):
		return nil, webhook.Drop(err)
	case errors.Is(err, client.ErrDecode), errors.Is(err, client.ErrBodyTooLarge):
		return nil, webhook.RetryIn(undecodableWait, err) // of this session, not of the service
	}
	return nil, err
}

// undecodableWait is how long to wait before an answer that made no sense is
// asked for again.
const undecodableWait = 2 * time.Second

// What the watch goes by.
const (
	sightLasts   = 30 * time.Second // without calls, the service is asked how it is
	upstreamsAge = 5 * time.Second
	slowAnswer   = 3 * time.Second // longer than that is trouble
)

// check is the part "upstream" of the health. What calls have met tells; only if
// they met trouble, or there were none for a while, or none that are under way
// have ended for too long, the service is asked, which costs a request.
func (u *upstream) check() Check {
	return Check{Name: "upstream", Every: upstreamsAge, Ask: func(ctx context.Context) error {
		last := u.seen.Load()
		lasts := sightLasts
		if u.stats().Bulkhead.InFlight > 0 {
			lasts = slowAnswer
		}
		if last == nil || time.Since(last.at) > lasts || last.trouble() != nil {
			if err := u.client.Load().Ping(ctx); err != nil {
				return err
			}
			last = u.seen.Load()
		}
		return last.trouble()
	}}
}

// trouble is what an attempt says about the service and the account.
func (s *sight) trouble() error {
	if s == nil {
		return nil
	}
	switch s.class {
	case "transient", "transport", "timeout", "redirect", "too_large":
		return fmt.Errorf("the service does not work: %s, status %d", s.class, s.status)
	case "quota_exceeded", "plan_expired", "forbidden":
		return fmt.Errorf("the service refuses this account: %s", s.class)
	}
	if s.took > slowAnswer {
		return fmt.Errorf("the service takes %v to answer", s.took)
	}
	if s.op == "ping" && s.status == http.StatusUnauthorized {
		return errors.New("the service refuses the API key")
	}
	return nil
}

// breakerCheck is the part "breaker" of the health.
func (u *upstream) breakerCheck() Check {
	return Check{Name: "breaker", Ask: func(context.Context) error {
		for _, b := range u.stats().Breakers {
			if b.State != "closed" && b.State != "forced_closed" {
				return fmt.Errorf("the breaker of %s is %s", b.Name, b.State)
			}
		}
		return nil
	}}
}
