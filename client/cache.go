package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// WithCache keeps reports, list pages and averages in a cache, which may serve
// several clients and is the caller's to close, after them: loads that several calls
// share end with it. Nil keeps nothing.
//
// Kept are: complete reports for long; list pages and averages for minutes, until
// [Client.InvalidateUser] or a deletion through this client; unfinished reports and
// "not found" for seconds ([cache.Keep] says how long exactly). Never kept are users
// ([Client.User]), answers of [Client.Do], and failures.
func WithCache(c *cache.Cache) Option { return func(s *settings) { s.cache = c } }

// CacheStats is a cache at one moment.
type CacheStats = cache.Stats

// Origin says where an answer came from.
type Origin = cache.Origin

// SkipCache asks the service whatever is kept, and keeps its answer in place of
// that. A call with [RawResponse] does so too.
func SkipCache() CallOption { return func(s *callSettings) { s.skipCache = true } }

// CacheOnly answers from what is kept, without asking the service: what is
// missing is [ErrNotCached]. Calls whose answers are never kept are refused.
func CacheOnly() CallOption { return func(s *callSettings) { s.cacheOnly = true } }

// WithOrigin stores in into where the answer came from: zero if the service was
// asked. Of a call that makes several requests it is the last one's. A stale answer
// ([cache.Keep].StaleIfError) is marked there. Of a deletion it says in Deferred if the cache
// that processes share could not be told yet, and may still show to others what was deleted.
func WithOrigin(into *Origin) CallOption { return func(s *callSettings) { s.origin = into } }

// ErrNotCached says that a call with [CacheOnly] found nothing that it may show.
var ErrNotCached = errors.New("not in the cache")

// LayerCache is where an answer was given without asking the service: nothing was
// sent.
const LayerCache Layer = "cache"

// InvalidateUser takes back what may have changed of a user, list pages and
// averages above all, in this process and those that share the cache: it is for
// the receiver of webhooks, when a night completes. An error matches
// [cache.ErrDeferred]: others will hear of it later; calling again is safe. Without
// a cache it does nothing.
func (c *Client) InvalidateUser(ctx context.Context, userID string) error {
	return c.takeBack(ctx, "invalidateUser", userID, c.cache.Invalidate)
}

// ForgetUser takes everything of a user out of the cache, complete reports too.
// Deletions through this client do so by themselves. Errors are those of
// InvalidateUser.
func (c *Client) ForgetUser(ctx context.Context, userID string) error {
	return c.takeBack(ctx, "forgetUser", userID, c.cache.Erase)
}

func (c *Client) takeBack(ctx context.Context, op, userID string, take func(context.Context, cache.Owner) error) error {
	if problem := checkID(userID); problem != "" {
		return &Error{Op: op, Layer: LayerRequest, Err: &ParameterError{Parameter: "user id", Problem: problem}}
	}
	if err := take(ctx, c.owner(userID)); err != nil {
		return &Error{Op: op, Layer: LayerCache, Err: err, retryable: true}
	}
	return nil
}

func (c *Client) owner(userID string) cache.Owner { return cache.OwnerOf(c.tenant, userID) }

// forgetting takes everything of the user out of the cache, and returns a
// function that does it again: what is read while a deletion is under way must
// not outlive it. Whom the cache could not reach hears of it later, which fails no call: who
// wants to know asks for the origin.
func (k *call) forgetting(ctx context.Context) func() {
	if k.client.cache == nil || len(k.problems) > 0 {
		return func() {}
	}
	forget := func() {
		deferred := k.client.cache.Erase(ctx, k.client.owner(k.userID))
		if into := k.settings.origin; into != nil {
			*into = Origin{Deferred: deferred}
		}
	}
	forget()
	return forget
}

// loader asks the service: k is a copy of the call of its own, as a load may
// outlive the call that began it.
type loader[T any] func(ctx context.Context, k *call) (v T, raw string, err error)

// kept answers a checked call from the cache, else by load.
func kept[T any](ctx context.Context, k *call, kind *cache.Kind[T], id string, load loader[T]) (T, error) {
	c := k.client
	if c.cache == nil && !k.settings.cacheOnly {
		ctx, cancel := k.bounded(ctx)
		defer cancel()
		v, _, err := load(ctx, k)
		return v, err
	}
	k.capture(nil)
	told := c.watch.begin(k)
	key := cache.Key{Tenant: c.tenant, User: k.userID, ID: id}
	if k.zone != nil {
		key.Zone = *k.zone
	}
	mode := k.cacheMode()
	v, from, err := *new(T), Origin{}, cache.ErrMiss
	if mode != cache.Refresh {
		v, from, err = cache.Peek(c.cache, key, kind)
	}
	if err == cache.ErrMiss { //nolint:errorlint // it is never wrapped
		v, from, err = loadKept(ctx, k, key, kind, mode, load)
	} else {
		err = k.keptError(ctx, err)
	}
	if into := k.settings.origin; into != nil {
		*into = from
	}
	if told != nil {
		told(ctx, from, err)
	}
	return v, err
}

// loadKept is kept for what is not in the near tier. It stands apart so that a
// hit pays for nothing of it.
func loadKept[T any](ctx context.Context, k *call, key cache.Key, kind *cache.Kind[T], mode cache.Mode, load loader[T]) (T, Origin, error) {
	c := k.client
	ctx, cancel := k.bounded(ctx)
	defer cancel()
	asked := func(ctx context.Context) (T, string, error) {
		own := *k
		v, raw, err := load(ctx, &own)
		if e, ok := errors.AsType[*Error](err); ok && errors.Is(err, ErrNotFound) {
			err = &cache.AbsentError{Note: e.Detail, Err: err}
		}
		return v, raw, err
	}
	limit := cmp.Or(max(c.overall.after, k.overall()), cache.DefaultLoadTimeout)
	use := cache.Call{Mode: mode, Timeout: limit, Cause: &overallTimeout{after: limit}, Manner: k.settings.manner(), Trouble: Retryable}
	v, from, err := cache.Get(ctx, c.cache, key, kind, use, asked)
	if errors.Is(err, cache.ErrClosed) && ctx.Err() == nil { // while it waited: ask alone
		v, from, err = cache.Get(ctx, nil, key, kind, cache.Call{}, asked)
	}
	return v, from, k.keptError(ctx, err)
}

// cacheMode says how the call uses the cache.
func (k *call) cacheMode() cache.Mode {
	s := &k.settings
	switch {
	case s.cacheOnly:
		return cache.Only
	case s.skipCache, s.raw != nil:
		return cache.Refresh
	case s.batch && k.operation == opListSessions: // a batch is there to find what is new
		return cache.Refresh
	case s.batch: // its calls are counted and gated one by one
		return cache.Alone
	}
	return cache.Use
}

// manner parts calls that load in different ways: none must wait longer, or try
// less often, than its own options say.
func (s *callSettings) manner() string {
	if s.attempts == nil && s.attempt == nil && !s.patient {
		return ""
	}
	attempts, attempt := 0, time.Duration(0)
	if s.attempts != nil {
		attempts = *s.attempts
	}
	if s.attempt != nil {
		attempt = *s.attempt
	}
	return fmt.Sprint(attempts, attempt, s.patient)
}

// keptError makes an error of the call's own of what the cache returned, which
// other calls may be given too.
func (k *call) keptError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if absent, ok := errors.AsType[*cache.AbsentError](err); ok {
		if absent.Err == nil {
			return &Error{Op: k.name, StatusCode: http.StatusNotFound, Detail: absent.Note, Layer: LayerCache, Err: ErrNotFound}
		}
		err = absent.Err
	}
	if failure, ok := err.(*Error); ok { //nolint:errorlint // loads do not wrap it
		own := *failure
		return &own
	}
	switch {
	case errors.Is(err, cache.ErrMiss):
		return &Error{Op: k.name, Layer: LayerCache, Err: ErrNotCached}
	case ctx.Err() != nil:
		ended := &transport.Call{Result: transport.Result{Outcome: transport.Outcome{Class: transport.ClassCanceled}}}
		return k.unanswered(ended, transport.ContextError(ctx))
	}
	return &Error{Op: k.name, Layer: LayerCache, Err: k.client.redactor.err(err, k.userID)}
}

// CacheAnswer is what [Hooks].Cache is told.
type CacheAnswer struct {
	Op    string // as in [Operation]
	Route string
	Origin
	Duration time.Duration // of the call, loading included
	Err      error         // what the call returns
}

// cacheWatch tells the hooks what the cache did.
type cacheWatch struct {
	hooks  []func(context.Context, CacheAnswer)
	panics atomic.Uint64
}

// begin returns a function that tells how the call was answered, nil if nobody
// listens.
func (w *cacheWatch) begin(k *call) func(context.Context, Origin, error) {
	if len(w.hooks) == 0 {
		return nil
	}
	start := time.Now()
	return func(ctx context.Context, from Origin, err error) {
		for _, hook := range w.hooks {
			w.tell(ctx, hook, CacheAnswer{Op: k.name, Route: k.route, Origin: from, Duration: time.Since(start), Err: err})
		}
	}
}

func (w *cacheWatch) tell(ctx context.Context, hook func(context.Context, CacheAnswer), a CacheAnswer) {
	done := false
	defer func() {
		if !done {
			_ = recover()
			w.panics.Add(1)
		}
	}()
	hook(ctx, a)
	done = true
}
