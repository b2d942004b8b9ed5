package filelock_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asleep-sdk/asleep/internal/filelock"
)

const childVariable = "FILELOCK_TEST_PATH"

// TestMain is also the process that holds a lock until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if _, err := filelock.Take(path); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		select {}
	}
	os.Exit(m.Run())
}

func TestALockIsHeldOnceAndFreedByRelease(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	first, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Take(path); !errors.Is(err, filelock.ErrHeld) {
		t.Fatalf("taken twice: %v", err)
	}
	first.Release()
	first.Release()
	if _, err := os.Stat(path + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file stays behind: %v", err)
	}
	second, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	second.Release()
	if _, err := filelock.Take(filepath.Join(path, "none", "f")); err == nil || errors.Is(err, filelock.ErrHeld) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestKillingTheOwnerFreesTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if _, err := filelock.Take(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("while the child lives: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	l, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	l.Release()
}

func TestNeverTwoOwnersWhileLocksComeAndGo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	var owners, taken atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				l, err := filelock.Take(path)
				if err != nil {
					continue
				}
				if n := owners.Add(1); n != 1 {
					t.Errorf("%d owners", n)
				}
				taken.Add(1)
				owners.Add(-1)
				l.Release()
			}
		})
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Error("nobody ever had the lock")
	}
}
