package transport

import (
	"errors"
	"math"
	"net/http"
	"testing"
	"time"
)

// What go-retryablehttp does by default and must not do here.
func TestEngineIsDisarmed(t *testing.T) {
	t.Parallel()
	engine := newRetrier(DefaultRetry(), http.DefaultTransport).engine
	if engine.Logger != nil {
		t.Error("a logger would print URLs; a typed nil would panic")
	}
	if _, closes := engine.HTTPClient.Transport.(interface{ CloseIdleConnections() }); closes {
		t.Error("the engine can reach CloseIdleConnections: it empties the pool at every give-up")
	}
	if engine.HTTPClient.Timeout != 0 || engine.HTTPClient.Jar != nil {
		t.Error("the engine's client must add neither a timeout around body reads nor cookies")
	}
	if err := engine.HTTPClient.CheckRedirect(nil, nil); !errors.Is(err, http.ErrUseLastResponse) {
		t.Errorf("redirects would be followed: %v", err)
	}
	if got := engine.Backoff(time.Hour, time.Hour, 9, &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"3600"}}}); got != 0 {
		t.Errorf("the engine itself would sleep %v, past deadlines", got)
	}
}

func TestCeilingDoublesAndNeverOverflows(t *testing.T) {
	t.Parallel()
	r := newRetrier(Retry{Attempts: 2}, nil)
	for n, want := range map[int]time.Duration{
		0: 50 * time.Millisecond, 1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 8: 6400 * time.Millisecond,
		9: 10 * time.Second, 64: 10 * time.Second, math.MaxInt: 10 * time.Second,
	} {
		if got := r.ceiling(n); got != want {
			t.Errorf("ceiling(%d) = %v, want %v", n, got, want)
		}
	}
	r = newRetrier(Retry{Attempts: 2, Base: time.Hour, Max: forever}, nil)
	for n := range 200 {
		if got := r.ceiling(n); got < time.Hour {
			t.Fatalf("ceiling(%d) = %v", n, got)
		}
	}
}
