package webhooktest

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// newID is an id that no other run has used.
func newID() string { return "wht-" + rand.Text() }

// event is the body of a complete session that nobody has slept.
func event(sessionID string) string {
	return fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","data":{"timezone":"UTC","peculiarities":["NEVER_SLEPT"],`+
		`"missing_data_ratio":0.0,"user_id":"wht-user","session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00",`+
		`"end_time":"2026-03-14T13:55:07+00:00","created_timezone":"Asia/Seoul","sleep_stages":[0,0,0,0,0,0,0,0]},"stat":null}}`, sessionID)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// send posts a body with these headers and no others.
func (s *session) send(t *testing.T, h http.Header, body string) answer {
	t.Helper()
	return s.request(t, http.MethodPost, h, strings.NewReader(body))
}

func (s *session) request(t *testing.T, method string, h http.Header, body io.Reader) answer {
	t.Helper()
	a, err := s.try(t.Context(), method, h, body)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return a
}

func (s *session) try(ctx context.Context, method string, h http.Header, body io.Reader) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL, body)
	if err != nil {
		return answer{}, err
	}
	r.Header = h
	got, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header, string(text)}, err
}

// authentic are headers that prove a body, in the mode of the target.
func (s *session) authentic(t *testing.T, body string) http.Header {
	t.Helper()
	sender := webhook.Sender{Key: s.Key, Secret: s.Secret}
	switch {
	case s.Secret == "":
		sender.Scheme = webhook.SchemeKey
	case s.Key == "":
		sender.Scheme = webhook.SchemeStandard
	}
	return headers(t, sender, body)
}

// standard are headers of Standard Webhooks alone.
func (s *session) standard(t *testing.T, id string, at time.Time, body string) http.Header {
	t.Helper()
	return headers(t, webhook.Sender{Scheme: webhook.SchemeStandard, Secret: s.Secret, ID: id, Time: at}, body)
}

func headers(t *testing.T, sender webhook.Sender, body string) http.Header {
	t.Helper()
	h, err := sender.Header(body)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// with returns a copy in which a header has these values and no others.
func with(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	name = http.CanonicalHeaderKey(name)
	if h[name] = values; len(values) == 0 {
		delete(h, name)
	}
	return h
}

// queued wants the acknowledgement.
func (a answer) queued(t *testing.T) {
	t.Helper()
	var ack struct {
		Status string `json:"status"`
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &ack) != nil || ack.Status != "queued" {
		t.Errorf(`answered %d %s, want 200 {"status":"queued"}`, a.status, a.body)
	}
}

// refused wants a problem in its one form, and returns it.
func (a answer) refused(t *testing.T, status int) webhook.Problem {
	t.Helper()
	var p webhook.Problem
	err := json.Unmarshal([]byte(a.body), &p)
	switch {
	case a.status != status:
		t.Errorf("answered %d %s, want %d", a.status, a.body, status)
	case err != nil || p.Code == "" || p.Message == "" || p.RequestID == "":
		t.Errorf("answered %d %s: want code, message, timestamp and request_id", a.status, a.body)
	default:
		if _, err := time.Parse(time.RFC3339, p.Timestamp); err != nil {
			t.Errorf("timestamp %q: %v", p.Timestamp, err)
		}
	}
	return p
}

// dial opens a connection for what no HTTP client would send.
func (s *session) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// head is the text of a request's head, without the empty line at its end.
func (s *session) head(h http.Header) string {
	var b strings.Builder
	path := "/"
	if _, rest, ok := strings.Cut(strings.TrimPrefix(s.URL, "http://"), "/"); ok {
		path += rest
	}
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", path, s.host)
	_ = h.Write(&b) // to memory
	return b.String()
}

// hears reads an answer within a time. ok is false if the connection was closed
// without one; it fails the test if neither happens.
func hears(t *testing.T, conn net.Conn, within time.Duration) (status int, ok bool) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(within))
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if timeout, is := err.(net.Error); is && timeout.Timeout() { //nolint:errorlint // of the connection itself
		t.Fatalf("neither answered nor closed within %v", within)
	}
	if err != nil {
		return 0, false
	}
	_ = got.Body.Close()
	return got.StatusCode, true
}
