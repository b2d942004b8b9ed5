package client

import (
	"io"
	"iter"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// A policy holds every request back for 3 s; the wire takes 1 s, and fails the
// first two. The next attempts follow after 5 s at least.
func TestTheMeterTellsWhatIsHeldBackFromWhatIsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := New("key")
		if err != nil {
			t.Fatal(err)
		}
		var sent atomic.Int32
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if sent.Add(1) <= 2 {
				return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"5"}}, Body: http.NoBody}, nil
			}
			body := `{"detail":"OK","result":{"timezone":"UTC","sleep_session_list":[]}}`
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}, nil
		})
		hold := func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				time.Sleep(3 * time.Second)
				return next.RoundTrip(req)
			})
		}
		c.doer = transport.New(transport.Config{Base: wire, BaseURL: c.base, Retry: transport.DefaultRetry(), Inner: []transport.Policy{hold, watchBatches}})
		var meter BatchMeter
		users := maps.All(map[string]error{"a": nil, "b": nil})
		next, stop := iter.Pull2(c.FetchSessions(t.Context(), users, Query{}, BatchOptions{Concurrency: 2, Meter: &meter}))
		defer stop()
		go func() {
			time.Sleep(2 * time.Second)
			if p := meter.Progress(); p.Queued != 2 || p.InFlight != 0 || p.Waiting != WaitLocal {
				t.Errorf("after 2 s %+v; want 2 held back", p)
			}
			time.Sleep(1500 * time.Millisecond)
			if p := meter.Progress(); p.Queued != 0 || p.InFlight != 2 || p.Waiting != WaitNothing {
				t.Errorf("after 3.5 s %+v; want 2 on the wire", p)
			}
			time.Sleep(1500 * time.Millisecond)
			if p := meter.Progress(); p.Queued != 0 || p.InFlight != 0 {
				t.Errorf("after 5 s %+v; want 2 between two attempts", p)
			}
		}()
		for b, err, ok := next(); ok; b, err, ok = next() {
			if err != nil || b.Err != nil {
				t.Fatal(err, b.Err)
			}
		}
		if p := meter.Progress(); p.Queued != 0 || p.InFlight != 0 || p.Done != 2 {
			t.Errorf("at the end %+v", p)
		}
	})
}
