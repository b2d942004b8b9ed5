package server_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

func TestALazyServiceIsMadeOnceByTheFirstRequestThatNeedsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		fail := errors.New("secret words of the database")
		l := server.NewLazy(func(context.Context) (*server.Service, error) {
			made.Add(1)
			time.Sleep(100 * time.Millisecond)
			if fail != nil {
				return nil, fail
			}
			cfg := configured()
			cfg.Caching, cfg.Webhooks.Enabled = false, false
			return server.New(cfg, memory.New())
		}, nil)
		if w := ask(l, http.MethodGet, "/live", ""); w.Code != 200 || made.Load() != 0 {
			t.Errorf("/live: %d, made %d times", w.Code, made.Load())
		}
		for range 3 { // one of them tries
			if w := ask(l, http.MethodGet, "/ready", ""); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		fail = nil
		time.Sleep(time.Second)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if w := ask(l, http.MethodGet, "/ready", ""); w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
		if made.Load() != 2 {
			t.Errorf("made %d times", made.Load())
		}
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestALazyServiceThatCannotBeMadeAnswersAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	l := server.NewLazy(func(context.Context) (*server.Service, error) { return nil, errors.New("no") }, nil)
	const path = "/api/users/user-0001/sessions"
	w := ask(l, http.MethodGet, path, "", "X-Request-ID", "mine-1")
	conform(t, path, nil, w)
	if h := w.Header(); w.Code != 503 || h.Get("X-Request-ID") != "mine-1" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, h)
	}
	if w := ask(l, http.MethodHead, "/live", ""); w.Code != 200 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("/live: %d %v", w.Code, w.Header())
	}
}
