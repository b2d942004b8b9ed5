package client

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// refusing is a client with a policy that refuses every request for a while,
// before a wire that answers 200 with a body.
func refusing(t *testing.T, lasting time.Duration, answer func(*http.Request) string) *Client {
	t.Helper()
	c, err := New("key")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	refuse := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			if time.Since(start) < lasting {
				return nil, errors.New("full")
			}
			return next.RoundTrip(req)
		})
	}
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(answer(req)))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: -1}, nil
	})
	c.doer = transport.New(transport.Config{Base: wire, BaseURL: c.base, Inner: []transport.Policy{refuse, watchBatches}})
	return c
}

func inTurn(ids ...string) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

func TestALocalRefusalIsNeverAUsersFailure(t *testing.T) {
	t.Parallel()
	lists := func(*http.Request) string { return `{"result":{"sleep_session_list":[]}}` }
	synctest.Test(t, func(t *testing.T) {
		c := refusing(t, time.Minute, lists)
		var meter BatchMeter
		time.AfterFunc(30*time.Second, func() {
			if p := meter.Progress(); p.Waiting != WaitLocal || p.Attempts != 0 || p.Queued != 0 || p.InFlight != 0 {
				t.Errorf("after 30 s %+v; want it to wait for this side", p)
			}
		})
		n := 0
		for b, err := range c.FetchSessions(t.Context(), inTurn("a", "b", "c"), Query{}, BatchOptions{Meter: &meter}) {
			if n++; err != nil || b.Err != nil {
				t.Errorf("user %s: %v, %v; want patience", b.User, b.Err, err)
			}
		}
		if n != 3 {
			t.Errorf("%d results; want 3", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := refusing(t, time.Hour, lists)
		for b, err := range c.FetchSessions(t.Context(), inTurn("a", "b"), Query{}, BatchOptions{MaxOutage: 20 * time.Second}) {
			if stopped, ok := errors.AsType[*BatchStopped](err); !ok || !errors.Is(err, ErrOutage) || stopped.Progress.Failed != 0 {
				t.Errorf("user %q: %v; want an end by the outage", b.User, err)
			}
		}
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("stopped after %v; want 20s", d)
		}
	})
}

// A list may hold an id that cannot be asked for. That nothing was sent for it
// says nothing about the service, which reads no report: the user who has one
// to read waits for the end of that outage.
func TestAnIDThatCannotBeAskedForIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := refusing(t, 0, func(req *http.Request) string {
			time.Sleep(100 * time.Millisecond)
			switch {
			case req.URL.Path != "/data/v1/sessions":
				return "<html>"
			case req.Header.Get("x-user-id") == "first":
				return `{"result":{"sleep_session_list":[{"session_id":"s"}]}}`
			}
			return `{"result":{"sleep_session_list":[{"session_id":".."}]}}`
		})
		users := []string{"first"}
		for i := range 500 {
			users = append(users, strconv.Itoa(i))
		}
		failed, last := 0, error(nil)
		for b, err := range c.FetchSessions(t.Context(), inTurn(users...), Query{}, BatchOptions{Details: true, Concurrency: 1, Window: 1000}) {
			if last = err; b.User == "first" {
				t.Errorf("the user failed with %v; want patience", b.Err)
			}
			if errors.Is(b.Err, ErrInvalid) {
				failed++
			}
		}
		if failed != 500 || !errors.Is(last, ErrOutage) {
			t.Errorf("%d failed, %v; want the other 500 and ErrOutage", failed, last)
		}
	})
}

// The answer is judged where it is read, before the pipeline goes on with it: from then
// on every request of the batch has an ended context.
func TestAQuotaAnswerEndsTheBatchWhereItIsRead(t *testing.T) {
	t.Parallel()
	for detail, want := range map[string]error{"Quota exceeded": ErrQuotaExceeded, "Plan is expired": ErrPlanExpired} {
		c, err := New("key")
		if err != nil {
			t.Fatal(err)
		}
		wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			body := io.NopCloser(strings.NewReader(`{"detail":"` + detail + `"}`))
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: body, ContentLength: -1}, nil
		})
		read := 0
		outside := func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if read++; req.Context().Err() == nil {
					t.Errorf("%s: the batch goes on", detail)
				}
				return resp, err
			})
		}
		c.doer = transport.New(transport.Config{Base: wire, BaseURL: c.base, Inner: []transport.Policy{outside, watchBatches}})
		for _, err := range c.FetchSessions(t.Context(), inTurn("a", "b"), Query{}, BatchOptions{Concurrency: 1}) {
			if !errors.Is(err, want) {
				t.Errorf("%s: ended with %v; want %v", detail, err, want)
			}
		}
		if read != 1 {
			t.Errorf("%s: %d answers; want 1", detail, read)
		}
	}
}
