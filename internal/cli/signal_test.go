//go:build unix

package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/cli"
)

// started is a program under way.
type started struct {
	*exec.Cmd

	stdout *bufio.Reader
	stderr *strings.Builder
}

// start runs a program of TestMain. The test kills it if it is still there at
// the end.
func start(t *testing.T, environ []string, program string, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	s := &started{Cmd: exec.CommandContext(ctx, program, args...), stderr: &strings.Builder{}}
	name, value := quickExit()
	s.Env = append(append(os.Environ(), name+"="+value), environ...)
	s.Stderr = s.stderr
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.stdout = bufio.NewReader(out)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = s.Wait()
	})
	return s
}

func (s *started) line(t *testing.T) string {
	t.Helper()
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no line on stdout: %v; stderr %q", err, s.stderr)
	}
	return strings.TrimSpace(line)
}

// end reads the rest of stdout and waits.
func (s *started) end() (rest string, state *os.ProcessState) {
	b, _ := io.ReadAll(s.stdout)
	_ = s.Wait()
	return string(b), s.ProcessState
}

func TestTheFakeServesUntilASignal(t *testing.T) {
	t.Parallel()
	for signal, want := range map[syscall.Signal]cli.ExitCode{syscall.SIGINT: cli.ExitInterrupted, syscall.SIGTERM: cli.ExitTerminated} {
		ready := filepath.Join(t.TempDir(), "url.txt")
		fake := start(t, []string{"ASLEEP_USERS=4", "ASLEEP_API_KEY=not-of-the-fake"}, "asleep", "fake",
			"--addr", "127.0.0.1:0", "--sessions", "2", "--api-key", "k", "--ready-file", ready, "--seed", "5", "--latency", "1ms")
		url := fake.line(t)
		if b, err := os.ReadFile(ready); err != nil || string(b) != url+"\n" {
			t.Errorf("the ready file holds %q, %v; stdout said %q", b, err, url)
		}
		for key, status := range map[string]int{"k": http.StatusOK, "not-of-the-fake": http.StatusUnauthorized} {
			for user, found := range map[string]bool{"user-0004": true, "user-0005": false} {
				want := status
				if !found && status == http.StatusOK {
					want = http.StatusNotFound
				}
				if got := get(t, url+"/ai/v1/users/"+user, key); got != want {
					t.Errorf("%s with key %s: %d, want %d", user, key, got, want)
				}
			}
		}
		if err := fake.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		rest, state := fake.end()
		if cli.ExitCode(state.ExitCode()) != want || rest != "" {
			t.Errorf("%v: exit code %d, want %d; stdout went on %q", signal, state.ExitCode(), want, rest)
		}
		if said := fake.stderr.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, url) || strings.Contains(said, "not-of-the-fake") {
			t.Errorf("stderr: %q", said)
		}
	}
}

func TestTheFakeDoesNotTakeUpTheRealKey(t *testing.T) {
	t.Parallel()
	fake := start(t, []string{"ASLEEP_API_KEY=real"}, "asleep", "fake", "--addr", "127.0.0.1:0")
	if got := get(t, fake.line(t)+"/ai/v1/users/user-0001", "another"); got != http.StatusOK {
		t.Errorf("any other key: %d", got)
	}
	fake = start(t, []string{"ASLEEP_FAKE_API_KEY=its-own"}, "asleep", "fake", "--addr", "127.0.0.1:0")
	if got := get(t, fake.line(t)+"/ai/v1/users/user-0001", "another"); got != http.StatusUnauthorized {
		t.Errorf("its own key is in the environment, and another one: %d", got)
	}
}

func TestTheFakeHoldsItsRate(t *testing.T) {
	t.Parallel()
	fake := start(t, nil, "asleep", "fake", "--addr", "127.0.0.1:0", "--rate", "0.001")
	url := fake.line(t) + "/ai/v1/users/user-0001"
	if first, second := get(t, url, "k"), get(t, url, "k"); first != http.StatusOK || second != http.StatusForbidden {
		t.Errorf("answered %d and %d, want 200 and 403", first, second)
	}
}

func TestASeedMakesOtherNights(t *testing.T) {
	t.Parallel()
	nights := map[string]bool{}
	for _, seed := range []string{"1", "2", "1"} {
		fake := start(t, nil, "asleep", "fake", "--addr", "127.0.0.1:0", "--seed", seed)
		stats := start(t, []string{"ASLEEP_API_KEY=k"}, "asleep", "stats", "--user", "user-0001", "--days", "20",
			"-o", "ndjson", "--base-url", fake.line(t))
		nights[stats.line(t)] = true
	}
	if len(nights) != 2 {
		t.Errorf("two seeds made %d sets of nights", len(nights))
	}
}

func TestFaultsOfTheFakeAreAtWork(t *testing.T) {
	t.Parallel()
	fake := start(t, nil, "asleep", "fake", "--addr", "127.0.0.1:0", "--fail", "0.5", "--rate", "1000000")
	url := fake.line(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/_fake/faults", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	faults, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(faults), "probability") {
		t.Errorf("no random fault is at work: %s, %v", faults, err)
	}
}

func get(t *testing.T, url, key string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-api-key", key)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestACallIsInterrupted(t *testing.T) {
	t.Parallel()
	fake := start(t, nil, "asleep", "fake", "--addr", "127.0.0.1:0", "--latency", "1h")
	url := fake.line(t)
	get := start(t, []string{"ASLEEP_BASE_URL=" + url, "ASLEEP_API_KEY=k"}, "asleep", "users", "get", "user-0001", "--log-level", "debug", "--log-format", "json")
	awaitConnection(t, url)
	if err := get.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, state := get.end()
	if cli.ExitCode(state.ExitCode()) != cli.ExitInterrupted || rest != "" || !strings.Contains(get.stderr.String(), `"msg":"interrupted","exit_code":130`) {
		t.Errorf("exit code %d, stdout %q, stderr %q", state.ExitCode(), rest, get.stderr)
	}
}

// awaitConnection waits until the fake at url has met a request.
func awaitConnection(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_fake/stats", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := new(http.Client).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var stats map[string]any
		err = json.NewDecoder(answer.Body).Decode(&stats)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if open, _ := stats["in_flight"].(float64); open > 0 {
			return
		}
	}
}

// stubborn ends neither with its context nor with the first signal.
func stubborn() {
	ctx, stop := cli.UntilSignal(context.Background())
	defer stop()
	_, _ = os.Stdout.WriteString("ready\n")
	<-ctx.Done()
	_, _ = fmt.Fprintln(os.Stdout, context.Cause(ctx))
	<-time.NewTimer(5 * time.Minute).C // should its test be killed
}

func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "stubborn")
	for _, said := range []string{"ready", "interrupted"} {
		if got := p.line(t); got != said {
			t.Fatalf("it said %q, want %q", got, said)
		}
		if err := p.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	_, state := p.end()
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", state)
	}
}

func TestAnIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "sh", "-c", `trap '' INT; exec stubborn`)
	p.line(t)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := p.line(t); got != "terminated" {
		t.Errorf("it said %q", got)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, state := p.end(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", state)
	}
}
