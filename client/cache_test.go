package client_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// newCache makes a cache with a near tier and, on a hub, a far one.
func newCache(tb testing.TB, hub *cachetest.Hub, opts ...cache.Option) *cache.Cache {
	tb.Helper()
	if hub != nil {
		opts = append(opts, cache.WithFar(hub.Link()))
	}
	c, err := cache.New(new(cachetest.Map), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// cached gives the upstream a client with a cache, made inside the bubble.
func (u *upstream) cached(opts ...cache.Option) {
	u.client = newClient(u, client.WithBaseURL("http://localhost"), client.WithRetry(client.Retry{}),
		client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: u.net.DialContext}}), client.WithCache(newCache(u, nil, opts...)))
}

// complete is a report that never changes, of the session.
func complete(t *testing.T, id string) string {
	t.Helper()
	body := fixture(t, "session_complete_timezone_seoul.json")
	var env struct{ Result asleep.Report }
	mustDecode(t, body, &env)
	return strings.ReplaceAll(body, env.Result.Session.ID, id)
}

// recorder is an upstream that answers by path and notes what was asked.
type recorder struct {
	mu      sync.Mutex
	asked   []string
	answers map[string]string // by method and the beginning of the path
	status  int               // 0 is 200
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, req.Method+" "+req.URL.Path+" "+req.Header.Get("X-User-Id")+" "+req.Header.Get("Timezone")+" "+req.URL.RawQuery)
	if r.status != 0 {
		return response(req, r.status, `{"detail":"it went wrong"}`), nil
	}
	for prefix, body := range r.answers {
		if strings.HasPrefix(req.Method+" "+req.URL.Path, prefix) {
			return response(req, http.StatusOK, body), nil
		}
	}
	return response(req, http.StatusNoContent, ""), nil
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

func (r *recorder) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	return &recorder{answers: map[string]string{
		"GET /data/v3/sessions/": complete(t, session),
		"GET /data/v1/sessions":  fixture(t, "list_mixed_states.json"),
		"GET /data/v1/users/":    fixture(t, "average_stats_full.json"),
		"GET /ai/v1/users/":      fixture(t, "user_get.json"),
	}}
}

// client returns a client before the recorder.
func (r *recorder) client(tb testing.TB, c *cache.Cache, opts ...client.Option) *client.Client {
	tb.Helper()
	return newClient(tb, append([]client.Option{
		client.WithHTTPClient(&http.Client{Transport: transport.RoundTripFunc(r.RoundTrip)}), client.WithRetry(client.Retry{}), client.WithCache(c),
	}, opts...)...)
}

// reads are the calls whose answers are kept.
var reads = map[string]func(context.Context, *client.Client, ...client.CallOption) (any, error){
	"report": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.Session(ctx, user, session, o...)
	},
	"page": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.ListSessions(ctx, user, client.PageQuery{PageSize: 5}, o...)
	},
	"averages": func(ctx context.Context, c *client.Client, o ...client.CallOption) (any, error) {
		return c.AverageStats(ctx, user, date("2026-03-01"), date("2026-03-31"), o...)
	},
}

func TestWhatIsKeptIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for name, read := range reads {
		for _, far := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(t)
				var hub *cachetest.Hub
				if far {
					hub = cachetest.NewHub()
				}
				kept := newCache(t, hub)
				c := r.client(t, kept)
				synctest.Wait()
				plain, err := read(t.Context(), r.client(t, nil))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i := range 4 {
					var from client.Origin
					got, err := read(t.Context(), c, client.WithOrigin(&from))
					if err != nil || !reflect.DeepEqual(got, plain) || (from.Tier == cache.TierNone) != (i == 0) {
						t.Errorf("%s, call %d from %q: %v\n%+v\n%+v", name, i, from.Tier, err, got, plain)
					}
					spoil(reflect.ValueOf(got))
					synctest.Wait()
				}
				if n := r.count(); n != 2 {
					t.Errorf("%s: asked %d times: %q", name, n, r.asked)
				}
				if _, err := read(t.Context(), c, client.InTimezone("Asia/Seoul")); err != nil || r.count() != 3 {
					t.Errorf("%s, another timezone: %v, asked %d times", name, err, r.count())
				}
				if _, err := read(t.Context(), c, client.InTimezone("UTC")); err != nil || r.count() != 3 {
					t.Errorf("%s, the default timezone by its name: %v, asked %d times", name, err, r.count())
				}
				staging := r.client(t, kept, client.WithBaseURL("https://staging.asleep.ai"))
				if _, err := read(t.Context(), staging); err != nil || r.count() != 4 {
					t.Errorf("%s, another service: %v, asked %d times", name, err, r.count())
				}
			})
		}
	}
}

// spoil changes all that can be reached.
func spoil(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // the rest is no part of an answer
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			spoil(field)
		}
	case reflect.String:
		v.SetString("spoilt")
	case reflect.Float64:
		v.SetFloat(-1)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(-2)
	}
}

func TestQueriesThatDifferAreKeptApart(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	c := r.client(t, newCache(t, nil))
	day := date("2026-03-01")
	for i, q := range []client.PageQuery{
		{}, {From: day}, {To: day}, {From: day, To: day}, {Order: asleep.SortOrderAscending}, {Offset: 1}, {Offset: 11}, {PageSize: 1}, {Offset: 1, PageSize: 1},
	} {
		for range 2 {
			if _, err := c.ListSessions(t.Context(), user, q); err != nil || r.count() != i+1 {
				t.Errorf("%+v: %v, asked %d times, want %d", q, err, r.count(), i+1)
			}
		}
	}
	if _, err := c.ListSessions(t.Context(), user, client.PageQuery{Order: asleep.SortOrderDescending}); err != nil || r.count() != 9 {
		t.Errorf("the default order by its name: %v, asked %d times", err, r.count())
	}
}

func TestUsersAreNeverKept(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	c := r.client(t, newCache(t, nil))
	for range 2 {
		if _, err := c.User(t.Context(), user); err != nil {
			t.Error(err)
		}
	}
	if r.count() != 2 {
		t.Errorf("asked %d times", r.count())
	}
}

func TestAReportOfAnotherSessionIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	r.answers["GET /data/v3/sessions/"] = complete(t, "another")
	c := r.client(t, newCache(t, nil))
	for range 2 {
		if _, err := c.Session(t.Context(), user, session); err != nil {
			t.Error(err)
		}
	}
	if r.count() != 2 {
		t.Errorf("asked %d times", r.count())
	}
}

func TestCacheOnlySendsNothing(t *testing.T) {
	t.Parallel()
	for name, read := range reads {
		r := newRecorder(t)
		for _, c := range []*client.Client{r.client(t, newCache(t, nil)), r.client(t, nil)} {
			_, err := read(t.Context(), c, client.CacheOnly())
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrNotCached) || failure.Layer != client.LayerCache || client.Retryable(err) || r.count() != 0 {
				t.Errorf("%s: %v, asked %d times", name, err, r.count())
			}
		}
		c := r.client(t, newCache(t, nil))
		if _, err := read(t.Context(), c); err != nil {
			t.Error(err)
		}
		if _, err := read(t.Context(), c, client.CacheOnly()); err != nil || r.count() != 1 {
			t.Errorf("%s, kept: %v, asked %d times", name, err, r.count())
		}
	}
}

func TestCacheOnlyIsRefusedWhereNothingIsKept(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	c := r.client(t, newCache(t, nil))
	for _, op := range operations {
		err := op.call(t.Context(), c, client.CacheOnly())
		kept := slices.Contains([]string{"getSession", "listSessions", "getAverageStats"}, op.name)
		if errors.Is(err, client.ErrNotCached) != kept || errors.Is(err, client.ErrInvalid) == kept {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	if _, err := c.Session(t.Context(), user, session, client.CacheOnly(), client.SkipCache()); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("both: %v", err)
	}
	if r.count() != 0 {
		t.Errorf("asked: %q", r.asked)
	}
}

func TestSkipCacheAsksAndKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	for name, read := range reads {
		r := newRecorder(t)
		c := r.client(t, newCache(t, nil))
		var raw client.Response
		for i, opts := range [][]client.CallOption{nil, {client.SkipCache()}, {client.RawResponse(&raw)}} {
			if _, err := read(t.Context(), c, opts...); err != nil || r.count() != i+1 {
				t.Errorf("%s, call %d: %v, asked %d times", name, i, err, r.count())
			}
		}
		if len(raw.Body) == 0 {
			t.Errorf("%s: no raw response", name)
		}
		if _, err := read(t.Context(), c); err != nil || r.count() != 3 {
			t.Errorf("%s, then: %v, asked %d times", name, err, r.count())
		}
		r.answer(http.StatusNotFound)
		if _, err := read(t.Context(), c, client.SkipCache()); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s, gone: %v", name, err)
		}
		if _, err := read(t.Context(), c, client.CacheOnly()); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("%s, kept as gone: %v", name, err)
		}
	}
}

func TestNotFoundIsKeptAsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t)
		r.answer(http.StatusNotFound)
		c := r.client(t, newCache(t, nil))
		read := func() *client.Error {
			_, err := c.Session(t.Context(), user, session)
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrNotFound) || failure.StatusCode != 404 || failure.Detail != "it went wrong" {
				t.Fatalf("%v", err)
			}
			return failure
		}
		if first := read(); first.Layer != client.LayerService || first.Attempts != 1 {
			t.Errorf("%+v", first)
		}
		kept := read()
		if kept.Layer != client.LayerCache || kept.Attempts != 0 || kept.Error() != "asleep: getSession: 404 it went wrong (kept from an earlier call)" {
			t.Errorf("%+v: %v", kept, kept)
		}
		kept.Detail, kept.StatusCode = "changed", 0
		read()
		time.Sleep(5 * time.Second)
		r.answer(0)
		if _, err := c.Session(t.Context(), user, session); err != nil || r.count() != 2 {
			t.Errorf("%v, asked %d times", err, r.count())
		}
	})
}

func TestFailuresAreSharedByValueAndNotKept(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 429, 500, 302} {
		inBubble(t, steps(after(time.Second, answer(status, `{"detail":"no"}`))), func(u *upstream) {
			u.cached()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					_, err := u.client.Session(u.Context(), user, session)
					failure, ok := errors.AsType[*client.Error](err)
					if !ok || failure.StatusCode != status {
						u.Errorf("%v", err)
						return
					}
					*failure = client.Error{} // races with the others' if it is theirs
				})
			}
			wg.Wait()
			_, _ = u.client.Session(u.Context(), user, session)
			if n := len(u.requests()); n != 2 {
				u.Errorf("%d: asked %d times, want 2", status, n)
			}
		})
	}
}

func TestAShortTimeoutCostsNobodyElse(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(after(5*time.Second, answer(200, complete(t, session)))), func(u *upstream) {
		u.cached()
		var wg sync.WaitGroup
		wg.Go(func() {
			begun := time.Now()
			_, err := u.client.Session(u.Context(), user, session, client.Timeout(time.Second))
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrOverallTimeout) || failure.Layer != client.LayerOverall || time.Since(begun) != time.Second {
				u.Errorf("%+v after %v", err, time.Since(begun))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(u.Context())
		wg.Go(func() {
			_, err := u.client.Session(ctx, user, session)
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || failure.Layer != client.LayerCaller || !errors.Is(err, context.Canceled) {
				u.Errorf("%+v", err)
			}
		})
		wg.Go(func() {
			var from client.Origin
			if _, err := u.client.Session(u.Context(), user, session, client.WithOrigin(&from)); err != nil || !from.Shared {
				u.Errorf("%v, %+v", err, from)
			}
		})
		time.Sleep(2 * time.Second)
		cancel(errors.New("enough"))
		wg.Wait()
		if n := len(u.requests()); n != 1 {
			u.Errorf("asked %d times", n)
		}
	})
}

func TestCallsWithAttemptsOfTheirOwnDoNotShare(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(after(time.Second, busy)), func(u *upstream) {
		u.cached()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = u.client.Session(u.Context(), user, session) })
		synctest.Wait()
		_, err := u.client.Session(u.Context(), user, session, client.Attempts(1))
		if failure, ok := errors.AsType[*client.Error](err); !ok || failure.Attempts != 1 {
			u.Errorf("%v", err)
		}
		wg.Wait()
	})
}

func TestAnOutageIsAnsweredStaleOnlyIfWanted(t *testing.T) {
	t.Parallel()
	keep := cache.DefaultKeep()
	keep.StaleIfError = time.Hour
	for _, keep := range []cache.Keep{cache.DefaultKeep(), keep} {
		inBubble(t, steps(answer(200, fixture(t, "list_mixed_states.json")), busy), func(u *upstream) {
			u.cached(cache.WithKeep(keep))
			for range 2 {
				if _, err := u.client.ListSessions(u.Context(), user, client.PageQuery{}); err != nil {
					u.Error(err)
				}
			}
			time.Sleep(10 * time.Minute)
			var from client.Origin
			_, err := u.client.ListSessions(u.Context(), user, client.PageQuery{}, client.WithOrigin(&from))
			if keep.StaleIfError == 0 {
				if !errors.Is(err, client.ErrUnavailable) {
					u.Errorf("%v", err)
				}
			} else if err != nil || !from.Stale || !errors.Is(from.Cause, client.ErrUnavailable) || from.Age < 10*time.Minute {
				u.Errorf("%+v, %v", from, err)
			}
		})
	}
}

// deletions are the calls that take everything of a user back.
var deletions = map[string]func(context.Context, *client.Client) error{
	"user":         func(ctx context.Context, c *client.Client) error { return c.DeleteUser(ctx, user) },
	"session":      func(ctx context.Context, c *client.Client) error { return c.DeleteSession(ctx, user, "another") },
	"all sessions": func(ctx context.Context, c *client.Client) error { return c.DeleteAllSessions(ctx, user) },
	"forget":       func(ctx context.Context, c *client.Client) error { return c.ForgetUser(ctx, user) },
}

func TestDeletionsForget(t *testing.T) {
	t.Parallel()
	for name, remove := range deletions {
		for _, status := range []int{0, 500} { // who knows what a 500 has done
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(t)
				c := r.client(t, newCache(t, cachetest.NewHub()))
				for _, read := range reads {
					if _, err := read(t.Context(), c); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				r.answer(status)
				if err := remove(t.Context(), c); (err != nil) != (status != 0 && name != "forget") {
					t.Errorf("%s: %v", name, err)
				}
				for what, read := range reads {
					if _, err := read(t.Context(), c, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
						t.Errorf("%s: the %s is still there: %v", name, what, err)
					}
				}
			})
		}
	}
}

func TestADeletionThatOthersMissedWorksAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		link := cachetest.NewHub().Link()
		kept, err := cache.New(nil, cache.WithFar(link))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		c := newRecorder(t).client(t, kept)
		for _, broken := range []error{nil, errors.New("down"), nil} {
			link.Break(cachetest.Faults{Err: broken})
			time.Sleep(time.Minute) // if it is back, that is found out
			for name, remove := range map[string]func(...client.CallOption) error{
				"user":         func(o ...client.CallOption) error { return c.DeleteUser(t.Context(), user, o...) },
				"session":      func(o ...client.CallOption) error { return c.DeleteSession(t.Context(), user, "another", o...) },
				"all sessions": func(o ...client.CallOption) error { return c.DeleteAllSessions(t.Context(), user, o...) },
			} {
				from := client.Origin{Tier: cache.TierFar}
				if err := remove(client.WithOrigin(&from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if deferred := errors.Is(from.Deferred, cache.ErrDeferred); deferred != (broken != nil) || from.Tier != cache.TierNone {
					t.Errorf("%s, %v: %+v", name, broken, from)
				}
			}
		}
	})
}

func TestWhatIsReadDuringADeletionIsNotKept(t *testing.T) {
	t.Parallel()
	report := answer(200, complete(t, session))
	inBubble(t, steps(report, after(2*time.Second, answer(204, "")), report), func(u *upstream) {
		u.cached()
		if _, err := u.client.Session(u.Context(), user, session); err != nil {
			u.Error(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := u.client.DeleteUser(u.Context(), user); err != nil {
				u.Error(err)
			}
		})
		time.Sleep(time.Second)
		if _, err := u.client.Session(u.Context(), user, session, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
			u.Errorf("while it is being deleted: %v", err)
		}
		if _, err := u.client.Session(u.Context(), user, session); err != nil {
			u.Error(err)
		}
		wg.Wait()
		if _, err := u.client.Session(u.Context(), user, session, client.CacheOnly()); !errors.Is(err, client.ErrNotCached) {
			u.Errorf("%v", err)
		}
	})
}

func TestInvalidateUserMakesListsFreshInEveryProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, r := cachetest.NewHub(), newRecorder(t)
		a, b := r.client(t, newCache(t, hub)), r.client(t, newCache(t, hub))
		synctest.Wait()
		for _, c := range []*client.Client{a, b} {
			for _, read := range reads {
				if _, err := read(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
		}
		if r.count() != 3 {
			t.Errorf("asked %d times", r.count())
		}
		if err := a.InvalidateUser(t.Context(), user); err != nil {
			t.Error(err)
		}
		for name, read := range reads {
			_, err := read(t.Context(), b, client.CacheOnly())
			if fresh := errors.Is(err, client.ErrNotCached); fresh != (name != "report") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.client(t, nil).InvalidateUser(t.Context(), user); err != nil {
			t.Errorf("without a cache: %v", err)
		}
		if err := a.InvalidateUser(t.Context(), ""); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("no user: %v", err)
		}
	})
}

func TestHooksAndStatsTellOfTheCache(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	var told []client.CacheAnswer
	c := r.client(t, newCache(t, nil), client.WithHooks(client.Hooks{Cache: func(_ context.Context, a client.CacheAnswer) {
		told = append(told, a)
		panic("a hook's own")
	}}))
	for range 3 {
		if _, err := c.Session(t.Context(), user, session); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.ListSessions(t.Context(), user, client.PageQuery{}, client.CacheOnly()); err == nil {
		t.Error("kept?")
	}
	var got []string
	for _, a := range told {
		got = append(got, a.Op+" "+string(a.Tier))
	}
	want := []string{"getSession ", "getSession memory", "getSession memory", "listSessions "}
	if !slices.Equal(got, want) || !errors.Is(told[3].Err, client.ErrNotCached) {
		t.Errorf("told %q, want %q", got, want)
	}
	s := c.Stats()
	if s.Cache.Near.Hits != 2 || s.Cache.Near.Misses != 2 || s.Cache.Loads != 1 || s.Cache.NearUse.Entries != 1 || s.HookPanics != 4 {
		t.Errorf("%+v", s)
	}
	if s := r.client(t, nil).Stats(); s.Cache != (client.CacheStats{}) {
		t.Errorf("without a cache: %+v", s.Cache)
	}
}

func TestASecondBatchMakesListCallsOnly(t *testing.T) {
	t.Parallel()
	batchTest(t, 20, 7, func(b *bed) {
		hub := cachetest.NewHub()
		for run := range 2 {
			var p client.BatchProgress
			c := newClient(b, client.WithHTTPClient(&http.Client{Transport: b.server.Transport()}), client.WithCache(newCache(b, hub)))
			b.client = c // as another process would
			synctest.Wait()
			b.server.Reset()
			out := b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true, Progress: func(now client.BatchProgress) { p = now }})
			if out.err != nil {
				b.Fatal(out.err)
			}
			b.wantAll(out.byUser(b.T), b.users(), true)
			complete := 0
			for _, r := range out.results {
				for _, report := range r.Reports {
					if report.Immutable() {
						complete++
					}
				}
			}
			want := 20 * 7
			if run == 1 {
				want -= complete
			}
			if n := b.server.Count("getSession"); n != want || b.server.Count("listSessions") != 20 || int(p.Cached) != 20*7-want || int(p.Calls) != 20+want {
				b.Errorf("run %d: %d reports and %d lists were asked for, %+v; want %d and 20", run, n, b.server.Count("listSessions"), p, want)
			}
			if complete == 0 {
				b.Error("nothing can be kept")
			}
			synctest.Wait()
		}
	})
}

func TestABatchThatSkipsTheCacheAsksForEverything(t *testing.T) {
	t.Parallel()
	batchTest(t, 3, 4, func(b *bed) {
		kept := newCache(b, nil)
		for range 2 {
			b.client = newClient(b, client.WithHTTPClient(&http.Client{Transport: b.server.Transport()}), client.WithCache(kept))
			b.fetch(b.Context(), ids(b.users()), client.BatchOptions{Details: true}, client.SkipCache())
		}
		if n := b.server.Stats().Requests; n != 2*(3+3*4) {
			b.Errorf("%d requests", n)
		}
	})
}
