//go:build unix

package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Ferret starts a FerretDB server, which speaks MongoDB's wire protocol and takes
// one command at a time. Its URL is "mongodb://" + Addr. What was acknowledged
// survives [Server.Kill] and [Server.Restart].
//
// It is built from a module of its own, once a process, which needs the module
// proxy the first time.
func Ferret(tb testing.TB) *Server {
	tb.Helper()
	bin, err := ferretBin()
	if err != nil {
		tb.Fatalf("FerretDB cannot be built: %v", err)
	}
	dir := ferretDir(tb)
	s := &Server{
		name:    "ferret",
		quit:    syscall.SIGTERM,
		command: func(port int) *exec.Cmd { return exec.Command(bin, dir, strconv.Itoa(port)) },
		ready: func(addr string) bool {
			d := net.Dialer{Timeout: time.Second}
			c, err := d.DialContext(context.WithoutCancel(tb.Context()), "tcp", addr)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		},
	}
	s.start(tb)
	return s
}

// ferretBin builds the server into Go's build cache, where it stays: the tests of
// the next process find it there.
var ferretBin = sync.OnceValues(func() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.Command("go", "tool", "-n", "ferret")
	cmd.Dir = filepath.Join(filepath.Dir(file), "ferret")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
})

// ferretDir makes a folder with a short name, as that of its socket may have 107
// bytes.
func ferretDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "asleep-ferret-") //nolint:usetesting // that of a test has a long name
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
