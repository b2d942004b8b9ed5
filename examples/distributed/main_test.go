//go:build unix

package main_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// Three processes share a limit that the service would turn the third of away for.
func TestProcessesShareALimit(t *testing.T) {
	t.Parallel()
	redis := dbtest.Redis(t)
	server := asleeptest.NewServer(t, asleeptest.Config{Users: 30, SessionsPerUser: 1})
	server.SetRateLimit(asleeptest.RateLimit{Rate: 20, Burst: 10})
	program := filepath.Join(t.TempDir(), "distributed")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var commands []*exec.Cmd
	outputs := make([]bytes.Buffer, 3)
	for i := range outputs {
		var users []string
		for n := range 10 {
			users = append(users, fmt.Sprintf("user-%04d", 1+10*i+n))
		}
		cmd := exec.CommandContext(t.Context(), program, users...)
		cmd.Env = append(cmd.Environ(), "ASLEEP_API_KEY=any-key", "ASLEEP_BASE_URL="+server.URL, "REDIS_URL=redis://"+redis.Addr, "RATE=20")
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	for i, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &outputs[i])
		}
		if n := strings.Count(outputs[i].String(), " 1 session"); n != 10 {
			t.Errorf("process %d printed %d users:\n%s", i, n, &outputs[i])
		}
	}
	var at []time.Time
	for _, r := range server.Requests() {
		at = append(at, r.Time)
	}
	slices.SortFunc(at, time.Time.Compare)
	// On a machine that is busy with other tests, where requests come later than they were
	// sent and Redis is taken to be away, a few may be turned away, and are sent again.
	if len(at) < 30 || len(at) > 36 {
		t.Fatalf("%d requests for 30 users: some were turned away", len(at))
	}
	if took := at[len(at)-1].Sub(at[0]); took < time.Second-50*time.Millisecond { // 30 of which 10 at once
		t.Errorf("30 requests at 20/s took %v", took)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", "user-0001")
	cmd.Env = append(cmd.Environ(), "RATE=fast")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `RATE is "fast"`) {
		t.Errorf("%v\n%s", err, out)
	}
}
