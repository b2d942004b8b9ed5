//go:build unix

package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// inParallel runs a fetch of everybody in several processes at once, and returns how long
// all took.
func (f *fetching) inParallel(processes int, args ...string) (took time.Duration, all []*process) {
	f.tb.Helper()
	begun := time.Now()
	for range processes {
		all = append(all, f.start(args...))
	}
	for i, p := range all {
		if code := p.code(); code != 0 {
			f.tb.Fatalf("process %d: exit code %d:\n%s", i, code, &p.stderr)
		}
	}
	return time.Since(begun), all
}

func TestProcessesKeepASharedRateTogether(t *testing.T) {
	t.Parallel()
	const processes, users, rate, burst = 3, 60, 60, 10
	s := dbtest.Redis(t)
	f := newFetching(t, asleeptest.Config{Users: users, SessionsPerUser: 1})
	f.args = []string{"fetch", "--users-file", "users.txt", "--no-resume", "--rate", "60", "--shared-rate"}
	f.env = []string{"REDIS_URL=redis://" + s.Addr + unhurried, "ENABLE_CACHING=false"}
	least := time.Duration(processes*users-burst) * time.Second / rate
	var trouble string
	for range 10 { // on a busy machine Redis may be slow, which is said
		trouble = ""
		took, all := f.inParallel(processes)
		if took < least {
			t.Errorf("%d requests in %v: they can't take less than %v at %d a second", processes*users, took, least, rate)
		}
		for _, p := range all {
			if lines := strings.Count(p.stdout.String(), "\n"); lines != users {
				t.Errorf("%d lines, want %d", lines, users)
			}
			if strings.Contains(p.stderr.String(), "Redis") {
				trouble = p.stderr.String()
			}
		}
		t.Logf("%d requests in %v, want at least %v", processes*users, took, least)
		if trouble == "" {
			return
		}
	}
	t.Errorf("there is always trouble with Redis:\n%s", trouble)
}

func TestASharedRateWithoutItsRedisIsATenthAndSaid(t *testing.T) {
	t.Parallel()
	f := newFetching(t, asleeptest.Config{Users: 5, SessionsPerUser: 1})
	f.args = []string{"fetch", "--users-file", "users.txt", "--no-resume", "--rate", "50", "--shared-rate"}
	f.env = []string{"REDIS_URL=redis://127.0.0.1:1", "ENABLE_CACHING=false"}
	took, all := f.inParallel(1)
	if want := "while Redis does not serve: 5 a second"; !strings.Contains(all[0].stderr.String(), want) {
		t.Errorf("it does not say %q:\n%s", want, &all[0].stderr)
	}
	if least := 4 * time.Second / 5; took < least {
		t.Errorf("5 requests in %v, want at least %v", took, least)
	}
}
