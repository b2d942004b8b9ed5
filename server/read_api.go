package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// readAPI answers readers from the store, the cache and the service.
type readAPI struct {
	sessions store.Sessions // behind the guard, which bounds every call
	upstream *upstream
	keys     atomic.Pointer[keyring]
	verifier TokenVerifier // nil: keys only
	timeout  time.Duration
	slots    *slots
	log      *slog.Logger
	hide     func(*http.Request, error) string // takes ids out of an error
}

// storeTime is what the store has to answer.
const storeTime = 3 * time.Second

// The routes of the read API.
const (
	routeSession     = "/api/sessions/{session}"
	routeUserSession = "/api/users/{user}/sessions/{session}"
	routeSessions    = "/api/users/{user}/sessions"
	routeSummary     = "/api/users/{user}/summary"
	routeStatistics  = "/api/statistics"
	routeDocument    = "/api/openapi.yaml"
	routeAPI         = "/api/" // whatever else
	routeRoot        = "/api"
)

func (a *readAPI) open() bool { return a.verifier != nil || len(*a.keys.Load()) > 0 }

func (a *readAPI) routes(m *router) {
	a.route(m, routeSession, a.timeout, a.session, "user_id", "source")
	a.route(m, routeUserSession, a.timeout, a.session, "source")
	a.route(m, routeSessions, a.timeout, a.list, "from", "to", "timezone", "limit", "cursor", "source")
	a.route(m, routeStatistics, 2*a.timeout, a.statistics, "user_id", "from", "to", "timezone", "period", "source")
	a.route(m, routeSummary, 2*a.timeout, a.summary, "timezone", "source")
	m.get(routeDocument, serveDocument)
	for _, rest := range []string{routeAPI, routeRoot} {
		m.all(rest, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			webhook.WriteProblem(w, r, http.StatusNotFound, codeNotFound, "there is nothing at this path: "+routeDocument+" describes those there are")
		}))
	}
}

// route answers what fn makes of a question, within a time.
func (a *readAPI) route(m *router, path string, timeout time.Duration, fn func(context.Context, *question) (*reply, error), parameters ...string) {
	m.get(path, func(w http.ResponseWriter, r *http.Request) {
		if !a.open() {
			a.fail(w, r, &failure{status: http.StatusNotFound, code: codeOff, message: "the read API is off: READ_API_KEYS is not set"})
			return
		}
		p, err := a.within(r, timeout, func(ctx context.Context, held *slot) (*reply, error) {
			access, err := a.admit(ctx, r)
			if err != nil {
				return nil, admission(err)
			}
			q, err := ask(r, parameters...)
			if err != nil {
				return nil, err
			}
			exchangeOf(r).setUser(q.user)
			q.access, q.slot = access, held
			if q.user != "" && !access.To(q.user) {
				return nil, errNotYours
			}
			return fn(ctx, q)
		})
		if err != nil {
			a.fail(w, r, judge(err))
			return
		}
		p.write(w, r)
	})
}

// admission keeps apart who is refused, and who could not be judged.
func admission(err error) error {
	f := judge(err)
	if f.status == http.StatusUnauthorized || f.status == http.StatusGatewayTimeout {
		return f
	}
	return &failure{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "nobody can tell now whether this token is good: try again later", retry: time.Second, cause: err}
}

type outcome struct {
	reply    *reply
	err      error
	panicked any
}

// within waits for an answer no longer than the time. A [TokenVerifier] of somebody else
// may not care for its context, so it gets a goroutine that is left behind if need be, and
// then keeps its slot until it ends; the client does care, and the store has its guard.
func (a *readAPI) within(r *http.Request, timeout time.Duration, fn func(context.Context, *slot) (*reply, error)) (*reply, error) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	kind := a.slots.here
	if a.verifier != nil {
		kind = a.slots.away // it may ask somebody as well
	}
	held, err := kind.take(ctx)
	if err != nil {
		return nil, err
	}
	if a.verifier == nil {
		defer held.free()
		p, err := fn(ctx, held)
		if err != nil && ctx.Err() != nil {
			err = errTimeout
		}
		return p, err
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o = outcome{panicked: fmt.Sprintf("%v\n%s", p, debug.Stack())}
			}
			done <- o
			held.free()
		}()
		o.reply, o.err = fn(ctx, held)
	}()
	select {
	case o := <-done:
		if o.panicked != nil {
			panic(o.panicked) //nolint:forbidigo // for the layer that answers panics
		}
		return o.reply, o.err
	case <-ctx.Done():
		return nil, errTimeout
	}
}

// ofStore asks the store, which its guard gives a time, and judges its errors.
func ofStore[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	v, err := fn(ctx)
	return v, stored(err)
}

// ofUpstream is the client that asks the service, or the cache before it. The question
// does not hold up those that can be answered here meanwhile.
func (a *readAPI) ofUpstream(ctx context.Context, q *question) (*client.Client, error) {
	if err := q.slot.move(ctx, a.slots.away); err != nil {
		return nil, err
	}
	return a.upstream.client.Load(), nil
}

// told says of an answer of the client where it came from.
func told(o client.Origin) (source, time.Duration) {
	if o.Tier == cache.TierNone {
		return fromUpstream, 0
	}
	return fromCache, o.Age
}
