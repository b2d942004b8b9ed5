package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// maxFetchMB is the most memory in MB that a fetch may use, however many users it
// has. It is the target for a million.
const maxFetchMB = 64

// peakMB is the most memory in MB that a live process had resident so far. (The
// usage that the kernel reports at the end of a process counts its parent's
// memory at the fork too.)
func peakMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	if !ok {
		return 0, errors.New("no VmHWM") // it has ended
	}
	kb, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
	return kb / 1024, err
}

// fetchMemory fetches the lists of n users and returns the peak of the process.
func fetchMemory(tb testing.TB, n int, args ...string) float64 {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("the peak is read from /proc")
	}
	f := newFetching(tb, asleeptest.Config{Users: n, SessionsPerUser: 1, Seed: 12, LogSize: -1}, args...)
	p := f.start("--concurrency", "32", "--quiet")
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	peak := 0.0
	for running := true; running; {
		select {
		case <-p.ended:
			running = false
		case <-ticker.C:
			if mb, err := peakMB(p.Process.Pid); err == nil {
				peak = max(peak, mb)
			}
		}
	}
	if code := p.code(); code != 0 {
		tb.Fatalf("exit code %d:\n%s", code, &p.stderr)
	}
	out, err := os.ReadFile(filepath.Join(f.dir, "out.ndjson"))
	if lines := bytes.Count(out, []byte("\n")); err != nil || lines != n {
		tb.Fatalf("%d sessions of %d, %v", lines, n, err)
	}
	return peak
}

func TestTheMemoryOfAFetchIsFlat(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("the race detector multiplies the memory")
	}
	few, many := fetchMemory(t, 2_000), fetchMemory(t, 20_000)
	t.Logf("2,000 users: %.1f MB; 20,000 users: %.1f MB", few, many)
	// 20 bytes a user for duplicates, and the noise of the collector.
	if many > few+8 || many > maxFetchMB {
		t.Errorf("20,000 users take %.1f MB, 2,000 take %.1f MB", many, few)
	}
}

// BenchmarkFetchMemory measures runs of 50,000 and 200,000 users, or of
// FETCH_USERS: run it with -benchtime 1x.
func BenchmarkFetchMemory(b *testing.B) {
	sizes := []int{50_000, 200_000}
	if n, err := strconv.Atoi(os.Getenv("FETCH_USERS")); err == nil {
		sizes = []int{n}
	}
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			peak := 0.0
			for range b.N {
				peak = max(peak, fetchMemory(b, n))
			}
			b.ReportMetric(peak, "MB-peak")
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "users/s")
		})
	}
}
