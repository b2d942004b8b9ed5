//go:build unix

package cli_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// The tests under load run alone: others of this package wait for things that have
// their time, which a machine under load does not give them.

// load delivers sessions from some goroutines until it is stopped, and knows which
// were acknowledged.
type load struct {
	mu       sync.Mutex
	acked    []string
	statuses map[int]int
	count    atomic.Int64

	watch    *standstill.Watch
	stopping chan struct{}
	senders  sync.WaitGroup
}

// stoodStill is how long the machine may stand still during a request without being the
// reason for how that is answered.
const stoodStill = 500 * time.Millisecond

// begin delivers the sessions PREFIX-1, PREFIX-2 and so on to a place that may
// change.
func begin(tb testing.TB, prefix string, senders int, url, secret func() string) *load {
	tb.Helper()
	l := &load{statuses: map[int]int{}, watch: standstill.For(tb), stopping: make(chan struct{})}
	var next atomic.Int64
	for range senders {
		h := newHook(tb, hookSecret)
		l.senders.Go(func() {
			for {
				select {
				case <-l.stopping:
					return
				default:
				}
				n := next.Add(1)
				session := fmt.Sprintf("%s-%d", prefix, n)
				h.sender.Secret = secret()
				asked := time.Now()
				status, _ := h.post(url(), completed(fmt.Sprintf("user-%d", n%50), session))
				if late := status == http.StatusServiceUnavailable || status == http.StatusRequestTimeout; late && l.watch.Since(asked) > stoodStill {
					continue // as it should be
				}
				l.note(status, session)
			}
		})
	}
	return l
}

func (l *load) note(status int, session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
	if status == http.StatusOK {
		l.acked = append(l.acked, session)
		l.count.Add(1)
	}
}

// end stops the senders and returns what was acknowledged, and how often which
// status came.
func (l *load) end() (acked []string, statuses map[int]int) {
	close(l.stopping)
	l.senders.Wait()
	return l.acked, l.statuses
}

func steady(text string) func() string { return func() string { return text } }

// stored reads the sessions of a database that nobody serves.
func (s *site) stored(tb testing.TB) map[string]store.Session {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), s.file(), sqlite.Config{ReadOnly: true}, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string]store.Session{}
	for session, err := range store.All(tb.Context(), db.Sessions(), store.Query{}) {
		if err != nil {
			tb.Fatal(err)
		}
		all[session.ID] = session
	}
	return all
}

func TestNothingThatWasAcknowledgedIsLostByKills(t *testing.T) {
	sink := newSink(t)
	s := newSite(t, sink.env()...)
	var all []string
	for round := range 6 {
		p := s.serve(t)
		l := begin(t, fmt.Sprintf("kill-%d", round), 8, steady(p.url), steady(hookSecret))
		eventually(t, "events are acknowledged", func() bool { return l.count.Load() >= 300 })
		p.signal(t, syscall.SIGKILL)
		acked, _ := l.end()
		all = append(all, acked...)
	}
	p := s.serve(t)
	p.drained(t)
	p.signal(t, syscall.SIGTERM)
	stored, notified := s.stored(t), sink.notified()
	for _, session := range all {
		got, ok := stored[session]
		if !ok || !got.CreatedAt.Equal(got.UpdatedAt) {
			t.Fatalf("%s was acknowledged; stored: %v, %+v", session, ok, got)
		}
		if len(notified[session]) != 1 {
			t.Fatalf("%s was notified with the ids %v", session, notified[session])
		}
	}
	twice := 0
	for _, ids := range notified {
		for _, n := range ids {
			if n > 1 {
				twice++
			}
		}
	}
	t.Logf("%d acknowledged over 6 kills, %d stored, %d notified, of these %d more than once", len(all), len(stored), len(notified), twice)
	if strings.Contains(p.stderr.String(), "user-1\"") {
		t.Error("the log has the id of a user")
	}
}

func TestATerminationUnderLoadLosesNothingAndEndsWell(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		sink := newSink(t)
		s := newSite(t, sink.env()...)
		p := s.serve(t)
		l := begin(t, "term", 8, steady(p.url), steady(hookSecret))
		eventually(t, "events are acknowledged", func() bool { return l.count.Load() >= 100 })
		p.signal(t, sig)
		acked, statuses := l.end()
		if code := p.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%v: exit code %d: %s", sig, code, p.stderr)
		}
		for status, n := range statuses {
			if status != http.StatusOK && status != 0 {
				t.Errorf("%v: %d were answered %d", sig, n, status)
			}
		}
		p = s.serve(t)
		p.drained(t)
		p.signal(t, syscall.SIGTERM)
		stored, notified := s.stored(t), sink.notified()
		for _, session := range acked {
			if got, ok := stored[session]; !ok || !got.CreatedAt.Equal(got.UpdatedAt) || len(notified[session]) != 1 {
				t.Fatalf("%v: %s was acknowledged; stored: %v %+v, notified: %v", sig, session, ok, got, notified[session])
			}
		}
	}
}

// notifying is a service that is about to notify of session-1, whose sink does not
// answer before it is told to.
func notifying(t *testing.T, env ...string) (s *site, p *service, told *sink, answer func()) {
	t.Helper()
	told = newSink(t)
	hold := make(chan struct{})
	told.block(hold)
	s = newSite(t, append(told.env(), env...)...)
	p = s.serve(t)
	if status, _ := newHook(t, hookSecret).post(p.url, completed("user-1", "session-1")); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	eventually(t, "a notification is under way", func() bool { return p.figure(t, `asleep_pipeline_held{lane="notify"}`) == 1 })
	return s, p, told, func() { close(hold) }
}

func TestAServiceThatEndsIsNotReadyAndFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	s, p, sink, answer := notifying(t)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not ready", func() bool { return strings.Contains(p.page(t, "/ready"), "stopping") })
	if live := p.page(t, "/live"); !strings.Contains(live, "live") {
		t.Errorf("live: %s", live)
	}
	answer()
	p.await(t)
	if code := p.ProcessState.ExitCode(); code != 0 || len(sink.notified()["session-1"]) != 1 {
		t.Errorf("exit code %d, notified %v: %s", code, sink.notified(), p.stderr)
	}
	if status := s.inbox(t, "list", "--state", "done", "-o", "csv"); strings.Count(status, "\n") != 2 {
		t.Errorf("the event is not done: %s", status)
	}
}

func TestTheSecondSignalEndsAServiceAtOnce(t *testing.T) {
	t.Parallel()
	_, p, _, answer := notifying(t)
	defer answer()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not ready", func() bool { return strings.Contains(p.page(t, "/ready"), "stopping") })
	p.signal(t, syscall.SIGTERM)
	if status, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("it ended with %v", p.ProcessState)
	}
}

func TestADrainIsBounded(t *testing.T) {
	t.Parallel()
	s, p, _, answer := notifying(t, "SHUTDOWN_TIMEOUT=1s")
	defer answer()
	p.signal(t, syscall.SIGTERM)
	if entries := s.inbox(t, "list", "-o", "ndjson"); !strings.Contains(entries, `"state":"ready"`) || !strings.Contains(entries, `"attempts":0`) {
		t.Errorf("what was not finished is not handed back: %s; exit code %d: %s", entries, p.ProcessState.ExitCode(), p.stderr)
	}
}

func TestARotationOfSecretsRefusesNothing(t *testing.T) {
	s := newSite(t, "ASLEEP_WEBHOOK_SECRET=")
	file := filepath.Join(s.dir, "secret")
	s.env = append(s.env, "ASLEEP_WEBHOOK_SECRET_FILE="+file)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old-secret")
	p := s.serve(t)
	var secret atomic.Value
	secret.Store("old-secret")
	l := begin(t, "rotate", 8, steady(p.url), func() string { return secret.Load().(string) })
	reload := func(text string) {
		t.Helper()
		before := strings.Count(p.stderr.String(), "SIGHUP")
		write(text)
		p.signal(t, syscall.SIGHUP)
		eventually(t, "it was told", func() bool { return strings.Count(p.stderr.String(), "SIGHUP") > before })
	}
	more := func(n int64) {
		t.Helper()
		from := l.count.Load()
		eventually(t, "more are acknowledged", func() bool { return l.count.Load() >= from+n })
	}
	more(30)
	reload("new-secret,old-secret")
	secret.Store("new-secret")
	more(30)
	reload("") // a file that is being written: what is at work stays
	more(30)
	reload("new-secret")
	more(30)
	acked, statuses := l.end()
	if len(statuses) != 1 || len(acked) < 120 {
		t.Errorf("answers: %v", statuses)
	}
	if status, _ := newHook(t, "old-secret").post(p.url, completed("user-1", "late")); status != http.StatusUnauthorized {
		t.Errorf("the old secret: %d", status)
	}
	if log := p.stderr.String(); !strings.Contains(log, "the secrets stay as they were") || strings.Contains(log, "-secret") {
		t.Errorf("the log: %s", log)
	}
}

// inbox runs `asleep inbox` at the site and returns its stdout.
func (s *site) inbox(tb testing.TB, args ...string) string {
	tb.Helper()
	stdout, stderr, code := s.run(tb, append([]string{"inbox"}, args...)...)
	if code != 0 {
		tb.Fatalf("asleep inbox %q: exit code %d: %s", args, code, stderr)
	}
	return stdout
}

func TestAThousandConnectionsAreServed(t *testing.T) {
	s := newSite(t)
	p := s.serve(t)
	const connections = 1000
	conns := make([]*hookConn, connections)
	for i := range conns {
		conns[i] = openHook(t, p.url)
	}
	var wg sync.WaitGroup
	var ok atomic.Int64
	patience := time.Now().Add(4 * time.Minute)
	for i, c := range conns {
		wg.Go(func() {
			body := completed("user-1", fmt.Sprintf("conn-%d", i))
			status := c.deliver(body)
			for status != http.StatusOK && time.Now().Before(patience) { // a busy machine: come again, as it asks
				<-time.NewTimer(time.Second).C
				if status != http.StatusServiceUnavailable {
					c = openHook(t, p.url) // it was too slow for the service
				}
				status = c.deliver(body)
			}
			if status == http.StatusOK {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != connections {
		t.Errorf("%d of %d were acknowledged", ok.Load(), connections)
	}
	p.drained(t)
	p.signal(t, syscall.SIGTERM)
	if n := len(s.stored(t)); n != connections {
		t.Errorf("%d sessions are stored", n)
	}
}

func TestWhatOperatorsSeeIsNotOnThePublicAddress(t *testing.T) {
	t.Parallel()
	p := newSite(t).serve(t)
	for _, path := range []string{"/metrics", "/health", "/inbox", "/circuit-breaker/status", "/debug/pprof/"} {
		if got := get(t, p.url+path, ""); got != http.StatusNotFound {
			t.Errorf("%s on the public address: %d", path, got)
		}
	}
	for _, path := range []string{"/live", "/ready"} {
		if got := get(t, p.url+path, ""); got != http.StatusOK {
			t.Errorf("%s on the public address: %d", path, got)
		}
	}
	for _, path := range []string{"/metrics", "/health", "/inbox", "/circuit-breaker/status", "/live", "/ready"} {
		if got := get(t, p.admin+path, ""); got != http.StatusOK {
			t.Errorf("%s on the operators': %d", path, got)
		}
	}
	if status, _ := newHook(t, hookSecret).post(p.url, completed("user-4242", "session-4242")); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	p.drained(t)
	if text := p.page(t, "/metrics"); strings.Contains(text, "user-4242") || strings.Contains(text, "session-4242") || !strings.Contains(text, `asleep_pipeline_events_total{kind="SESSION_COMPLETE",outcome="done"} 1`) {
		t.Errorf("the figures name a user, or not what was done:\n%s", text)
	}
}

// BenchmarkStart measures the way from the start of the process to its first
// acknowledged event.
func BenchmarkStart(b *testing.B) {
	s := newSite(b)
	h := newHook(b, hookSecret)
	n := 0
	for b.Loop() {
		n++
		p := s.serve(b)
		if status, _ := h.post(p.url, completed("user-1", fmt.Sprintf("start-%d", n))); status != http.StatusOK {
			b.Fatalf("answered %d", status)
		}
		b.StopTimer()
		_ = p.Process.Kill()
		<-p.ended
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(n), "ms/start")
}

// BenchmarkDeliveries measures how many events a second the whole service
// acknowledges over 64 connections, the sender on the same cores and the workers at
// work behind.
func BenchmarkDeliveries(b *testing.B) {
	for _, level := range []string{"info", "warn"} {
		b.Run("log="+level, func(b *testing.B) {
			const connections = 64
			s := newSite(b, "LOG_LEVEL="+level)
			p := s.serve(b)
			var next, refused atomic.Int64
			var senders sync.WaitGroup
			conns := make([]*hookConn, connections)
			for i := range conns {
				conns[i] = openHook(b, p.url)
			}
			b.ResetTimer()
			for _, c := range conns {
				senders.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if c.deliver(completed(fmt.Sprintf("user-%d", n%1000), fmt.Sprintf("session-%d", n))) != http.StatusOK {
							refused.Add(1)
						}
					}
				})
			}
			senders.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			done := p.figure(b, `asleep_pipeline_events_total{kind="SESSION_COMPLETE",outcome="done"}`)
			b.ReportMetric(done/float64(b.N), "worked/acked")
			b.ReportMetric(p.figure(b, "process_resident_memory_bytes")/1e6, "MB-rss")
			if n := refused.Load(); n > 0 {
				b.Errorf("%d of %d were refused", n, b.N)
			}
		})
	}
}
