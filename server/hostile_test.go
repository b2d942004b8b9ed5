package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/webhook"
)

func TestHostileRequestsAreRefusedInTheOneForm(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/sessions/../../etc/passwd", 404},
		{"GET", "/api/../webhook", 404},
		{"GET", "/api//sessions/x", 404},
		{"GET", "/api/sessions/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404},
		{"GET", "/api/sessions/..%5c..%5cwindows", 400},
		{"GET", "/api/sessions/a%2Fb", 400},
		{"GET", "/api/sessions/a%00b", 400},
		{"GET", "/api/sessions/a%0d%0aX-Evil:%201", 400},
		{"GET", "/api/sessions/%ff%fe", 400},
		{"GET", "/api/sessions/" + strings.Repeat("x", 600), 400},
		{"GET", "/api/sessions/", 404},
		{"GET", "/api/sessions", 404},
		{"GET", "/api", 404},
		{"GET", "/api/statistics?user_id=a;period=all", 400},
		{"GET", "/api/statistics?user_id=%zz", 400},
		{"GET", "/api/statistics?user_id=" + strings.Repeat("x", 9000), 400},
		{"GET", "/api/statistics?user_id=u%0d%0aSet-Cookie:%20x", 400},
		{"GET", "/api/users/u/sessions?cursor=" + strings.Repeat("A", 3000), 400},
		{"POST", "/api/sessions/x", 405},
		{"PUT", "/api/statistics", 405},
		{"DELETE", "/api/users/u/sessions", 405},
		{"PATCH", "/api/users/u/summary", 405},
		{"OPTIONS", "/api/sessions/x", 405},
		{"TRACE", "/api/sessions/x", 405},
		{"CONNECT", "/api/sessions/x", 400},
		{"BREW", "/api/openapi.yaml", 405},
	} {
		w := r.do(t, c.method, c.path, "X-Api-Key", readKey)
		p := decode[webhook.Problem](t, w.Body)
		if w.Code != c.status || p.Code == "" || p.RequestID == "" || w.Header().Get("X-Evil")+w.Header().Get("Set-Cookie")+w.Header().Get("Location") != "" {
			t.Errorf("%s %.80s: %d %+v %v", c.method, c.path, w.Code, p, w.Header())
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %.80s: %v", c.method, c.path, w.Header())
		}
	}
	head := r.do(t, http.MethodHead, "/api/users/user-0001/sessions", "X-Api-Key", readKey)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
}

// run has a service listen until the test ends.
func run(t *testing.T, change func(*server.Config)) (addr string) {
	t.Helper()
	_, at := listening(t, change)
	return at.Public.String()
}

func listening(t *testing.T, change func(*server.Config)) (*reading, server.Addresses) {
	t.Helper()
	r := newReading(t, func(c *server.Config) {
		c.Addr, c.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
		if change != nil {
			change(c)
		}
	})
	r.keep(t, "user-0001")
	ctx, cancel := context.WithCancel(t.Context())
	at, ended := make(chan server.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- r.Run(ctx, func(a server.Addresses) error { at <- a; return nil })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return r, <-at
}

func TestRequestsThatTwoServersWouldReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	addr := run(t, func(c *server.Config) { c.ReadTimeout = 3 * time.Second })
	for name, c := range map[string]struct {
		request string
		status  string // "": the connection is closed without an answer
	}{
		"two lengths":               {"GET /api/statistics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
		"an unknown coding":         {"GET /api/statistics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
		"two hosts":                 {"GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		"a space before the colon":  {"GET /live HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
		"a folded header":           {"GET /live HTTP/1.1\r\nHost: a\r\n X: b\r\n : c\r\n\r\n", "400"},
		"a header without an end":   {"GET /live HTTP/1.1\r\nHost: a\r\nX: y", ""},
		"a header beyond the limit": {"GET /live HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 600<<10) + "\r\n\r\n", "431"},
		"no HTTP":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
	} {
		line, err := firstLine(t, addr, c.request)
		for try := 0; c.status != "" && line == "" && try < 10; try++ { // it was too slow for the service
			line, err = firstLine(t, addr, c.request)
		}
		if c.status == "" && line != "" || c.status != "" && !strings.HasPrefix(line, "HTTP/1.1 "+c.status) {
			t.Errorf("%s: %q, %v", name, line, err)
		}
	}
}

// firstLine is how a service begins to answer what is sent on a connection of its own.
func firstLine(t *testing.T, addr, request string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = io.WriteString(conn, request) }() // may be answered before it is all read
	return bufio.NewReader(conn).ReadString('\n')
}

func TestAThousandConnectionsWithin100MB(t *testing.T) {
	addr := run(t, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]net.Conn, 1000)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	send := func(i int) {
		_, _ = fmt.Fprintf(conns[i], "GET /api/users/user-0001/sessions HTTP/1.1\r\nHost: a\r\nx-api-key: %s\r\n\r\n", readKey)
	}
	open := func(i int) {
		if conns[i] != nil {
			_ = conns[i].Close()
		}
		var err error
		if conns[i], err = net.Dial("tcp", addr); err != nil {
			t.Fatal(err)
		}
		send(i) // who says nothing for a while is hung up on
	}
	for round := range 2 {
		for i := range conns {
			if round == 0 {
				open(i)
			} else {
				send(i)
			}
		}
		for i, c := range conns {
			_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			for try := 0; err != nil && try < 10; try++ { // it was too slow for the service
				open(i)
				_ = conns[i].SetDeadline(time.Now().Add(2 * time.Minute))
				resp, err = http.ReadResponse(bufio.NewReader(conns[i]), nil)
			}
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			if _, err = io.Copy(io.Discard, resp.Body); err != nil || !slices.Contains([]int{200, 503, 504}, resp.StatusCode) {
				t.Fatalf("connection %d: %d %v", i, resp.StatusCode, err)
			}
			_ = resp.Body.Close()
		}
	}
	runtime.ReadMemStats(&after)
	used := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("1,000 connections take %d MB", used>>20)
	if used > 100<<20 {
		t.Errorf("1,000 connections take %d MB", used>>20)
	}
}
