package client_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/client"
)

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

func TestOnlyAReportThatCannotChangeIsKeptForLong(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]time.Duration{
		"session_complete_v3_sdk_shape.json": 5 * time.Minute, // then the far tier is asked again
		"session_never_slept_stat_null.json": 5 * time.Minute,
		"session_in_progress.json":           5 * time.Second,
		"session_closed_analyzing.json":      5 * time.Second,
		"session_unknown_future_fields.json": 5 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			body := fixture(t, name)
			var env struct{ Result asleep.Report }
			mustDecode(t, body, &env)
			r, hub := newRecorder(t), cachetest.NewHub()
			r.answers["GET /data/v3/sessions/"] = body
			c := r.client(t, newCache(t, hub))
			synctest.Wait() // its bus listens
			ask := func() client.Origin {
				var from client.Origin
				if _, err := c.Session(t.Context(), user, env.Result.Session.ID, client.WithOrigin(&from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				synctest.Wait()
				return from
			}
			ask()
			if far := kept > time.Minute; (hub.Values() == 1) != far {
				t.Errorf("%s: %d values are shared", name, hub.Values())
			}
			time.Sleep(kept - time.Millisecond)
			if from := ask(); from.Tier != cache.TierNear {
				t.Errorf("%s: after %v from %q", name, kept-time.Millisecond, from.Tier)
			}
			time.Sleep(time.Millisecond)
			if from := ask(); from.Tier == cache.TierNear {
				t.Errorf("%s: still kept after %v", name, kept)
			}
		})
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
