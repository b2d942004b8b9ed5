package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
)

// night is one session of one user in an output.
type night struct{ user, session string }

// fetching is a fetch of every user of a fake, run in processes of its own as
// often as it takes.
type fetching struct {
	tb   testing.TB
	srv  *asleeptest.Server
	dir  string
	out  string
	args []string
	env  []string // beside the usual
}

func newFetching(tb testing.TB, config asleeptest.Config, args ...string) *fetching {
	tb.Helper()
	srv := asleeptest.NewServer(tb, config)
	f := &fetching{tb: tb, srv: srv, dir: tb.TempDir()}
	f.out = filepath.Join(f.dir, "out.ndjson")
	var users bytes.Buffer
	for id := range srv.Users() {
		fmt.Fprintln(&users, id)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "users.txt"), users.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	f.args = append([]string{"fetch", "--users-file", "users.txt", "--out", "out.ndjson", "--rate", "100000"}, args...)
	return f
}

// process is the command in a process of its own.
type process struct {
	*exec.Cmd
	stdout bytes.Buffer
	stderr logged
	ended  chan struct{}
}

// logged is a log that the process and the test have at once.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (f *fetching) start(more ...string) *process {
	f.tb.Helper()
	p := &process{Cmd: exec.CommandContext(f.tb.Context(), "asleep", append(f.args, more...)...), ended: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = f.dir, &p.stdout, &p.stderr
	p.Env = append(os.Environ(), "ASLEEP_BASE_URL="+f.srv.URL, "ASLEEP_API_KEY="+apiKey, "REQUEST_TIMEOUT=2")
	p.Env = append(p.Env, f.env...)
	if err := p.Start(); err != nil {
		f.tb.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.ended)
	}()
	return p
}

// code waits for the end of the process and returns its exit code, -1 after a
// signal that killed it.
func (p *process) code() int {
	<-p.ended
	return p.ProcessState.ExitCode()
}

// run runs the command to its end and wants an exit code.
func (f *fetching) run(want int, more ...string) *process {
	f.tb.Helper()
	p := f.start(more...)
	if got := p.code(); got != want {
		f.tb.Fatalf("exit code %d, want %d:\n%s", got, want, &p.stderr)
	}
	if strings.Contains(p.stderr.String()+p.stdout.String(), apiKey) {
		f.tb.Error("the API key is in the output")
	}
	return p
}

// await waits until the service has answered n requests, and reports whether
// the process lived to see it.
func (f *fetching) await(p *process, n int) bool {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for f.srv.Stats().Requests < n {
		select {
		case <-p.ended:
			return false
		case <-ticker.C:
		}
	}
	return true
}

// truth is every session of the fake, as the line that a fetch should write.
func (f *fetching) truth() map[night]string {
	all := map[night]string{}
	for user := range f.srv.Users() {
		for _, s := range f.srv.Sessions(user) {
			r, ok := f.srv.Report(s.ID, "")
			if !ok {
				f.tb.Fatalf("the fake has no report of %s", s.ID)
			}
			line, err := ndjson.AppendObject(nil, r.Raw, user)
			if err != nil {
				f.tb.Fatal(err)
			}
			all[night{user, s.ID}] = string(line)
		}
	}
	return all
}

// lines reads an output: every line whole, none twice.
func (f *fetching) lines() map[night]string {
	f.tb.Helper()
	b, err := os.ReadFile(f.out)
	if err != nil {
		f.tb.Fatal(err)
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		f.tb.Errorf("the last line is torn: %q", b[max(0, len(b)-60):])
	}
	got := map[night]string{}
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l struct {
			User    string `json:"user_id"`
			ID      string `json:"session_id"`
			Session struct {
				ID string `json:"id"`
			} `json:"session"`
		}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			f.tb.Fatalf("a line is not whole: %v: %.80q", err, in.Text())
		}
		n := night{l.User, l.Session.ID + l.ID}
		if _, twice := got[n]; twice {
			f.tb.Errorf("%v stands there twice", n)
		}
		got[n] = in.Text()
	}
	return got
}

// wantTruth compares the output with what the service has.
func (f *fetching) wantTruth() {
	f.tb.Helper()
	truth, got := f.truth(), f.lines()
	for n, line := range truth {
		if got[n] != line {
			f.tb.Fatalf("%v is %.100q, want %.100q", n, got[n], line)
		}
	}
	if len(got) != len(truth) {
		f.tb.Errorf("%d sessions, want %d", len(got), len(truth))
	}
	for _, name := range []string{".checkpoint", ".lock", ".checkpoint.lock", ".errors.ndjson", ".checkpoint.tmp"} {
		if _, err := os.Stat(f.out + name); !errors.Is(err, os.ErrNotExist) {
			f.tb.Errorf("out.ndjson%s stays behind (%v)", name, err)
		}
	}
}

// checkpointed is the part of the output that the checkpoint counts.
func (f *fetching) checkpointed() []byte {
	f.tb.Helper()
	text, err := os.ReadFile(f.out + ".checkpoint")
	if errors.Is(err, os.ErrNotExist) {
		return nil // killed before the first result
	}
	if err != nil {
		f.tb.Fatal(err)
	}
	var c struct {
		Output struct {
			Bytes int64 `json:"bytes"`
		} `json:"output"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		f.tb.Fatalf("the checkpoint is torn: %v: %q", err, text)
	}
	out, err := os.ReadFile(f.out)
	if err != nil {
		f.tb.Fatal(err)
	}
	if int64(len(out)) < c.Output.Bytes {
		f.tb.Fatalf("the checkpoint counts %d bytes, the output has %d", c.Output.Bytes, len(out))
	}
	return out[:c.Output.Bytes]
}

// interrupted begins a fetch, ends it with a signal once half of the requests
// are answered, resumes it, and counts the requests of both runs.
func interrupted(t *testing.T, signal syscall.Signal, code int) {
	t.Helper()
	users := 500
	if raceEnabled && signal != syscall.SIGKILL {
		users = 200 // it takes many times as long
	}
	f := newFetching(t, asleeptest.Config{Users: users, SessionsPerUser: 10, Seed: 3, LogSize: -1}, "--details")
	f.srv.Flaky(0.05)
	calls := users * 11
	first := f.start()
	if !f.await(first, calls/2) {
		t.Fatalf("it ended before the signal:\n%s", &first.stderr)
	}
	if err := first.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if got := first.code(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s", got, code, &first.stderr)
	}
	if kept := f.checkpointed(); len(kept) == 0 || kept[len(kept)-1] != '\n' {
		t.Errorf("the checkpoint counts %d bytes that are no whole lines", len(kept))
	}
	before := f.srv.Stats().Requests
	second := f.run(0)
	again := f.srv.Stats().Requests - before
	t.Logf("%d requests before the signal, %d after: %s", before, again, &second.stderr)
	if share := float64(again) / float64(before+again); share >= 0.7 {
		t.Errorf("the second run made %.0f %% of all requests", 100*share)
	}
	f.wantTruth()
}

func TestAKilledFetchIsResumedToTheTruth(t *testing.T) {
	t.Parallel()
	interrupted(t, syscall.SIGKILL, -1)
}

func TestAnInterruptedFetchIsResumedToTheTruth(t *testing.T) {
	t.Parallel()
	interrupted(t, syscall.SIGINT, 130)
}

func TestATerminatedFetchIsResumedToTheTruth(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 60, SessionsPerUser: 2, Seed: 13}, "--details", "--concurrency", "2")
	f.srv.Inject(asleeptest.Fault{Latency: 5 * time.Millisecond})
	p := f.start()
	if !f.await(p, 60) {
		t.Fatalf("it ended before the signal:\n%s", &p.stderr)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.code(); got != 143 {
		t.Fatalf("exit code %d, want 143:\n%s", got, &p.stderr)
	}
	for _, want := range []string{"finishing the users in hand; once more ends it at once", "asleep: terminated: the same command goes on where this one stopped"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
		}
	}
	f.run(0)
	f.wantTruth()
}

// A stream that has no more to say for now does not keep a run from its end.
func TestABlockedStreamDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 2, SessionsPerUser: 1, Seed: 15})
	for _, c := range []struct {
		fault asleeptest.Fault
		args  []string
		code  int
	}{
		{asleeptest.QuotaExceeded(), nil, 6},
		{asleeptest.TokenInvalid(), nil, 4},
		{asleeptest.Unavailable(), []string{"--max-outage", "200ms"}, 5},
		{asleeptest.Fault{}, []string{"--max-duration", "200ms"}, 5},
	} {
		remove := f.srv.Inject(c.fault)
		cmd := exec.CommandContext(t.Context(), "asleep", append([]string{"fetch", "--users-file", "-", "--rate", "100000"}, c.args...)...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(os.Environ(), "ASLEEP_BASE_URL="+f.srv.URL, "ASLEEP_API_KEY="+apiKey)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(stdin, "user-0001\n") // and stays open
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, got, c.code)
		}
		remove()
	}
}

func TestTheSecondSignalEndsAFetchAtOnce(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 5, SessionsPerUser: 1, Seed: 14})
	f.srv.Inject(asleeptest.Fault{Hang: true})
	cmd := exec.CommandContext(t.Context(), "asleep", f.args...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "ASLEEP_BASE_URL="+f.srv.URL, "ASLEEP_API_KEY="+apiKey)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for f.srv.Stats().InFlight == 0 {
		runtime.Gosched()
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if line, err := bufio.NewReader(stderr).ReadString('\n'); !strings.Contains(line, "once more ends it at once") {
		t.Fatalf("after the first signal: %q, %v", line, err)
	}
	began := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT || time.Since(began) > time.Minute {
		t.Errorf("after the second signal: %v in %v", cmd.ProcessState, time.Since(began))
	}
}

func TestAFetchMayBeKilledAnywhere(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 150, SessionsPerUser: 5, Seed: 4, LogSize: -1}, "--details", "--concurrency", "4")
	f.srv.Flaky(0.05)
	killed := 0
	for range 10 {
		p := f.start()
		if !f.await(p, f.srv.Stats().Requests+1+rand.N(120)) {
			break
		}
		timer := time.NewTimer(rand.N(10 * time.Millisecond))
		<-timer.C
		_ = p.Process.Kill()
		if p.code() == -1 {
			killed++
		}
		kept := f.checkpointed()
		if len(kept) > 0 && (kept[len(kept)-1] != '\n' || !json.Valid(kept[bytes.LastIndexByte(kept[:len(kept)-1], '\n')+1:])) {
			t.Fatalf("the checkpoint counts a torn line: %.80q", kept)
		}
	}
	if killed < 5 {
		t.Errorf("only %d kills hit", killed)
	}
	f.run(0)
	f.wantTruth()
}

func TestTheErrorFileSurvivesKillsToo(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 90, SessionsPerUser: 2, Seed: 16, LogSize: -1}, "--details", "--concurrency", "4")
	f.srv.Inject(asleeptest.Slow(20 * time.Millisecond))
	failing := map[string]int{}
	for i := 1; i <= 90; i += 3 {
		user := fmt.Sprintf("user-%04d", i)
		f.srv.Inject(asleeptest.Fault{User: user, Status: 404, Body: `{"detail":"user does not exist"}`})
		failing[user] = 0
	}
	for range 4 {
		p := f.start()
		if !f.await(p, f.srv.Stats().Requests+45) {
			break
		}
		_ = p.Process.Kill()
		p.code()
	}
	last := f.run(3)
	if !strings.Contains(last.stderr.String(), "resuming: ") {
		t.Errorf("no kill came after a checkpoint:\n%s", &last.stderr)
	}
	if !strings.Contains(last.stderr.String(), "30 of 90 users failed") {
		t.Errorf("failures of earlier runs are not counted:\n%s", &last.stderr)
	}
	text, err := os.ReadFile(f.out + ".errors.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var failed struct {
			UserID string `json:"user_id"`
			Line   int    `json:"line"`
		}
		if err := json.Unmarshal(line, &failed); err != nil {
			t.Fatalf("a line is not whole: %v: %q", err, line)
		}
		failing[failed.UserID]++
		if want := fmt.Sprintf("user-%04d", failed.Line); failed.UserID != want {
			t.Errorf("line %d is said to be of %s, want %s", failed.Line, failed.UserID, want)
		}
	}
	for user, n := range failing {
		if n != 1 {
			t.Errorf("%s is in the error file %d times, want once", user, n)
		}
	}
	if got := len(f.lines()); got != 120 {
		t.Errorf("%d sessions, want 120", got)
	}
}

func TestAFetchWaitsForAnOutageToEnd(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 200, SessionsPerUser: 3, Seed: 5, LogSize: -1}, "--details")
	p := f.start("--progress-every", "300ms")
	if !f.await(p, 300) {
		t.Fatalf("it ended before the outage:\n%s", &p.stderr)
	}
	f.srv.StartOutage(asleeptest.Unavailable())
	const away = "the service is away, waiting"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting && !strings.Contains(p.stderr.String(), away); {
		select {
		case <-p.ended:
			waiting = false
		case <-tick.C:
		}
	}
	f.srv.EndOutage()
	if got := p.code(); got != 0 {
		t.Fatalf("exit code %d, want 0:\n%s", got, &p.stderr)
	}
	if !strings.Contains(p.stderr.String(), away) {
		t.Errorf("the progress does not say what it waits for:\n%s", &p.stderr)
	}
	f.wantTruth()
}

func TestALongOutageStopsAFetchResumable(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 200, SessionsPerUser: 3, Seed: 6, LogSize: -1}, "--details")
	p := f.start("--max-outage", "1s")
	if !f.await(p, 300) {
		t.Fatalf("it ended before the outage:\n%s", &p.stderr)
	}
	f.srv.StartOutage(asleeptest.Unavailable())
	if got := p.code(); got != 5 {
		t.Fatalf("exit code %d, want 5:\n%s", got, &p.stderr)
	}
	for _, want := range []string{"the service was away for too long", "the same command goes on where this one stopped", "users not done"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, &p.stderr)
		}
	}
	if _, err := os.Stat(f.out + ".errors.ndjson"); err == nil {
		t.Error("the outage was taken for a failure of users")
	}
	f.srv.EndOutage()
	f.run(0)
	f.wantTruth()
}

func TestTwoFetchesDoNotWriteOneFile(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 20, SessionsPerUser: 1, Seed: 7})
	removeHang := f.srv.Inject(asleeptest.Fault{Hang: true, Skip: 10})
	first := f.start()
	if !f.await(first, 10) {
		t.Fatalf("it ended early:\n%s", &first.stderr)
	}
	if err := os.Symlink("out.ndjson", filepath.Join(f.dir, "link.ndjson")); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--checkpoint", "other"}, {"--no-resume"}, {"--overwrite"}, {"--out", "link.ndjson"}} {
		if second := f.run(2, more...); !strings.Contains(second.stderr.String(), "is being written by another run") {
			t.Errorf("%v: %s", more, &second.stderr)
		}
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.code()
	removeHang()
	f.run(0)
	if got := len(f.lines()); got != 20 {
		t.Errorf("%d sessions, want 20", got)
	}
}

func TestTheEstimateIsWhatARunMakes(t *testing.T) {
	t.Parallel()
	for _, details := range []string{"--details", "--details=false"} {
		f := newFetching(t, asleeptest.Config{Users: 60, SessionsPerUser: 7, Seed: 8}, details)
		estimate := f.run(0, "--dry-run", "--sample", "100", "-o", "ndjson")
		var e struct {
			Calls int  `json:"calls"`
			Exact bool `json:"exact"`
		}
		if err := json.Unmarshal(estimate.stdout.Bytes(), &e); err != nil || !e.Exact {
			t.Fatalf("%v: %s", err, &estimate.stdout)
		}
		if entries, _ := os.ReadDir(f.dir); len(entries) != 1 {
			t.Errorf("the estimate left files: %v", entries)
		}
		f.srv.Reset()
		f.run(0)
		if got := f.srv.Stats().Requests; got != e.Calls {
			t.Errorf("the estimate is %d calls, the run made %d", e.Calls, got)
		}
	}
}

func TestAFullDiskKeepsTheFetchResumable(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 100, SessionsPerUser: 5, Seed: 9}, "--details")
	// The shell bounds the size of files, which is met like the end of a disk.
	p := &process{Cmd: exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -f 600; exec asleep "$@"`, "sh"}, f.args...)...)}
	p.Dir, p.Stdout, p.Stderr = f.dir, &p.stdout, &p.stderr
	p.Env = append(os.Environ(), "ASLEEP_BASE_URL="+f.srv.URL, "ASLEEP_API_KEY="+apiKey)
	err := p.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("%v, want exit code 1:\n%s", err, &p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "out.ndjson could not be written: write out.ndjson: file too large: make room") {
		t.Errorf("stderr is %s", &p.stderr)
	}
	if got := len(f.lines()); got == 0 {
		t.Error("nothing was kept")
	}
	f.run(0)
	f.wantTruth()
}
