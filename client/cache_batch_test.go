package client_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/client"
)

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
