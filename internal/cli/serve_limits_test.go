//go:build unix

package cli_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/dbtest"
)

const limitedKey = "read-key-5e884898da28047151d0e56f8dc62927"

// limited is a process that knows clients apart by what this test forwards.
func limited(t *testing.T, env ...string) *service {
	t.Helper()
	return newSite(t, append([]string{"READ_API_KEYS=" + limitedKey, "TRUSTED_PROXIES=127.0.0.0/8", "RATE_LIMIT_WINDOW_SECONDS=1h"}, env...)...).serve(t)
}

type limitedAnswer struct {
	status                         int
	limit, remaining, reset, retry int // of the headers, in seconds; -1 where there is none
	took                           time.Duration
}

func (p *service) asClient(t *testing.T, client, path, key string) (a limitedAnswer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("X-Forwarded-For", client)
	begun := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%v: %s", err, p.stderr)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	number := func(name string) int {
		n, err := strconv.Atoi(resp.Header.Get(name))
		if err != nil {
			return -1
		}
		return n
	}
	return limitedAnswer{
		resp.StatusCode, number("X-RateLimit-Limit"), number("X-RateLimit-Remaining"), number("X-RateLimit-Reset"), number("Retry-After"), time.Since(begun),
	}
}

// alone is how many decisions a process made by itself.
func (p *service) alone(t *testing.T, limit string) float64 {
	t.Helper()
	return p.figure(t, `http_request_limit_decisions_total{decision="allowed",limit="`+limit+`",scope="process"}`) +
		p.figure(t, `http_request_limit_decisions_total{decision="refused",limit="`+limit+`",scope="process"}`)
}

// untilShared asks as clients that nobody else is until Redis decides at both.
func untilShared(t *testing.T, limit, path string, processes []*service) {
	t.Helper()
	for i, p := range processes {
		n := 0
		eventually(t, "Redis decides", func() bool {
			before := p.alone(t, limit)
			n++
			p.asClient(t, fmt.Sprintf("198.18.%d.%d", i, n%250), path, limitedKey)
			return p.alone(t, limit) == before
		})
	}
}

func TestProcessesOnOneRedisShareTheirLimits(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"token-bucket", "sliding-window"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			redis := dbtest.Redis(t)
			env := []string{"REDIS_URL=redis://" + redis.Addr, "RATE_LIMIT_ALGORITHM=" + algorithm}
			processes := []*service{limited(t, env...), limited(t, env...)}
			for _, c := range []struct {
				limit, path string
				n           int
			}{
				{"sessions", "/api/sessions/x?source=store", 10},
				{"statistics", "/api/statistics?user_id=u&source=store", 5},
				{"requests", "/api/users/u/summary?source=store", 100},
			} {
				// A machine that is busy with other tests may make Redis slow once, whereupon
				// a process decides alone, as it should: another client then tries.
				shared := false
				for try := 0; !shared && try < 100; try++ {
					untilShared(t, c.limit, c.path, processes)
					shared = shareOne(t, processes, c.limit, c.path, fmt.Sprintf("203.0.113.%d", try), c.n, algorithm)
				}
				if !shared {
					t.Errorf("%s: Redis was never quick enough", c.limit)
				}
			}
			assertNoAddress(t, redis.Addr)
		})
	}
}

// shareOne uses up a limit at both processes by turns. It is false if one of them had to decide
// alone.
func shareOne(t *testing.T, processes []*service, limit, path, client string, n int, algorithm string) bool {
	t.Helper()
	before := processes[0].alone(t, limit) + processes[1].alone(t, limit)
	passed, refused := 0, 0
	var told []limitedAnswer
	for i := range n + 4 {
		a := processes[i%2].asClient(t, client, path, limitedKey)
		told = append(told, a)
		if a.status == http.StatusTooManyRequests {
			refused++
		} else {
			passed++
		}
	}
	if processes[0].alone(t, limit)+processes[1].alone(t, limit) != before {
		return false
	}
	if passed != n || refused != 4 {
		t.Errorf("%s: %d passed and %d were refused, want %d and 4", limit, passed, refused, n)
	}
	for i, a := range told {
		want := max(n-1-i, 0)
		if a.limit != n || a.remaining != want || a.reset < 1 || (a.status == 429) != (a.retry > 0) {
			t.Errorf("%s, request %d: %+v, want %d remaining of %d", limit, i, a, want, n)
		}
		longest, retry := 3600, 3600/n
		if algorithm == "sliding-window" {
			longest, retry = 3600*17/16, 3600*17/16
		}
		if a.reset > longest || a.retry > retry || i >= n && a.reset < longest-3600/16-60 || i >= n && a.retry < retry-3600/16-60 {
			t.Errorf("%s, request %d: %+v does not go with a limit of %d an hour", limit, i, a, n)
		}
	}
	return true
}

// assertNoAddress looks through everything in Redis.
func assertNoAddress(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	answers := bufio.NewReader(conn)
	line := func() string {
		text, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(text)
	}
	_, _ = io.WriteString(conn, "KEYS *\r\n")
	n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
	if err != nil || n < 3 {
		t.Fatalf("%d keys, %v", n, err)
	}
	keys := make([]string, n)
	for i := range keys {
		line()
		keys[i] = line()
	}
	for _, key := range keys {
		_, _ = fmt.Fprintf(conn, "GET %s\r\n", key)
		line()
		text := key + " " + line()
		for _, never := range []string{"203.0.113", "198.18", "/api/", "sessions", limitedKey, apiKey} {
			if strings.Contains(text, never) {
				t.Errorf("Redis has %q: %s", never, text)
			}
		}
	}
}

func TestWrongCredentialsAreCountedTogether(t *testing.T) {
	t.Parallel()
	redis := dbtest.Redis(t)
	env := []string{"REDIS_URL=redis://" + redis.Addr, "RATE_LIMIT_FAILURES=4", "RATE_LIMIT_SESSIONS=1000"}
	processes := []*service{limited(t, env...), limited(t, env...)}
	untilShared(t, "sessions", "/api/sessions/x?source=store", processes)
	for _, p := range processes { // the first word with Redis
		eventually(t, "Redis decides", func() bool {
			before := p.alone(t, "failures")
			p.asClient(t, "198.18.9.9", "/api/sessions/x", "wrong")
			return p.alone(t, "failures") == before
		})
	}
	for try := range 100 {
		untilShared(t, "sessions", "/api/sessions/x?source=store", processes)
		client := fmt.Sprintf("203.0.113.%d", try)
		before := processes[0].alone(t, "failures") + processes[1].alone(t, "failures")
		var statuses []int
		for i := range 6 {
			statuses = append(statuses, processes[i%2].asClient(t, client, "/api/sessions/x", "wrong").status)
		}
		if processes[0].alone(t, "failures")+processes[1].alone(t, "failures") != before {
			continue
		}
		if got := fmt.Sprint(statuses); got != "[401 401 401 401 429 429]" {
			t.Errorf("answered %s", got)
		}
		if a := processes[1].asClient(t, client, "/api/sessions/x?source=store", limitedKey); a.status != http.StatusNotFound {
			t.Errorf("who has the key is answered %d", a.status)
		}
		return
	}
	t.Error("Redis was never quick enough")
}

func TestWithoutRedisEachProcessLimitsByItselfAndNobodyWaits(t *testing.T) {
	t.Parallel()
	const path = "/api/sessions/x?source=store"
	redis := dbtest.Redis(t)
	env := []string{"REDIS_URL=redis://" + redis.Addr}
	processes := []*service{limited(t, env...), limited(t, env...)}
	untilShared(t, "sessions", path, processes)
	for _, c := range []struct {
		name         string
		begin, after func()
	}{
		{"killed", redis.Kill, func() { redis.Restart(t) }},
		{"stalled", redis.Stall, redis.Resume},
	} {
		c.begin()
		for i, p := range processes {
			flaws := p.limitsAlone(t, path, fmt.Sprintf("192.0.2.%d", i+len(c.name)*10))
			// What a machine in trouble spoils, another client meets as it should be.
			for try := 0; len(flaws) > 0 && try < 5; try++ {
				t.Logf("%s: process %d: %q", c.name, i, flaws)
				flaws = p.limitsAlone(t, path, fmt.Sprintf("198.51.100.%d", i+len(c.name)*10+2*try))
			}
			if len(flaws) > 0 {
				t.Errorf("%s: process %d: %q", c.name, i, flaws)
			}
		}
		c.after()
		untilShared(t, "sessions", path, processes)
	}
}

// limitsAlone says what is wrong with how a client of a process without Redis is limited.
func (p *service) limitsAlone(t *testing.T, path, client string) (flaws []string) {
	t.Helper()
	var statuses []int
	slow := time.Duration(0)
	for range 12 {
		a := p.asClient(t, client, path, limitedKey)
		statuses, slow = append(statuses, a.status), max(slow, a.took)
		if a.limit != 10 || a.reset < 1 {
			flaws = append(flaws, fmt.Sprintf("%+v", a))
		}
	}
	if got := fmt.Sprint(statuses); got != "[404 404 404 404 404 404 404 404 404 404 429 429]" {
		flaws = append(flaws, "answered "+got)
	}
	if slow > 20*time.Millisecond+limitSlack {
		flaws = append(flaws, fmt.Sprintf("an answer took %v", slow))
	}
	return flaws
}

// limitSlack is what a busy machine may add to the budget of Redis.
const limitSlack = 300 * time.Millisecond

func TestAlgorithmsAreNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, "RATE_LIMIT_ALGORITHM=leaky-bucket")
	if _, stderr, code := s.run(t, "serve"); code != 2 || !strings.Contains(stderr, "RATE_LIMIT_ALGORITHM") || !strings.Contains(stderr, "sliding-window") {
		t.Errorf("%d: %s", code, stderr)
	}
}
