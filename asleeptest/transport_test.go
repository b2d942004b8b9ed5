package asleeptest_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// Each way to break an answer looks the same in process and over a socket.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	whole := func(r reply) bool { return r.err == nil && r.status == 200 && strings.HasSuffix(r.body, "}}") }
	for kind, check := range map[string]func(reply) bool{
		"reset_before": func(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) && r.status == 0 },
		"reset_after":  func(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) && r.status == 0 },
		"truncated": func(r reply) bool {
			return errors.Is(r.err, io.ErrUnexpectedEOF) && r.status == 200 && r.body != "" && r.header.Get("Content-Length") != ""
		},
		"truncated_chunked": func(r reply) bool {
			return errors.Is(r.err, io.ErrUnexpectedEOF) && r.status == 200 && r.body != "" && r.header.Get("Content-Length") == ""
		},
		"slow_body": whole,
		"latency":   whole,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f, err := asleeptest.Kind(kind)
			if err != nil {
				t.Fatal(err)
			}
			s := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 1})
			s.Inject(f)
			client := &http.Transport{}
			defer client.CloseIdleConnections()
			for name, rt := range map[string]http.RoundTripper{"process": s.Transport(), "socket": client} {
				if r := do(rt, request(t, s.URL+"/ai/v1/users/user-0001")); !check(r) {
					t.Errorf("%s: %+v", name, r)
				}
			}
			if n := s.Stats().Failed[kind]; n != 2 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

// Whole answers look the same, too.
func TestAnswersAreTheSameInProcessAndOverASocket(t *testing.T) {
	t.Parallel()
	s := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 1})
	client := &http.Transport{DisableCompression: true}
	defer client.CloseIdleConnections()
	for _, kind := range []string{"", "403_rate_limit", "422_validation_list", "502", "503_empty", "garbage", "truncated", "truncated_chunked"} {
		if kind != "" {
			f, err := asleeptest.Kind(kind)
			if err != nil {
				t.Fatal(err)
			}
			s.Inject(f)
		}
		req := request(t, s.URL+"/data/v3/sessions/"+truth(s, "user-0001")[0])
		req.Header.Set("x-user-id", "user-0001")
		a, b := do(s.Transport(), req), do(client, req)
		a.header.Del("Date")
		b.header.Del("Date")
		if a.status != b.status || a.body != b.body || a.length != b.length || !equalHeader(a.header, b.header) {
			t.Errorf("%s: in process %d, %d, %v, %.60s\nover a socket %d, %d, %v, %.60s", kind, a.status, a.length, a.header, a.body, b.status, b.length, b.header, b.body)
		}
		s.ClearFaults()
	}
}

// A lost answer is one to a request that was carried out.
func TestResetAfterHasDoneTheWork(t *testing.T) {
	t.Parallel()
	for reset, want := range map[asleeptest.Reset]int{asleeptest.ResetAfter: 1, asleeptest.ResetBefore: 0} {
		s := asleeptest.New(asleeptest.Config{})
		s.Inject(asleeptest.Fault{Op: asleeptest.CreateUser, Reset: reset})
		if r := createUser(t, s, "{}"); r.err == nil {
			t.Errorf("answered %d", r.status)
		}
		if n := len(slices.Collect(s.Users())); n != want {
			t.Errorf("reset %s: %d users, want %d", reset, n, want)
		}
	}
}

func TestLatencyIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
		s.Inject(asleeptest.Slow(2 * time.Second))
		s.Inject(asleeptest.Fault{Op: asleeptest.GetUser, Latency: time.Second})
		s.Inject(asleeptest.Fault{Drip: 10 * time.Second})
		start := time.Now()
		req := request(t, "http://fake/ai/v1/users/user-0001")
		resp, err := s.Transport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the header took %s, want 3s", took)
		}
		if s.Stats().InFlight != 1 {
			t.Error("the request is not in flight while its body is read")
		}
		body, err := io.ReadAll(resp.Body)
		if took := time.Since(start); err != nil || took != 13*time.Second || !strings.HasSuffix(string(body), "}}") {
			t.Errorf("the body took %s, %v: %s", took, err, body)
		}
		log := s.Requests()
		if len(log) != 1 || log[0].Duration != 13*time.Second || log[0].Fault != "latency+latency+drip" || s.Stats().InFlight != 0 {
			t.Errorf("logged %+v", log)
		}
	})
}

func TestRandomLatencyStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		s.Inject(asleeptest.Fault{Latency: time.Second, LatencyMax: 3 * time.Second})
		seen := map[time.Duration]bool{}
		for range 100 {
			start := time.Now()
			get(t, s, "/ai/v1/users/user-0001")
			took := time.Since(start)
			if seen[took] = true; took < time.Second || took > 3*time.Second {
				t.Errorf("took %s", took)
			}
		}
		if len(seen) < 90 {
			t.Errorf("%d different waits of 100", len(seen))
		}
	})
}

// The caller's context ends every wait at once, with its own error.
func TestContextEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		why := errors.New("why")
		for _, f := range []asleeptest.Fault{{Latency: time.Hour}, {Hang: true}, {Drip: time.Hour}} {
			remove := s.Inject(f)
			for _, cause := range []error{context.DeadlineExceeded, why} {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
				start := time.Now()
				r := do(s.Transport(), request(t, "http://fake/ai/v1/users/user-0001").WithContext(ctx))
				if !errors.Is(r.err, cause) || time.Since(start) != time.Second {
					t.Errorf("%+v: %v after %s", f, r.err, time.Since(start))
				}
				cancel()
			}
			remove()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r := do(s.Transport(), request(t, "http://fake/ai/v1/users/user-0001").WithContext(ctx)); !errors.Is(r.err, context.Canceled) {
			t.Errorf("cancelled before: %v", r.err)
		}
		if st := s.Stats(); st.InFlight != 0 || st.Requests != 6 {
			t.Errorf("%+v", st)
		}
	})
}

// A client that goes away from a hanging server lets its handler end, and
// closing the server lets all of them.
func TestHangingOverASocketEnds(t *testing.T) {
	t.Parallel()
	s := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	s.Inject(asleeptest.Fault{Hang: true})
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- do(client, request(t, s.URL+"/ai/v1/users/user-0001").WithContext(ctx)).err }()
	for s.Stats().InFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	go func() { done <- do(client, request(t, s.URL+"/ai/v1/users/user-0001")).err }()
	for s.Stats().Requests < 1 || s.Stats().InFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a request outlived the server")
	}
}

// trackedBody tells whether it was read and closed.
type trackedBody struct {
	io.Reader

	closed bool
}

func (b *trackedBody) Close() error {
	b.closed = true
	return nil
}

func TestTransportKeepsItsPromises(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	for name, change := range map[string]func(*http.Request){
		"no host":     func(r *http.Request) { r.URL.Host = "" },
		"scheme":      func(r *http.Request) { r.URL.Scheme = "ftp" },
		"no URL":      func(r *http.Request) { r.URL = nil },
		"header name": func(r *http.Request) { r.Header["a b"] = []string{"x"} },
		"header":      func(r *http.Request) { r.Header.Set("x-user-id", "a\r\nb") },
		"none":        func(*http.Request) {},
	} {
		body := &trackedBody{Reader: strings.NewReader("{}")}
		req := request(t, "http://fake/ai/v1/users")
		req.Method, req.Body = http.MethodPost, body
		req.Header.Set("content-type", "application/json")
		change(req)
		before := req.Header.Clone()
		r := do(s.Transport(), req)
		if failed := r.err != nil; failed == (name == "none") || !body.closed {
			t.Errorf("%s: %+v, body closed %v", name, r, body.closed)
		}
		if !equalHeader(before, req.Header) {
			t.Errorf("%s: the request was changed to %v", name, req.Header)
		}
	}
	if got := s.Stats().Requests; got != 1 {
		t.Errorf("%d requests arrived, want 1", got)
	}
	resp, err := s.Transport().RoundTrip(request(t, "http://fake/ai/v1/users/user-0001"))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("read after close: %v", err)
	}
}

func equalHeader(a, b http.Header) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]string])
}

// A real http.Client on top of the transport behaves as on a socket: its
// timeout is one, and its errors unwrap.
func TestClientOnTheTransport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		s.Inject(asleeptest.Slow(time.Minute))
		client := &http.Client{Transport: s.Transport(), Timeout: time.Second}
		start := time.Now()
		resp, err := client.Do(request(t, "http://fake/ai/v1/users/user-0001"))
		if err == nil {
			t.Fatal(resp.Body.Close())
		}
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
