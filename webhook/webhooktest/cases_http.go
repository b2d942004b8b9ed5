package webhooktest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func httpCases() []testCase {
	return []testCase{
		{name: "39 other methods", run: otherMethods},
		{name: "40 content types", run: contentTypes},
		{name: "41 a body of the limit, and one byte more", run: bodyLimit},
		{name: "41 a Content-Length that lies", run: lyingLength},
		{name: "42 a body that breaks off", run: brokenOff},
		{name: "43 a compressed body", run: compressed},
		{name: "44 slow headers", needs: "slow head", run: slowHeaders},
		{name: "44 slow body", needs: "slow body", run: slowBody},
		{name: "45 bodies that are no event", run: noEvents},
	}
}

func otherMethods(t *testing.T, s *session) {
	t.Helper()
	body := event(newID())
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		a := s.request(t, method, s.authentic(t, body), strings.NewReader(body))
		a.refused(t, http.StatusMethodNotAllowed)
		if allow := a.header.Get("Allow"); allow != http.MethodPost {
			t.Errorf("%s: Allow is %q", method, allow)
		}
	}
}

func contentTypes(t *testing.T, s *session) {
	t.Helper()
	for kind, ok := range map[string]bool{
		"application/json": true, "application/json;charset=utf-8": true, "application/json; charset=UTF-8": true, "Application/JSON": true,
		"application/vnd.asleep+json": true, "application/cloudevents+json; charset=utf-8": true,
		"text/plain": false, "multipart/form-data; boundary=x": false, "application/x-www-form-urlencoded": false, "application/jsonp": false,
		"application/json; charset": false, "application/json; =": false, "application/json; charset=utf-16": false, "json": false, "": false,
	} {
		id := newID()
		body := event(id)
		a := s.send(t, with(s.authentic(t, body), "Content-Type", kind), body)
		if ok {
			a.queued(t)
			continue
		}
		if a.refused(t, http.StatusUnsupportedMediaType); t.Failed() {
			t.Fatalf("content type %q", kind)
		}
		s.holds(t, id, 0)
	}
	body := event(newID())
	s.send(t, with(s.authentic(t, body), "Content-Type"), body).refused(t, http.StatusUnsupportedMediaType)
}

// padded is an event of exactly so many bytes.
func padded(id string, size int64) string {
	body := event(id)
	return body + strings.Repeat(" ", int(size)-len(body))
}

// streamed hides the length of a body, so that it goes chunked.
type streamed struct{ io.Reader }

func bodyLimit(t *testing.T, s *session) {
	t.Helper()
	for what, wrap := range map[string]func(string) io.Reader{
		"with a Content-Length": func(b string) io.Reader { return strings.NewReader(b) },
		"chunked":               func(b string) io.Reader { return streamed{strings.NewReader(b)} },
	} {
		body := padded(newID(), s.MaxBody)
		if a := s.request(t, http.MethodPost, s.authentic(t, body), wrap(body)); a.status != http.StatusOK {
			t.Errorf("%d bytes %s: answered %d %s", len(body), what, a.status, a.body)
		}
		id := newID()
		body = padded(id, s.MaxBody+1)
		a, err := s.try(t.Context(), http.MethodPost, s.authentic(t, body), wrap(body))
		switch {
		case err != nil: // it was answered and closed while we were sending
			t.Logf("%d bytes %s: the connection was closed: %v", len(body), what, err)
		case a.status != http.StatusRequestEntityTooLarge:
			t.Errorf("%d bytes %s: answered %d %s", len(body), what, a.status, a.body)
		}
		s.holds(t, id, 0)
	}
}

// lyingLength announces more, or less, than comes.
func lyingLength(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	conn := s.dial(t)
	_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", s.head(s.authentic(t, body)), s.MaxBody+1, body)
	if status, ok := hears(t, conn, 30*time.Second); ok && status != http.StatusRequestEntityTooLarge {
		t.Errorf("a length above the limit: answered %d", status)
	}
	conn = s.dial(t)
	_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", s.head(s.authentic(t, body)), len(body)-1, body)
	if status, ok := hears(t, conn, 30*time.Second); ok && status == http.StatusOK {
		t.Error("a body cut by its length was taken")
	}
	s.holds(t, id, 0)
}

func brokenOff(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	conn := s.dial(t)
	_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", s.head(s.authentic(t, body)), len(body), body[:len(body)/2])
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
	if status, ok := hears(t, conn, 30*time.Second); ok && status != http.StatusBadRequest {
		t.Errorf("answered %d", status)
	}
	s.holds(t, id, 0)
}

func compressed(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, event(id))
	_ = z.Close()
	h := s.authentic(t, b.String())
	for _, encoding := range []string{"gzip", "br", "identity, gzip"} {
		s.send(t, with(h, "Content-Encoding", encoding), b.String()).refused(t, http.StatusUnsupportedMediaType)
	}
	s.holds(t, id, 0)
	body := event(newID())
	s.send(t, with(s.authentic(t, body), "Content-Encoding", "identity"), body).queued(t)
}

// A sender that dawdles holds a connection for no longer than it may.
const grace = 30 * time.Second

func slowHeaders(t *testing.T, s *session) {
	t.Helper()
	conn := s.dial(t)
	_, _ = io.WriteString(conn, s.head(nil)+"X-Never-Ending: ")
	if status, ok := hears(t, conn, s.HeaderTimeout+grace); ok && status < 400 {
		t.Errorf("answered %d", status)
	}
}

func slowBody(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	for what, h := range map[string]http.Header{"authentic": s.authentic(t, body), "not authentic": {"Content-Type": {"application/json"}}} {
		conn := s.dial(t)
		_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", s.head(h), len(body), body[:len(body)-1])
		if status, ok := hears(t, conn, s.BodyTimeout+grace); ok && status < 400 {
			t.Errorf("%s: answered %d", what, status)
		}
	}
	s.holds(t, id, 0)
}

func noEvents(t *testing.T, s *session) {
	t.Helper()
	for what, body := range map[string]string{
		"empty": "", "null": "null", "an array": "[]", "a number": "7", "a text": `"x"`, "truncated": `{"event":"SESSION_COMPLETE","data":{`,
		"two objects": "{}{}", "not UTF-8": "{\"event\":\"\xff\xfe\"}", "NaN": `{"event":"X","value":NaN}`,
		"10,000 levels":       `{"event":"X","data":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"10,000 objects":      strings.Repeat(`{"data":`, 10_000) + "{}" + strings.Repeat("}", 10_000),
		"a second event":      `{"event":"SESSION_COMPLETE","event":"INFERENCE_COMPLETE"}`,
		"a second data":       `{"event":"SESSION_COMPLETE","data":{},"data":{}}`,
		"a second session":    `{"event":"SESSION_COMPLETE","data":{"session":{"id":"a"},"session":{"id":"b"}}}`,
		"a second id":         `{"event":"SESSION_COMPLETE","data":{"session":{"id":"a","id":"b"}}}`,
		"a second user":       `{"event":"SESSION_COMPLETE","user_id":"a","user_id":"b"}`,
		"an escaped second":   `{"event":"SESSION_COMPLETE","\u0065vent":"X"}`,
		"a control in a text": "{\"event\":\"a\tb\"}",
	} {
		a := s.send(t, s.authentic(t, body), body)
		if a.refused(t, http.StatusBadRequest); t.Failed() {
			t.Fatalf("%s", what)
		}
	}
}
