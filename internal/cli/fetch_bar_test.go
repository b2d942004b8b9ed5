package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/cli"
)

// terminal opens one of 140 columns: what is written to slave is read from master.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := pty.Setsize(slave, &pty.Winsize{Rows: 24, Cols: 140}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// On a terminal a bar shows the progress, failures stand above it, and nothing
// of it reaches stdout.
func TestFetchDrawsABarOnATerminal(t *testing.T) {
	t.Parallel()
	master, slave := terminal(t)
	f := newFetching(t, asleeptest.Config{Users: 30, SessionsPerUser: 2, Seed: 10})
	f.srv.Inject(asleeptest.Fault{Latency: 60 * time.Millisecond})
	kind, _ := asleeptest.Kind("404_user")
	kind.User = "user-0003"
	f.srv.Inject(kind)

	var stdout bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "asleep", "fetch", "--users-file", "users.txt", "--concurrency", "1", "--rate", "100000")
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.dir, &stdout, slave
	cmd.Env = append(os.Environ(), "ASLEEP_BASE_URL="+f.srv.URL, "ASLEEP_API_KEY="+apiKey, "TERM=xterm")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	screen, _ := io.ReadAll(master) // ends with an error when the terminal is closed
	_ = cmd.Wait()

	if got := cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("exit code %d, want 3:\n%s", got, screen)
	}
	for _, want := range []string{
		`\[=+>-*\] +\d+ of 30 users, \d+ sessions, [0-9.]+/s, 1 failed, ETA \d`,
		`\{"user_id":"user-0003",[^\r\n]*"kind":"not_found"[^\r\n]*\}\r?\n`,
		`asleep: done: 30 users \(1 failed\), 58 sessions, 30 calls, 30 requests in `,
		`asleep: 1 of 30 users failed`,
	} {
		if !regexp.MustCompile(want).Match(screen) {
			t.Errorf("the terminal does not show %s:\n%q", want, screen)
		}
	}
	if n := strings.Count(stdout.String(), "\n"); n != 58 || strings.Contains(stdout.String(), "\x1b") {
		t.Errorf("stdout has %d lines, want 58 and no bar:\n%.300q", n, stdout.String())
	}
}

// The same with the streams of a test: whether there is a bar depends on what
// stderr is, never on stdout.
func TestOnlyATerminalOnStderrGetsABar(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 5, SessionsPerUser: 2, Seed: 11})
	f.srv.Inject(asleeptest.Fault{Latency: 150 * time.Millisecond})
	for _, c := range []struct {
		name        string
		out, err    bool
		args        []string
		bar, silent bool
	}{
		{name: "both terminals", out: true, err: true, bar: true},
		{name: "stderr a terminal", err: true, bar: true},
		{name: "stdout a terminal", out: true},
		{name: "no terminal"},
		{name: "quiet", out: true, err: true, args: []string{"--quiet"}, silent: true},
		{name: "JSON log", out: true, err: true, args: []string{"--log-format", "json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := cli.Run(t.Context(), cli.Process{
				Args:    append([]string{"fetch", "--users-file", f.dir + "/users.txt", "--concurrency", "1", "--rate", "100000"}, c.args...),
				Environ: []string{"ASLEEP_BASE_URL=" + f.srv.URL, "ASLEEP_API_KEY=" + apiKey},
				Streams: cli.Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr, OutTerminal: c.out, ErrTerminal: c.err},
			})
			if code != cli.ExitOK || strings.Count(stdout.String(), "\n") != 10 {
				t.Errorf("exit code %d, stdout %.200q, stderr %q", code, &stdout, &stderr)
			}
			if got := strings.Contains(stderr.String(), "\x1b[") && strings.Contains(stderr.String(), " of 5 users"); got != c.bar {
				t.Errorf("a bar: %v, want %v: %q", got, c.bar, &stderr)
			}
			if got := stderr.Len() == 0; got != c.silent {
				t.Errorf("silent: %v, want %v: %q", got, c.silent, &stderr)
			}
		})
	}
}
