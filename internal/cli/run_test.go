//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli"
	"github.com/asleep-sdk/asleep/internal/config"
)

// onTerminal runs the command as if a person sat before it and typed.
func onTerminal(t *testing.T, url, typed string, args ...string) (code cli.ExitCode, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), cli.Process{
		Args:    args,
		Environ: []string{"ASLEEP_BASE_URL=" + url, "ASLEEP_API_KEY=" + apiKey, "ASLEEP_ENV_FILE=/dev/null"},
		Streams: cli.Streams{In: strings.NewReader(typed), Out: &out, Err: &err, InTerminal: true, OutTerminal: true, ErrTerminal: true},
	})
	record("stderr", err.String())
	return code, out.String(), err.String()
}

func TestAPersonIsAskedBeforeADeletion(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 3})
	session := srv.Sessions("user-0001")[0].ID
	for name, c := range map[string]struct {
		typed string
		code  cli.ExitCode
	}{
		"no":                   {"n\n", cli.ExitFailure},
		"nothing":              {"\n", cli.ExitFailure},
		"the end of the input": {"", cli.ExitFailure},
		"something else":       {"yeah\n", cli.ExitFailure},
	} {
		before := srv.Stats().Requests
		code, stdout, stderr := onTerminal(t, srv.URL, c.typed, "users", "delete", "user-0001")
		if code != c.code || stdout != "" || stderr != "Delete user \"user-0001\" with all sessions? [y/N] asleep: nothing was deleted\n" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, stdout, stderr)
		}
		if srv.Stats().Requests != before {
			t.Errorf("%s: something was sent", name)
		}
	}
	code, _, stderr := onTerminal(t, srv.URL, "y\n", "sessions", "delete", "--user", "user-0001", session)
	if code != cli.ExitOK || !strings.HasPrefix(stderr, `Delete session "`+session+`" of user "user-0001"? [y/N] `) {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	code, _, stderr = onTerminal(t, srv.URL, " YES \n", "sessions", "delete", "--user", "user-0001", "--all")
	if code != cli.ExitOK || !strings.HasPrefix(stderr, `Delete all sessions of user "user-0001"? [y/N] `) || len(srv.Sessions("user-0001")) != 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	code, _, stderr = onTerminal(t, srv.URL, "", "users", "delete", "user-0001", "--yes")
	if code != cli.ExitOK || strings.Contains(stderr, "?") {
		t.Errorf("--yes: exit code %d, stderr %q", code, stderr)
	}
}

func TestWhereSeveralExitCodesHoldTheGraverOneCounts(t *testing.T) {
	t.Parallel()
	call := func(err error) error { return &client.Error{Op: "getUser", Layer: client.LayerService, Err: err} }
	refused, quota, plain := call(client.ErrUnauthorized), call(client.ErrQuotaExceeded), errors.New("disk full")
	usage := &config.Error{Problems: []config.Problem{{Subject: "--x", Text: "is wrong"}}}
	for name, c := range map[string]struct {
		err  error
		want cli.ExitCode
	}{
		"none":                 {nil, cli.ExitOK},
		"anything":             {plain, cli.ExitFailure},
		"not found":            {call(client.ErrNotFound), cli.ExitFailure},
		"a user id":            {call(client.ErrUserIDInvalid), cli.ExitFailure},
		"forbidden":            {call(client.ErrForbidden), cli.ExitKeyRefused},
		"plan":                 {call(client.ErrPlanExpired), cli.ExitQuota},
		"service says invalid": {call(client.ErrInvalid), cli.ExitUsage},
		"wrapped":              {fmt.Errorf("users: %w", quota), cli.ExitQuota},
		"in a window":          {&client.WindowError{Err: quota}, cli.ExitQuota},
		"key before quota":     {errors.Join(plain, quota, refused), cli.ExitKeyRefused},
		"quota before others":  {errors.Join(plain, fmt.Errorf("x: %w", errors.Join(plain, quota))), cli.ExitQuota},
		"usage before all":     {errors.Join(refused, usage), cli.ExitUsage},
		"cancelled, no signal": {context.Canceled, cli.ExitFailure},
	} {
		if got := cli.ExitCodeOf(t.Context(), c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestACancelledQuestionIsANo(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	ctx, cancel := context.WithCancel(t.Context())
	never, typed := io.Pipe()
	t.Cleanup(func() { _ = typed.Close() })
	asked := writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), "[y/N]") {
			cancel()
		}
		return len(b), nil
	})
	code := cli.Run(ctx, cli.Process{
		Args:    []string{"users", "delete", "user-0001"},
		Environ: []string{"ASLEEP_BASE_URL=" + srv.URL, "ASLEEP_API_KEY=" + apiKey, "ASLEEP_ENV_FILE=/dev/null"},
		Streams: cli.Streams{In: never, Out: io.Discard, Err: asked, InTerminal: true, ErrTerminal: true},
	})
	if code != cli.ExitFailure || srv.Stats().Requests != 0 {
		t.Errorf("exit code %d after %d requests", code, srv.Stats().Requests)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestACancelledContextEndsACommand(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, stderr bytes.Buffer
	code := cli.Run(ctx, cli.Process{
		Args:    []string{"users", "get", "user-0001"},
		Environ: []string{"ASLEEP_BASE_URL=" + srv.URL, "ASLEEP_API_KEY=" + apiKey, "ASLEEP_ENV_FILE=/dev/null"},
		Streams: cli.Streams{In: strings.NewReader(""), Out: &out, Err: &stderr},
	})
	if code != cli.ExitFailure || out.Len() > 0 || !strings.Contains(stderr.String(), "context canceled") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &out, &stderr)
	}
}
