//go:build unix

package standstill_test

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/standstill"
)

// TestAProcessThatIsStoppedStandsStill has this binary stopped for a while.
func TestAProcessThatIsStoppedStandsStill(t *testing.T) {
	w := standstill.For(t)
	begun := time.Now()
	stopper := exec.Command("sh", "-c", `kill -STOP "$1"; sleep 0.4; kill -CONT "$1"`, "sh", strconv.Itoa(os.Getpid()))
	if err := stopper.Run(); err != nil {
		t.Fatal(err)
	}
	passed := time.Since(begun)
	if passed < 400*time.Millisecond {
		t.Fatalf("it was not stopped: %v", passed)
	}
	if stood := w.Since(begun); stood < 300*time.Millisecond || stood > passed+time.Minute {
		t.Errorf("it stood still for %v of %v, want 400ms", stood, passed)
	}
	if took := w.Took(begun); took < 0 || took > passed-300*time.Millisecond {
		t.Errorf("it took %v of %v, want all but 400ms", took, passed)
	}
	if before := w.Within(begun.Add(-time.Hour), begun.Add(-time.Minute)); before != 0 {
		t.Errorf("it stood still for %v before it was watched", before)
	}
}
