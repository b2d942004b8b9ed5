package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

// A serverless function: its process is started for a request, so nothing is opened
// before one needs it. Where the database cannot be opened, requests are answered 503 and
// it is tried again, a second later at the soonest. What works behind an inbox would be
// frozen between requests, so this one is for readers.
func ExampleNewLazy() {
	cfg := server.DefaultConfig() // or server.FromEnv()
	cfg.Upstream.APIKey = server.NewSecret("key")
	cfg.Reading.Keys = []server.Secret{server.NewSecret("a-key-for-readers")}
	cfg.Webhooks.Enabled = false

	opened := 0
	lazy := server.NewLazy(func(context.Context) (*server.Service, error) {
		opened++
		return server.New(cfg, memory.New()) // or over what store.Open returns
	}, nil)
	mux := http.NewServeMux() // or whatever the platform hands requests to
	mux.Handle("/asleep/", http.StripPrefix("/asleep", lazy))

	ask := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.Header.Set("X-Api-Key", "a-key-for-readers")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	fmt.Println(ask("/asleep/live").Code, opened)
	for range 2 {
		w := ask("/asleep/api/users/user-0001/sessions?source=store")
		fmt.Println(w.Code, w.Header().Get("X-Source"), opened)
	}
	fmt.Println(lazy.Stop(context.Background()))
	// Output:
	// 200 0
	// 200 store 1
	// 200 store 1
	// <nil>
}
