package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// sick is a store that is asked before every call how it is; nil is well.
type sick struct {
	store.Store

	reads, writes atomic.Pointer[func(context.Context) error]
	asked         atomic.Int64
}

func (s *sick) is(reads, writes func(context.Context) error) {
	s.reads.Store(&reads)
	s.writes.Store(&writes)
}

func (s *sick) ask(ctx context.Context, kind *atomic.Pointer[func(context.Context) error]) error {
	s.asked.Add(1)
	if do := kind.Load(); do != nil && *do != nil {
		return (*do)(ctx)
	}
	return nil
}

func refuses(context.Context) error   { return store.ErrUnavailable }
func hangs(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func (s *sick) Ping(ctx context.Context) error {
	if err := s.ask(ctx, &s.reads); err != nil {
		return err
	}
	return s.ask(ctx, &s.writes)
}

func (s *sick) Sessions() store.Sessions { return sickSessions{s.Store.Sessions(), s} }

func (s *sick) Inbox() (store.Inbox, error) {
	i, err := s.Store.Inbox()
	return sickInbox{i, s}, err
}

type sickSessions struct {
	store.Sessions

	s *sick
}

func (s sickSessions) Get(ctx context.Context, id string) (store.Session, error) {
	if err := s.s.ask(ctx, &s.s.reads); err != nil {
		return store.Session{}, err
	}
	return s.Sessions.Get(ctx, id)
}

func (s sickSessions) List(ctx context.Context, q store.Query) ([]store.Session, error) {
	if err := s.s.ask(ctx, &s.s.reads); err != nil {
		return nil, err
	}
	return s.Sessions.List(ctx, q)
}

func (s sickSessions) Stats(ctx context.Context, q store.StatsQuery) ([]store.Bucket, error) {
	if err := s.s.ask(ctx, &s.s.reads); err != nil {
		return nil, err
	}
	return s.Sessions.Stats(ctx, q)
}

func (s sickSessions) Put(ctx context.Context, list ...store.Session) ([]store.Outcome, error) {
	if err := s.s.ask(ctx, &s.s.writes); err != nil {
		return nil, err
	}
	return s.Sessions.Put(ctx, list...)
}

type sickInbox struct {
	store.Inbox

	s *sick
}

func (i sickInbox) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	if err := i.s.ask(ctx, &i.s.writes); err != nil {
		return nil, err
	}
	return i.Inbox.Put(ctx, events...)
}

func (i sickInbox) Depth(ctx context.Context) (store.Depth, error) {
	if err := i.s.ask(ctx, &i.s.reads); err != nil {
		return store.Depth{}, err
	}
	return i.Inbox.Depth(ctx)
}

// withSick is a service in a bubble, over a store that does as it is told.
func withSick(t *testing.T, opts ...server.Option) (bench, *sick) {
	t.Helper()
	cfg := configured()
	cfg.Reading.Keys, cfg.Caching, cfg.Limits.Enabled = []server.Secret{server.NewSecret(readKey)}, false, false
	db := &sick{Store: memory.New()}
	b := bench{nil, &lines{}}
	s, err := server.New(cfg, db, opts...)
	if err != nil {
		t.Fatal(err)
	}
	b.Service = s
	return b, db
}

const anEvent = `{"event":"SESSION_COMPLETE","version":"V3","user_id":"user-0001","session_id":"night-1",` +
	`"sleep_data":{"session":{"id":"night-1","state":"COMPLETE","start_time":"2026-03-14T22:00:00+09:00","end_time":"2026-03-15T06:00:00+09:00","sleep_stages":[0,1,2]}}}`

// delivered sends an event and says what became of it, and after how long.
func (b bench) delivered(t *testing.T) (w *httptest.ResponseRecorder, took time.Duration) {
	t.Helper()
	r, err := webhook.Sender{Key: apiKey, Secret: secret, UserID: "user-0001"}.NewRequest(t.Context(), "http://receiver.example/webhook", anEvent)
	if err != nil {
		t.Fatal(err)
	}
	w = httptest.NewRecorder()
	begun := time.Now()
	b.Handler().ServeHTTP(w, r)
	return w, time.Since(begun)
}

// part is how a part of the health is, and the answer of /ready.
func (b bench) part(t *testing.T, name string) (server.Status, string) {
	t.Helper()
	time.Sleep(time.Second) // what was found before is old
	return b.Health(t.Context()).Checks[name].Status, ask(b.Handler(), http.MethodGet, "/ready", "").Body.String()
}

func (b bench) breaker(t *testing.T, name string) server.Breaker {
	t.Helper()
	list := decode[struct{ Breakers []server.Breaker }](t, b.admin(http.MethodGet, "/circuit-breaker/status", "").Body).Breakers
	n := slices.IndexFunc(list, func(b server.Breaker) bool { return b.Name == name })
	if n < 0 {
		t.Fatalf("there is no breaker %s in %+v", name, list)
	}
	return list[n]
}

func TestDeliveriesToAHangingDatabaseAreAnsweredAtOnceAfterFiveAndTakenWithinASecondOfItsReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, db := withSick(t)
		b.Start(t.Context())
		db.is(hangs, hangs)
		for n := range 5 {
			if w, took := b.delivered(t); w.Code != 503 || took < 3*time.Second || took > 3500*time.Millisecond || w.Header().Get("Retry-After") != "5" {
				t.Errorf("delivery %d: %d after %v, %v", n, w.Code, took, w.Header())
			}
		}
		before := db.asked.Load()
		for range 1000 {
			if w, took := b.delivered(t); w.Code != 503 || took != 0 || w.Header().Get("Retry-After") != "1" || decode[webhook.Problem](t, w.Body).Code != "unavailable" {
				t.Errorf("%d after %v, %v", w.Code, took, w.Header())
				break
			}
		}
		if n := db.asked.Load() - before; n != 0 {
			t.Errorf("the database was asked %d times", n)
		}
		if got := b.breaker(t, "store_writes"); got.State != "open" || got.Opened != 1 || got.Refused != 1000 || got.Since.IsZero() {
			t.Errorf("%+v", got)
		}
		if got, ready := b.part(t, "database"); got != server.Unhealthy || !strings.Contains(ready, `"unhealthy"`) || !strings.Contains(ready, `"database"`) {
			t.Errorf("the database is %s, /ready says %s", got, ready)
		}
		db.is(nil, nil)
		time.Sleep(time.Second)
		if w, took := b.delivered(t); w.Code != 200 || took != 0 {
			t.Errorf("after its return: %d after %v", w.Code, took)
		}
		if got, ready := b.part(t, "database"); got != server.Healthy || !strings.Contains(ready, `"ready"`) || b.breaker(t, "store_writes").State != "closed" {
			t.Errorf("the database is %s, /ready says %s", got, ready)
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestADatabaseThatIsBackIsFoundWithoutTraffic: health asks, where nobody else does.
func TestADatabaseThatIsBackIsFoundWithoutTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, db := withSick(t)
		b.Start(t.Context())
		db.is(refuses, refuses)
		for range 5 {
			_, _ = b.delivered(t)
		}
		for range 5 {
			if got, ready := b.part(t, "database"); got != server.Unhealthy || !strings.Contains(ready, `"database"`) {
				t.Errorf("the database is %s, /ready says %s", got, ready)
			}
		}
		db.is(nil, nil)
		if got, ready := b.part(t, "database"); got != server.Healthy || !strings.Contains(ready, `"ready"`) {
			t.Errorf("the database is %s, /ready says %s", got, ready)
		}
		if got := b.breaker(t, "store_writes").State; got != "half_open" {
			t.Errorf("nobody has brought an event, and the breaker is %s", got)
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestADatabaseThatCannotBeWrittenIsStillRead: and its answers to readers do not hide
// from deliveries that it hangs.
func TestADatabaseThatCannotBeWrittenIsStillRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, db := withSick(t)
		db.is(nil, hangs)
		read := func() int { return b.from("192.0.2.1:1", storedPaths[1]).Code }
		for range 5 {
			if w, _ := b.delivered(t); w.Code != 503 {
				t.Errorf("a delivery: %d", w.Code)
			}
			if got := read(); got != 200 {
				t.Errorf("a read: %d", got)
			}
		}
		if w, took := b.delivered(t); w.Code != 503 || took != 0 {
			t.Errorf("a delivery: %d after %v", w.Code, took)
		}
		if got := read(); got != 200 || b.breaker(t, "store_reads").State != "closed" {
			t.Errorf("a read: %d", got)
		}
	})
}

// TestTheBreakerDoesNotHurtTheWorkers: what works in the background asks the store
// itself, and says nothing to the breaker.
func TestTheBreakerDoesNotHurtTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		worked := make(chan struct{}, 10)
		b, db := withSick(t, server.WithSteps(webhook.Step{Name: "own", Do: func(context.Context, *webhook.Task) error {
			worked <- struct{}{}
			return nil
		}}))
		for range 3 { // of one key, so one event
			if w, _ := b.delivered(t); w.Code != 200 {
				t.Fatal(w.Code)
			}
		}
		db.is(nil, refuses)
		for range 5 {
			_, _ = b.delivered(t)
		}
		db.is(nil, nil)
		b.Start(t.Context())
		<-worked // claimed, stored and worked while the breaker is open
		synctest.Wait()
		if got := b.breaker(t, "store_writes"); got.State != "open" || got.FailuresInARow != 5 {
			t.Errorf("%+v", got)
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTheServiceStandsInForADeadDatabase: reads are answered by the cache or the
// service, and say so.
func TestTheServiceStandsInForADeadDatabase(t *testing.T) {
	t.Parallel()
	cfg, fake := readable(t)
	db := &sick{Store: memory.New()}
	r := readingOf(t, cfg, db, fake)
	ids := r.keep(t, "user-0001")
	paths := []string{"/api/users/user-0001/sessions/" + ids[0], "/api/sessions/" + ids[0] + "?user_id=user-0001", "/api/users/user-0001/sessions", "/api/users/user-0001/summary", "/api/statistics?user_id=user-0001"}
	page := r.get(t, "/api/users/user-0001/sessions?limit=2")
	next := decode[struct {
		Next string `json:"next_cursor"`
	}](t, page.Body).Next
	db.is(refuses, refuses)
	for _, path := range paths {
		for range 2 {
			if w := r.get(t, path); w.Code != 200 || w.Header().Get("X-Source") != "upstream" && w.Header().Get("X-Source") != "cache" {
				t.Errorf("%s: %d from %q: %s", path, w.Code, w.Header().Get("X-Source"), w.Body)
			}
		}
	}
	for name, path := range map[string]string{
		"a night of nobody knows whom":   "/api/sessions/" + ids[0],
		"what is made of the store":      "/api/statistics?user_id=user-0001&period=daily",
		"the rest of a list":             "/api/users/user-0001/sessions?limit=2&cursor=" + next,
		"what the service does not know": "/api/users/user-0001/sessions/unknown",
	} {
		if w := r.get(t, path); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	fake.StartOutage(asleeptest.BadGateway())
	if w := r.get(t, paths[0]); w.Code != 200 || w.Header().Get("X-Source") != "cache" {
		t.Errorf("what is cached: %d %s", w.Code, w.Body)
	}
	if w := r.get(t, "/api/users/user-0002/sessions"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("nobody can answer: %d %s", w.Code, w.Body)
	}
	if strings.Contains(r.log.String(), "user-000") {
		t.Errorf("the log has a user id:\n%s", r.log)
	}
}
