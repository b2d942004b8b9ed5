//go:build unix

package cli_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/server"
)

func TestADatabaseThatIsLockedRefusesUntilItIsFree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env = append(s.env, "DATABASE_URL=sqlite:"+s.file()+"?busy_timeout=100ms")
	p := s.serve(t)
	h := newHook(t, hookSecret)
	if status, _ := h.post(p.url, completed("user-1", "before")); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	p.drained(t)
	free := lock(t, s.file())
	status, header := h.post(p.url, completed("user-1", "meanwhile"))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("while it is locked: %d %v", status, header)
	}
	eventually(t, "it is unhealthy", func() bool { return p.health(t).Status == server.Unhealthy })
	if got := get(t, p.admin+"/health", ""); got != http.StatusServiceUnavailable {
		t.Errorf("health answers %d", got)
	}
	free()
	eventually(t, "it takes events again", func() bool {
		status, _ := h.post(p.url, completed("user-1", "after"))
		return status == http.StatusOK
	})
	eventually(t, "it is healthy again", func() bool { return p.health(t).Checks["database"].Status == server.Healthy })
	p.drained(t)
	p.signal(t, syscall.SIGTERM)
	stored := s.stored(t)
	for session, want := range map[string]bool{"before": true, "meanwhile": false, "after": true} {
		if _, got := stored[session]; got != want {
			t.Errorf("%s is stored: %v, want %v", session, got, want)
		}
	}
}

// TestADatabaseThatStaysLockedIsNotWaitedForByEverybody: writers are answered at once after
// the first few, and readers as ever.
func TestADatabaseThatStaysLockedIsNotWaitedForByEverybody(t *testing.T) {
	t.Parallel()
	s := newSite(t, "READ_API_KEYS="+stormKey)
	p := s.serve(t)
	h := newHook(t, hookSecret)
	if status, _ := h.post(p.url, completed("user-1", "before")); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	p.drained(t)
	free := lock(t, s.file())
	var first sync.WaitGroup
	for n := range 8 {
		first.Go(func() {
			if status, _ := h.post(p.url, completed("user-1", fmt.Sprintf("first-%d", n))); status != http.StatusServiceUnavailable {
				t.Errorf("while it is locked: %d", status)
			}
		})
	}
	first.Wait()
	quick, watch := 0, standstill.For(t)
	for n := range 20 {
		begun := time.Now()
		status, header := h.post(p.url, completed("user-1", fmt.Sprintf("later-%d", n)))
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Errorf("later: %d %v", status, header)
		}
		if watch.Took(begun) < 2*time.Second { // who waits for the store waits for three
			quick++
		}
	}
	if quick < 15 { // some are the probes
		t.Errorf("%d of 20 were answered at once", quick)
	}
	eventually(t, "a read is answered", func() bool { return get(t, p.url+"/api/users/user-1/sessions?source=store", stormKey) == http.StatusOK })
	eventually(t, "it is not ready", func() bool { return get(t, p.url+"/ready", "") == http.StatusServiceUnavailable })
	free()
	eventually(t, "it takes events again", func() bool {
		status, _ := h.post(p.url, completed("user-1", "after"))
		return status == http.StatusOK && get(t, p.url+"/ready", "") == http.StatusOK
	})
}

// lock takes the write lock of a file, as another process would, until free is
// called.
func lock(t *testing.T, file string) (free func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context()) // free may be called by a cleanup
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := c.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		_ = db.Close()
	}
}

func TestAFullDiskRefusesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	disk := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("NOT TESTED: this test needs to run as root and mount a tmpfs (%v)", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s.env = append(s.env, "DATABASE_URL=sqlite:"+filepath.Join(disk, "asleep.db"))
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.serve(t)
	h := newHook(t, hookSecret)
	var acked []string
	refused := 0
	for n := 0; refused < 3; n++ {
		session := fmt.Sprintf("full-%d", n)
		status, header := h.post(p.url, padded("user-1", session, 20_000))
		switch {
		case status == http.StatusOK:
			acked = append(acked, session)
		case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
			refused++
		default:
			t.Fatalf("%d %v after %d events", status, header, n)
		}
	}
	if got := p.health(t).Checks["disk"].Status; got != server.Unhealthy {
		t.Errorf("the disk is %s", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it takes events again", func() bool {
		status, _ := h.post(p.url, completed("user-1", "room"))
		return status == http.StatusOK
	})
	for _, session := range append(acked, "room") {
		if entries := s.inboxOf(t, p, session); entries != 1 {
			t.Fatalf("%s was acknowledged and is in the inbox %d times", session, entries)
		}
	}
	t.Logf("%d acknowledged before the disk was full", len(acked))
}

// padded is an event with some more members.
func padded(user, session string, size int) string {
	return strings.Replace(completed(user, session), `{"event"`, `{"pad":"`+strings.Repeat("x", size)+`","event"`, 1)
}

// inboxOf counts the events of a session.
func (s *site) inboxOf(tb testing.TB, p *service, session string) int {
	tb.Helper()
	return strings.Count(p.page(tb, "/inbox?ids=true&limit=1000"), `"session":"`+session+`"`)
}

func TestEventsOnlyAKeyVouchesForAreConfirmedOnceTheServiceIsBack(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 2, APIKeys: []string{apiKey}})
	srv.Inject(asleeptest.Fault{Name: "outage", Status: http.StatusServiceUnavailable})
	s := newSite(t, "ASLEEP_WEBHOOK_SECRET=", "WEBHOOK_AUTH=key", "ASLEEP_BASE_URL="+srv.URL, "CIRCUIT_BREAKER_RESET_TIMEOUT=200ms")
	p := s.serve(t, "--rate", "1000")
	h := newHook(t, "")
	h.sender.Scheme = "key"
	told := srv.Sessions("user-0001")[0].ID
	for _, session := range []string{told, "of-nobody"} {
		if status, _ := h.post(p.url, completed("user-0001", session)); status != http.StatusOK {
			t.Fatalf("%s: %d", session, status)
		}
	}
	eventually(t, "the service is known to be away", func() bool { return p.health(t).Status == server.Degraded })
	if n := p.figure(t, `asleep_inbox_events{state="dead"}`); n != 0 {
		t.Errorf("%v events are dead of an outage", n)
	}
	srv.ClearFaults()
	eventually(t, "what is true was stored", func() bool {
		return p.figure(t, `asleep_pipeline_events_total{kind="SESSION_COMPLETE",outcome="done"}`) == 1
	})
	p.signal(t, syscall.SIGTERM)
	stored := s.stored(t)
	report, _ := srv.Report(told, "")
	if got, ok := stored[told]; !ok || got.Raw != report.Raw || len(stored) != 1 {
		t.Errorf("stored: %+v", stored)
	}
}

func TestAHangupReadsTheEnvironmentFileToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ASLEEP_WEBHOOK_SECRET=")
	write := func(secret string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte("ASLEEP_WEBHOOK_SECRET="+secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	p := s.serve(t)
	write("second")
	p.signal(t, syscall.SIGHUP)
	eventually(t, "it was read", func() bool { return strings.Contains(p.stderr.String(), "read anew") })
	for secret, want := range map[string]int{"first": http.StatusUnauthorized, "second": http.StatusOK} {
		if status, _ := newHook(t, secret).post(p.url, completed("user-1", "session-1")); status != want {
			t.Errorf("%s: %d, want %d", secret, status, want)
		}
	}
}

func TestAListenerThatIsTakenIsAProblemOfTheSettings(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newSite(t, "ADDR="+taken.Addr().String())
	if _, stderr, code := s.run(t, "serve"); code != 2 || !strings.Contains(stderr, `ADDR "`+taken.Addr().String()+`" cannot be listened on`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code := s.run(t, "serve", "--addr", taken.Addr().String()); code != 2 || !strings.Contains(stderr, `--addr "`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestTheSecondServiceOnADatabaseSaysWhoHasIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serve(t)
	if _, stderr, code := s.run(t, "serve"); code != 5 || !strings.Contains(stderr, "another process") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// systemd listens where a service manager would, and returns what it is told.
func systemd(t *testing.T) (path string, told func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return path, func() string {
		b := make([]byte, 1000)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	path, told := systemd(t)
	p := newSite(t, "NOTIFY_SOCKET="+path).serve(t)
	if got := told(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	p.signal(t, syscall.SIGHUP)
	if got := told(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("told %q", got)
	}
	if got := told(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	p.signal(t, syscall.SIGTERM)
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}

func TestTheReadyFileHasBothURLs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(t, "--ready-file", "ready.txt")
	f, err := os.Open(filepath.Join(s.dir, "ready.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines, want := bufio.NewScanner(f), []string{p.url, p.admin}; lines.Scan(); want = want[1:] {
		if lines.Text() != want[0] {
			t.Errorf("it has %q, want %q", lines.Text(), want[0])
		}
	}
}
