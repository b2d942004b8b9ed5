package asleeptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

func TestLogSaysWhatCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
		s.Inject(asleeptest.Fault{Name: "late", Latency: 250 * time.Millisecond})
		start, id := time.Now(), truth(s, "user-0001")[0]
		get(t, s, "/data/v3/sessions/"+id, "x-user-id: user-0001")
		get(t, s, "/data/v1/sessions?limit=5", "x-user-id: user-0001")
		get(t, s, "/nowhere")
		want := []asleeptest.Request{
			{
				Time: start, Duration: 250 * time.Millisecond, Method: "GET", Path: "/data/v3/sessions/" + id, Route: "/data/v3/sessions/{session_id}",
				Op: asleeptest.GetSession, User: "user-0001", Session: id, Status: 200, Fault: "late",
			},
			{
				Time: start.Add(250 * time.Millisecond), Duration: 250 * time.Millisecond, Method: "GET", Path: "/data/v1/sessions", Route: "/data/v1/sessions",
				Op: asleeptest.ListSessions, User: "user-0001", Query: "limit=5", Status: 200, Fault: "late",
			},
			{Time: start.Add(500 * time.Millisecond), Duration: 250 * time.Millisecond, Method: "GET", Path: "/nowhere", Status: 404, Fault: "late"},
		}
		got := s.Requests()
		if len(got) != len(want) {
			t.Fatalf("%d lines", len(got))
		}
		for i := range want {
			if !got[i].Time.Equal(want[i].Time) {
				t.Errorf("line %d at %s, want %s", i, got[i].Time, want[i].Time)
			}
			if got[i].Time = want[i].Time; got[i] != want[i] {
				t.Errorf("line %d is\n%+v, want\n%+v", i, got[i], want[i])
			}
		}
		if s.Count(asleeptest.ListSessions) != 1 || s.Count(asleeptest.DeleteUser) != 0 || s.Count("") != 1 {
			t.Errorf("counted %v", s.Stats().Ops)
		}
		s.Reset()
		if st := s.Stats(); st.Requests != 0 || len(s.Requests()) != 0 || len(s.Violations()) != 0 || len(st.Failed) != 0 {
			t.Errorf("after Reset: %+v", st)
		}
	})
}

// The log is a ring; the counters are not.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{3: "7 8 9", 100: "0 1 2 3 4 5 6 7 8 9", -1: ""} {
		s := asleeptest.New(asleeptest.Config{LogSize: size})
		for i := range 10 {
			get(t, s, fmt.Sprintf("/ai/v1/users/%d", i))
		}
		var users []string
		for _, r := range s.Requests() {
			users = append(users, r.User)
		}
		st := s.Stats()
		if got := strings.Join(users, " "); got != want || st.Requests != 10 || st.LogDropped != 10-len(users) {
			t.Errorf("size %d: %q, want %q; %+v", size, got, want, st)
		}
	}
}

// The key is nowhere, also not in what is said about a request that is wrong.
func TestNothingHoldsTheKey(t *testing.T) {
	t.Parallel()
	const key = "sk-live-0123456789"
	s := asleeptest.New(asleeptest.Config{Users: 1, APIKeys: []string{key}})
	for _, headers := range [][]string{{"x-api-key: " + key}, {"x-api-key: " + key, "authorization: " + key}, {"x-api-key: not" + key}, {"x-api-key: " + key + "\n"}} {
		r := get(t, s, "/ai/v1/users/user-0001?x=1", headers...)
		if strings.Contains(r.body+fmt.Sprint(r.header, r.err), key) {
			t.Errorf("answer %s %v %v", r.body, r.header, r.err)
		}
	}
	for _, path := range []string{"/_fake/requests", "/_fake/stats", "/_fake/violations", "/_fake/faults"} {
		if r := get(t, s, path); r.status != 200 || strings.Contains(r.body, key) {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	if all := fmt.Sprintf("%+v %+v %+v", s.Requests(), s.Violations(), s.Stats()); strings.Contains(all, key) {
		t.Error(all)
	}
}

func TestConnectionsAreToldApart(t *testing.T) {
	t.Parallel()
	s := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	for range 2 {
		client := &http.Transport{}
		for range 3 {
			if r := do(client, request(t, s.URL+"/ai/v1/users/user-0001")); r.status != 200 {
				t.Errorf("%+v", r)
			}
		}
		client.CloseIdleConnections()
	}
	var conns []uint64
	for _, r := range s.Requests() {
		conns = append(conns, r.Conn)
	}
	if !slices.Equal(conns, []uint64{1, 1, 1, 2, 2, 2}) || s.Stats().Connections != 2 {
		t.Errorf("connections %d, %d of them", conns, s.Stats().Connections)
	}
}

// pipes is a listener in memory, which a synctest bubble can wait for.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// The server runs in a bubble behind a real http.Server and a real
// http.Transport, with time that passes at once.
func TestHTTPServerInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := asleeptest.New(asleeptest.Config{Users: 1})
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := s.HTTPServer()
		go func() { _ = srv.Serve(l) }()
		client := &http.Transport{DialContext: l.dial}
		for _, kind := range []string{"latency", "slow_body", "truncated", "reset_before"} {
			f, _ := asleeptest.Kind(kind)
			f.Times = 1
			s.Inject(f)
		}
		start := time.Now()
		var got []string
		for range 4 {
			r := do(client, request(t, "http://fake/ai/v1/users/user-0001"))
			got = append(got, fmt.Sprint(r.status, r.err != nil))
		}
		if want := []string{"200 false", "200 true", "0 true", "200 false"}; !slices.Equal(got, want) || time.Since(start) != 600*time.Millisecond {
			t.Errorf("%q after %s", got, time.Since(start))
		}
		client.CloseIdleConnections()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A million users with ten nights each cost next to nothing, also after a
// thousand of them were listed.
func TestPopulationCostsNoMemory(t *testing.T) {
	before := heap()
	s := asleeptest.New(asleeptest.Config{Users: 1_000_000, SessionsPerUser: 10, LogSize: 100})
	for number := 1; number <= 1_000_000; number += 1000 {
		user := fmt.Sprintf("user-%04d", number)
		if n := len(list(t, s, user, "")); n != 10 {
			t.Fatalf("%s has %d sessions", user, n)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("%d bytes more", grown)
	}
	runtime.KeepAlive(s)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Reading, changing and breaking at once races with nothing.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 20, SessionsPerUser: 10, LogSize: 50, AllowViolations: true})
	s.Flaky(0.1, "500", "reset_after", "truncated")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			user := fmt.Sprintf("user-%04d", w+1)
			for i := range 40 {
				for _, session := range s.Sessions(user) {
					get(t, s, "/data/v3/sessions/"+session.ID, "x-user-id: "+user)
					if i%4 == 0 {
						s.DeleteSession(user, session.ID)
						break
					}
				}
				id, err := s.AddSession(user, asleeptest.Session{})
				if err != nil {
					t.Error(err)
				}
				s.Advance(user, id)
				s.AddUser(asleeptest.User{})
				s.Inject(asleeptest.Fault{Times: 1, Status: 500})()
				_, _, _ = s.Stats(), s.Requests(), s.Violations()
				get(t, s, "/_fake/faults")
			}
		})
	}
	wg.Wait()
	if st := s.Stats(); st.InFlight != 0 || st.Requests != st.Accepted+met(st) {
		t.Errorf("%+v", st)
	}
}

func met(st asleeptest.Stats) (n int) {
	for _, m := range st.Failed {
		n += m
	}
	return n
}

func TestStatsAreJSON(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	get(t, s, "/ai/v1/users/user-0001")
	var st asleeptest.Stats
	if err := json.Unmarshal([]byte(get(t, s, "/_fake/stats").body), &st); err != nil || st.Accepted != 1 || st.Status[200] != 1 {
		t.Errorf("%+v, %v", st, err)
	}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, net.ErrClosed
	}
}
