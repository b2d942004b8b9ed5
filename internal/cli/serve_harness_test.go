//go:build unix

package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/webhook"
)

const hookSecret = "hook-secret-1717171717"

// site is a place where `asleep serve` is run, again and again if need be, on one
// database.
type site struct {
	dir string
	env []string
}

// newSite is a place with three variables and free ports. More variables win.
func newSite(tb testing.TB, env ...string) *site {
	tb.Helper()
	s := &site{dir: tb.TempDir()}
	name, value := quickExit()
	s.env = append(os.Environ(), name+"="+value, "ASLEEP_API_KEY="+apiKey, "ASLEEP_WEBHOOK_SECRET="+hookSecret, "ASLEEP_BASE_URL=http://127.0.0.1:1",
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATABASE_URL=sqlite:"+s.file())
	s.env = append(s.env, env...)
	return s
}

func (s *site) file() string { return filepath.Join(s.dir, "asleep.db") }

// service is a run of `asleep serve`.
type service struct {
	*exec.Cmd

	url, admin string
	stderr     *logged
	ended      chan struct{}
}

// serve starts the service and waits until it answers.
func (s *site) serve(tb testing.TB, args ...string) *service {
	tb.Helper()
	p := &service{Cmd: exec.Command("asleep", append([]string{"serve", "--log-format", "json"}, args...)...), stderr: &logged{}, ended: make(chan struct{})}
	p.Dir, p.Env, p.Stderr = s.dir, s.env, p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(); err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for _, url := range []*string{&p.url, &p.admin} {
		line, err := lines.ReadString('\n')
		if err != nil {
			_ = p.Wait()
			tb.Fatalf("it did not start: %s", p.stderr)
		}
		*url = strings.TrimSpace(line)
	}
	go func() {
		_ = p.Wait()
		close(p.ended)
	}()
	tb.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
		for _, never := range []string{apiKey, hookSecret} {
			if strings.Contains(p.stderr.String(), never) {
				tb.Errorf("the log has a secret")
			}
		}
	})
	return p
}

// signal sends one, and waits for the end unless it is SIGHUP.
func (p *service) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := p.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
	if sig != syscall.SIGHUP {
		p.await(tb)
	}
}

// await waits for the end.
func (p *service) await(tb testing.TB) {
	tb.Helper()
	patience := time.NewTimer(3 * time.Minute)
	defer patience.Stop()
	select {
	case <-p.ended:
	case <-patience.C:
		tb.Fatalf("it does not end: %s", p.stderr)
	}
}

// hook is a client of its own, so that tests share no connections.
type hook struct {
	client *http.Client
	sender webhook.Sender
}

func newHook(tb testing.TB, secret string) *hook {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return &hook{client: &http.Client{Transport: transport, Timeout: 2 * time.Minute}, sender: webhook.Sender{Key: apiKey, Secret: secret}}
}

// post delivers an event and returns the status, 0 when nobody answered.
func (h *hook) post(url, body string) (status int, header http.Header) {
	r, err := h.sender.NewRequest(context.Background(), url+"/asleep-webhook", body)
	if err != nil {
		return -1, nil
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return 0, nil
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return 0, nil
	}
	return answer.StatusCode, answer.Header
}

// completed is an event that a session of a user is complete.
func completed(user, session string) string {
	return fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":%q,"timezone":"Asia/Seoul","peculiarities":[],"missing_data_ratio":0.0,`+
		`"session":{"id":%q,"state":"COMPLETE","start_time":"2026-03-14T22:00:00+09:00","end_time":"2026-03-15T06:00:00+09:00",`+
		`"sleep_stages":[-1,0,1,1,2,2,3,3,1],"breath_stages":[-1,0,0,0,0,0,0,0,0],"snoring_stages":[-1,0,0,0,0,0,0,0,0]},`+
		`"stat":{"sleep_index":80,"time_in_bed":28800,"time_in_sleep":25200}}}`, user, session)
}

// figure reads a number of /metrics by the name and labels of its line.
func (p *service) figure(tb testing.TB, line string) float64 {
	tb.Helper()
	return figureIn(tb, p.page(tb, "/metrics"), line)
}

func figureIn(tb testing.TB, text, line string) (value float64) {
	tb.Helper()
	for l := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(l, line+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				tb.Fatal(err)
			}
			return value
		}
	}
	return 0 // what has not happened yet has no line
}

func (p *service) page(tb testing.TB, path string) string {
	tb.Helper()
	answer, err := new(http.Client).Get(p.admin + path)
	if err != nil {
		tb.Fatalf("%v: %s", err, p.stderr)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func (p *service) health(tb testing.TB) (h server.Health) {
	tb.Helper()
	if err := json.Unmarshal([]byte(p.page(tb, "/health")), &h); err != nil {
		tb.Fatal(err)
	}
	return h
}

// drained waits until nothing in the inbox is left to do. An inbox that does not answer has
// no figures, which is not the same.
func (p *service) drained(tb testing.TB) {
	tb.Helper()
	eventually(tb, "the inbox is empty", func() bool {
		text := p.page(tb, "/metrics")
		if !strings.Contains(text, "asleep_inbox_up 1") {
			return false
		}
		left := 0.0
		for _, state := range []string{"ready", "leased", "delayed"} {
			left += figureIn(tb, text, `asleep_inbox_events{state="`+state+`"}`)
		}
		return left == 0
	})
}

// eventually waits for something to become true.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("not true in time: %s", what)
		}
	}
}

// sink receives notifications.
type sink struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string]map[string]int // session, id of the notification, how often
	hold chan struct{}             // if set, answers wait for its end
}

const notifySecret = "whsec_bm90aWZ5LXNlY3JldC1ub3RpZnktc2VjcmV0LTEyMzQ="

func newSink(tb testing.TB) *sink {
	tb.Helper()
	s := &sink{seen: map[string]map[string]int{}}
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{notifySecret}})
	if err != nil {
		tb.Fatal(err)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // killed in the middle
		}
		if _, err := v.Verify(r.Header, body); err != nil {
			tb.Errorf("a notification is not authentic: %v", err)
		}
		var n webhook.Notification
		if err := json.Unmarshal(body, &n); err != nil || n.ID != r.Header.Get("Webhook-Id") {
			tb.Errorf("a notification is %s, %v", body, err)
		}
		s.mu.Lock()
		hold := s.hold
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.seen[n.SessionID] == nil {
			s.seen[n.SessionID] = map[string]int{}
		}
		s.seen[n.SessionID][n.ID]++
	}))
	tb.Cleanup(s.Close)
	return s
}

func (s *sink) env() []string {
	return []string{"NOTIFY_URL=" + s.URL, "NOTIFY_SECRET=" + notifySecret}
}

func (s *sink) block(hold chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

func (s *sink) notified() map[string]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]map[string]int, len(s.seen))
	for session, ids := range s.seen {
		all[session] = map[string]int{}
		maps.Copy(all[session], ids)
	}
	return all
}

// dial opens a connection, or tells why that is not possible.
func dial(tb testing.TB, url string) net.Conn {
	tb.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		tb.Fatal(errors.Unwrap(err))
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// run runs another command at the site.
func (s *site) run(tb testing.TB, args ...string) (stdout, stderr string, code int) {
	tb.Helper()
	var out, errs strings.Builder
	p := exec.Command("asleep", args...)
	p.Dir, p.Env, p.Stdout, p.Stderr = s.dir, s.env, &out, &errs
	err := p.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		tb.Fatal(err)
	}
	return out.String(), errs.String(), code
}

// hookConn is one connection that delivers.
type hookConn struct {
	net.Conn

	url    string
	answer *bufio.Reader
}

func openHook(tb testing.TB, url string) *hookConn {
	tb.Helper()
	c := dial(tb, url)
	return &hookConn{Conn: c, url: url, answer: bufio.NewReader(c)}
}

// deliver sends an event and returns the status, 0 when nobody answered.
func (c *hookConn) deliver(body string) int {
	if c.SetDeadline(time.Now().Add(2*time.Minute)) != nil {
		return 0
	}
	r, err := webhook.Sender{Key: apiKey, Secret: hookSecret}.NewRequest(context.Background(), c.url+"/webhook", body)
	if err != nil || r.Write(c.Conn) != nil {
		return 0
	}
	answer, err := http.ReadResponse(c.answer, r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
