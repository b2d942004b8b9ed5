package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// The first answer is a rate limit, the second a gateway's failure; the call
// sees neither.
func ExampleDoer_Do() {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1:
			http.Error(w, `{"detail":"Rate limit exceeded"}`, http.StatusForbidden)
		case 2:
			http.Error(w, "<html>", http.StatusBadGateway)
		default:
			fmt.Fprint(w, `{"detail":"OK","result":{}}`)
		}
	}))
	defer server.Close()
	base, _ := url.Parse(server.URL)
	retry := transport.DefaultRetry()
	retry.Base = time.Millisecond
	doer := transport.New(transport.Config{BaseURL: base, APIKey: transport.NewKey("secret"), Retry: retry})
	defer doer.CloseIdleConnections()

	call := &transport.Call{Op: "getUser", Route: "/ai/v1/users/{user_id}"}
	ctx := transport.WithCall(context.Background(), call)
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/ai/v1/users/u1", nil)
	resp, err := doer.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := transport.BodyBytes(resp)
	fmt.Println(resp.StatusCode, string(body))
	fmt.Println(call.Attempts, "attempts,", call.RateLimited, "rate-limited, ended", call.Outcome.Class)
	// Output:
	// 200 {"detail":"OK","result":{}}
	// 3 attempts, 1 rate-limited, ended ok
}

// A policy around each attempt that refuses after the first failure.
func ExamplePolicy() {
	var down atomic.Bool
	errOpen := errors.New("circuit open")
	fuse := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if down.Load() {
				return nil, errOpen
			}
			resp, err := next.RoundTrip(req)
			down.Store(transport.OutcomeOf(resp, err).Failure())
			return resp, err
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	base, _ := url.Parse(server.URL)
	server.Close() // nobody listens any more
	retry := transport.DefaultRetry()
	retry.Base = time.Millisecond
	doer := transport.New(transport.Config{BaseURL: base, Retry: retry, Inner: []transport.Policy{fuse}})

	call := &transport.Call{}
	req, _ := http.NewRequestWithContext(transport.WithCall(context.Background(), call), http.MethodGet, base.String(), nil)
	_, err := doer.Do(req)
	fmt.Println(err, "after", call.Attempts, "attempt:", call.Outcome.Class)
	// Output:
	// circuit open after 1 attempt: refused
}

// An upstream that is down is left alone after five failures in a row.
func ExampleBreakers() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer server.Close()
	base, _ := url.Parse(server.URL)
	breakers, err := transport.NewBreakers(transport.DefaultBreaker())
	if err != nil {
		fmt.Println(err)
		return
	}
	doer := transport.New(transport.Config{BaseURL: base, Breakers: breakers})
	defer doer.CloseIdleConnections()
	for range 6 {
		call := &transport.Call{}
		req, _ := http.NewRequestWithContext(transport.WithCall(context.Background(), call), http.MethodGet, base.String(), nil)
		_, err := doer.Do(req)
		fmt.Println(call.Outcome.Class, errors.Is(err, transport.ErrCircuitOpen), doer.Stats().Breakers[0].State)
	}
	// Output:
	// transient false closed
	// transient false closed
	// transient false closed
	// transient false closed
	// transient false open
	// refused true open
}
