package server_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/webhook"
)

// impatient has a service wait no longer for requests than tests do.
func impatient(c *server.Config) { c.ReadTimeout = 500 * time.Millisecond }

// smuggled is a request that stands behind another.
const smuggled = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n"

// chunked is a delivery without credentials whose body goes in chunks.
func chunked(header, body string) string {
	return "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + header + "\r\n" + body
}

// toTheEnd is more answers than anybody gives: a connection is read until it is closed.
const toTheEnd = 1000

// stoodStill is how long the machine may stand still during a request without being the
// reason for how that is answered.
const stoodStill = 100 * time.Millisecond

// answers sends bytes on a connection of their own and returns the answers: so many, and
// what comes within a moment after them, or all up to the end of the connection. It asks
// again if the machine stood still meanwhile, as a service may hang up on who is slow.
func answers(t *testing.T, addr, request string, most int) (list []*http.Response, closed bool) {
	t.Helper()
	for range 20 {
		watch, begun := standstill.Begin(), time.Now()
		list, closed = answered(t, addr, request, most)
		stood := watch.Longest(begun)
		if watch.End(); stood < stoodStill {
			break
		}
	}
	return list, closed
}

func answered(t *testing.T, addr, request string, most int) (list []*http.Response, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, request) }() // may be answered before it is all read
	in := bufio.NewReader(conn)
	for {
		patience := time.Minute
		if len(list) >= most {
			patience = 300 * time.Millisecond
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			ne, ok := err.(net.Error) //nolint:errorlint // as net returns it
			return list, !ok || !ne.Timeout()
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body = io.NopCloser(bytes.NewReader(body))
		list = append(list, answer)
	}
}

// TestWhatStandsBehindARequestOfUnclearLengthIsNotAnswered: the second request of each
// would be somebody else's.
func TestWhatStandsBehindARequestOfUnclearLengthIsNotAnswered(t *testing.T) {
	t.Parallel()
	_, at := listening(t, nil)
	post := "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a length and chunks":             {chunked("Content-Length: 4\r\n", "0\r\n\r\n"), 401},
		"chunks and a length":             {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 401},
		"two codings":                     {chunked("Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 501},
		"a list of codings":               {post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
		"a coding behind a control":       {post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"two lengths":                     {post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400},
		"a list of lengths":               {post + "Content-Length: 4, 5\r\n\r\nabcd", 400},
		"a length with a sign":            {post + "Content-Length: +4\r\n\r\nabcd", 400},
		"a negative length":               {post + "Content-Length: -4\r\n\r\nabcd", 400},
		"a length in hex":                 {post + "Content-Length: 0x4\r\n\r\nabcd", 400},
		"a length beyond numbers":         {post + "Content-Length: 99999999999999999999\r\n\r\nabcd", 400},
		"a chunk beyond numbers":          {chunked("", "FFFFFFFFFFFFFFFFF\r\nab\r\n0\r\n\r\n"), 401},
		"chunks with bare line feeds":     {chunked("", "2\nab\n0\n\n"), 401},
		"a line break in an extension":    {chunked("", "2;a=\"b\r\nc\"\r\nab\r\n0\r\n\r\n"), 401},
		"an extension of 64 KiB":          {chunked("", "2;"+strings.Repeat("a", 64<<10)+"\r\nab\r\n0\r\n\r\n"), 401},
		"credentials in the trailer":      {chunked("Trailer: X-Api-Key\r\n", "0\r\nX-Api-Key: "+apiKey+"\r\n\r\n"), 401},
		"a length in the trailer":         {chunked("Trailer: Content-Length\r\n", "0\r\nContent-Length: 4\r\n\r\n"), 400},
		"a carriage return in a header":   {post + "X: a\rContent-Length: 4\r\n\r\n", 400},
		"a NUL in a header":               {post + "X: a\x00b\r\n\r\n", 400},
		"a target with a tab":             {"GET /live\tx HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"no host":                         {"GET /live HTTP/1.1\r\n\r\n", 400},
		"a host with a path":              {"GET /live HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400},
		"a tunnel":                        {"CONNECT localhost:9090 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"an authority":                    {"GET localhost:9090 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"a star":                          {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"the preface of HTTP/2":           {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		"HTTP/2 as a word":                {"GET /live HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		"HTTP/0.9":                        {"GET /live\r\n\r\n", 400},
		"chunks in HTTP/1.0":              {"POST /webhook HTTP/1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 401},
		"an expectation nobody has":       {post + "Expect: magic\r\nContent-Length: 4\r\n\r\n", 417},
		"a body that is expected, no key": {post + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", 401},
		"a URL beyond the limit":          {"GET /" + strings.Repeat("a", 600<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
		"HTTP/1.0":                        {"GET /live HTTP/1.0\r\n\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, closed := answers(t, at.Public.String(), c.request+smuggled, toTheEnd)
			if len(list) != 1 || list[0].StatusCode != c.status || !closed {
				t.Errorf("%d answers, closed: %v", len(list), closed)
			}
			for _, a := range list {
				if a.Header.Get("Location") != "" || a.Proto != "HTTP/1.0" && a.Proto != "HTTP/1.1" {
					t.Errorf("answered %s %d %v", a.Proto, a.StatusCode, a.Header)
				}
			}
		})
	}
}

func TestUnusualRequestsThatAreClearAreAnswered(t *testing.T) {
	t.Parallel()
	r, at := listening(t, nil)
	signed, err := webhook.Sender{Key: apiKey, Secret: secret}.NewRequest(t.Context(), "http://a/webhook", anEvent)
	if err != nil {
		t.Fatal(err)
	}
	delivery := func(header, body string) string {
		var b strings.Builder
		_ = signed.Header.Write(&b)
		return "POST /webhook HTTP/1.1\r\nHost: a\r\n" + b.String() + header + "\r\n" + body
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(anEvent))
	for name, c := range map[string]struct {
		request  string
		statuses []int
	}{
		"three at once":           {smuggled + smuggled + smuggled, []int{200, 200, 200}},
		"a delivery and another":  {delivery(length, anEvent) + smuggled, []int{200, 200}},
		"the same length twice":   {delivery(length+length, anEvent) + smuggled, []int{200, 200}},
		"a body that is expected": {delivery(length+"Expect: 100-continue\r\n", anEvent), []int{100, 200}},
		"chunks":                  {delivery("Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x;ext=1\r\n%s\r\n0\r\nX-Trailer: x\r\n\r\n", len(anEvent), anEvent)), []int{200}},
		"a body of a probe":       {"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd" + smuggled, []int{200, 200}},
		"an absolute target":      {"GET http://evil.example/live HTTP/1.1\r\nHost: a\r\n\r\n", []int{200}},
		"HTTP/1.0, kept alive":    {"GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + smuggled, []int{200, 200}},
		"an upgrade to HTTP/2":    {"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", []int{200}},
		"a length in a fold":      {"GET /live HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 4\r\n\r\n" + smuggled, []int{200, 200}},
		"50,000 headers":          {"GET /live HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 50_000) + "\r\n", []int{200}},
		"TRACE, which echoes":     {"TRACE /live HTTP/1.1\r\nHost: a\r\nCookie: crumbs\r\n\r\n", []int{405}},
		"a method of nobody":      {"BREW /live HTTP/1.1\r\nHost: a\r\n\r\n", []int{405}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, _ := answers(t, at.Public.String(), c.request, len(c.statuses))
			var statuses []int
			for _, a := range list {
				body, _ := io.ReadAll(a.Body)
				statuses = append(statuses, a.StatusCode)
				if bytes.Contains(body, []byte("crumbs")) {
					t.Error("it echoes what was sent")
				}
			}
			if !slices.Equal(statuses, c.statuses) {
				t.Errorf("answered %v, want %v\n%s", statuses, c.statuses, r.log)
			}
		})
	}
}

// TestTheOperatorsSideIsNotReachedFromOutside by any writing of its paths or of the host.
func TestTheOperatorsSideIsNotReachedFromOutside(t *testing.T) {
	t.Parallel()
	_, at := listening(t, nil)
	for _, path := range []string{"/metrics", "/health", "/inbox", "/inbox/1", "/circuit-breaker/status", "/debug/pprof/", "/debug/vars"} {
		for _, target := range []string{path, "/" + path, "/." + path, path + "/", path + "/.", "/live/.." + path, "/live/%2e%2e" + path, "/%2f" + path, strings.ToUpper(path), fmt.Sprintf("/%%%02x", path[1]) + path[2:], "http://localhost" + path, path + "?x=y", path + ";x"} {
			for _, host := range []string{"localhost", "127.0.0.1:9090", at.Admin.String()} {
				list, _ := answers(t, at.Public.String(), "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nX-Forwarded-Host: localhost\r\nX-Original-URL: "+path+"\r\nConnection: close\r\n\r\n", toTheEnd)
				if len(list) != 1 || list[0].StatusCode != 404 {
					t.Errorf("%s of %s: %+v", target, host, list)
				}
			}
		}
	}
	list, _ := answers(t, at.Admin.String(), "GET /metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n", toTheEnd)
	if len(list) != 1 || list[0].StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by a name of somebody else's DNS: %+v", list)
	}
}

// TestSlowSendersAreCutOffInTimeAndHurtNobody: of headers and of bodies.
func TestSlowSendersAreCutOffInTimeAndHurtNobody(t *testing.T) {
	t.Parallel()
	_, at := listening(t, impatient)
	watch, begun := standstill.For(t), time.Now()
	type end struct {
		name string
		err  error
		took time.Duration
	}
	ends := make(chan end)
	const each = 100
	for name, start := range map[string]string{
		"headers": "GET /live HTTP/1.1\r\nHost: a\r\n",
		"a body":  "POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nx-api-key: " + apiKey + "\r\nx-signature: " + strings.Repeat("0", 64) + "\r\nContent-Length: 100000\r\n\r\n",
		"chunks":  chunked("x-api-key: "+apiKey+"\r\nx-signature: "+strings.Repeat("0", 64)+"\r\n", ""),
	} {
		for range each {
			go func() {
				conn, err := net.Dial("tcp", at.Public.String())
				if err != nil {
					ends <- end{name, err, 0}
					return
				}
				defer func() { _ = conn.Close() }()
				drips := make(chan struct{})
				go func() {
					defer close(drips)
					tick := time.NewTicker(20 * time.Millisecond)
					defer tick.Stop()
					_, err := io.WriteString(conn, start)
					for err == nil {
						<-tick.C
						_, err = io.WriteString(conn, "1")
					}
				}()
				_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
				_, err = io.Copy(io.Discard, conn) // to the end of the connection
				_ = conn.Close()
				<-drips
				ends <- end{name, err, watch.Took(begun)}
			}()
		}
	}
	others := &http.Client{Transport: new(http.Transport)}
	defer others.CloseIdleConnections()
	quick := 0
	for n := 0; n < 3*each; {
		select {
		case e := <-ends:
			n++
			if ne, ok := e.err.(net.Error); ok && ne.Timeout() || e.took > time.Minute { //nolint:errorlint // as net returns it
				t.Errorf("%s: %v after %v", e.name, e.err, e.took)
			}
		default:
			asked := time.Now()
			answer, err := others.Get("http://" + at.Public.String() + "/live")
			if err != nil && watch.Longest(asked) > stoodStill/2 {
				continue // it was too slow for the service
			}
			if err != nil || answer.StatusCode != 200 {
				t.Fatalf("another: %v", err)
			}
			_ = answer.Body.Close()
			if watch.Took(asked) < 2*time.Second {
				quick++
			}
		}
	}
	t.Logf("%d were cut off within %v; %d others were answered meanwhile", 3*each, time.Since(begun), quick)
	if quick == 0 {
		t.Error("nobody else was answered")
	}
}

// TestBombsInBodiesAreRefusedForLittle: what is signed may come from a sender who was broken
// into.
func TestBombsInBodiesAreRefusedForLittle(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range 64 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	deep := func(n int) string {
		return `{"event":"X","user_id":"u","a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
	}{
		"a body packed a thousandfold":      {packed.String(), []string{"Content-Encoding", "gzip"}, 415},
		"one that does not say so":          {packed.String(), nil, 400},
		"a million levels":                  {deep(1_000_000), nil, 400},
		"a million that never end":          {strings.Repeat(`{"a":`, 1_000_000), nil, 400},
		"two equal names":                   {`{"event":"X","user_id":"u","user_id":"v"}`, nil, 400},
		"two equal names, one escaped":      {`{"event":"X","user_id":"u","user_\u0069d":"v"}`, nil, 400},
		"white space alone":                 {strings.Repeat(" ", 1<<20), nil, 400},
		"white space around":                {strings.Repeat("\n\t ", 1<<18) + anEvent + strings.Repeat(" ", 1<<18), nil, 200},
		"a number of a million digits":      {`{"event":"X","user_id":"u","n":` + strings.Repeat("9", 1_000_000) + `}`, nil, 200},
		"a hundred thousand members":        {`{"event":"Y","user_id":"u"` + members(100_000) + `}`, nil, 200},
		"more than the limit":               {strings.Repeat(" ", 8<<20+1), nil, 413},
		"no JSON but JavaScript":            {`{"event":"X","user_id":"u",}`, nil, 400},
		"bytes that are not UTF-8":          {"{\"event\":\"X\",\"user_id\":\"\xff\"}", nil, 400},
		"an id with line breaks in its log": {`{"event":"X","user_id":"u\r\n{\"level\":\"ERROR\"}"}`, nil, 200},
	} {
		in, err := webhook.Sender{Key: apiKey, Secret: secret}.NewRequest(t.Context(), "http://a/webhook", c.body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.header); i += 2 {
			in.Header.Set(c.header[i], c.header[i+1])
		}
		w := ask(r.Handler(), http.MethodPost, "/webhook", c.body, flat(in.Header)...)
		if w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.status != 200 && decode[webhook.Problem](t, w.Body).Code == "" {
			t.Errorf("%s: no problem", name)
		}
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return b.String()
}

func flat(h http.Header) (list []string) {
	for name, values := range h {
		list = append(list, name, values[0])
	}
	return list
}

// TestNothingOfARequestBeginsALineOfTheLogOrOfTheHeader: every line is one object, whatever
// stands in paths, ids and headers.
func TestNothingOfARequestBeginsALineOfTheLogOrOfTheHeader(t *testing.T) {
	t.Parallel()
	r := newReading(t, func(c *server.Config) { c.LogUserIDs = true })
	const evil = "x\r\nX-Evil: 1\r\n\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\u2028\x1b[2J"
	for _, path := range []string{"/api/sessions/%0d%0aX-Evil:%201", "/api/users/u%0d%0a/sessions", "/%0d%0aX-Evil:%201", "/api/statistics?user_id=%0d%0aX-Evil:%201", "/api/users/user-0001/sessions?cursor=%0d%0a"} {
		for _, header := range []string{"X-Request-Id", "X-Forwarded-For", "Origin", "X-User-Id", "User-Agent", "Accept", "If-None-Match", "Host"} {
			w := r.do(t, http.MethodGet, path, "X-Api-Key", readKey, header, evil)
			if w.Header().Get("X-Evil") != "" || w.Code < 400 {
				t.Errorf("%s, %s: %d %v", path, header, w.Code, w.Header())
			}
			for name, values := range w.Header() {
				if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x1b") {
					t.Errorf("%s, %s: %s has %q", path, header, name, values)
				}
			}
		}
	}
	_ = ask(r.Handler(), http.MethodPost, "/webhook", evil, "X-User-Id", evil, "X-Request-Id", evil)
	for line := range strings.Lines(r.log.String()) {
		var one struct{ Msg string }
		if !json.Valid([]byte(line)) || json.Unmarshal([]byte(line), &one) != nil || one.Msg == "forged" {
			t.Errorf("a line of the log is %q", line)
		}
	}
}

// TestQueriesOfManyParametersAreRefused: at 8 KiB, and as unknown before that.
func TestQueriesOfManyParametersAreRefused(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	for name, query := range map[string]string{
		"a thousand unknown ones": strings.Repeat("a=1&", 1000),
		"a thousand of one":       strings.Repeat("from=2026-01-01&", 500),
		"a hundred thousand":      strings.Repeat("a&", 100_000),
		"brackets":                "user_id[]=u&user_id[$ne]=x",
	} {
		if w := r.get(t, "/api/statistics?"+query); w.Code != http.StatusBadRequest || w.Body.Len() > 1000 {
			t.Errorf("%s: %d %.200s", name, w.Code, w.Body)
		}
	}
}
