package main_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// The program is built and run as a reader would, against the fake service.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	server := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 7})
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Env = append(cmd.Environ(), "ASLEEP_API_KEY=any", "ASLEEP_BASE_URL="+server.URL)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if n := strings.Count(out.String(), "COMPLETE"); n != 5 {
		t.Errorf("it printed %d sessions, want 5:\n%s", n, &out)
	}
}
