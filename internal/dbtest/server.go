//go:build unix

package dbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long servers may take on a machine that is busy with other tests, or stands still
// for a while: to come up, and to answer one question. A sentinel that finds its clock to
// have jumped does nothing for half a minute.
const (
	readyWithin   = 2 * time.Minute
	answersWithin = 15 * time.Second
)

// Server is one server process. Its methods are for one goroutine at a time.
type Server struct {
	// Addr is the host and port on which it listens, the same after a restart.
	Addr string

	name    string
	port    int
	command func(port int) *exec.Cmd // makes the process anew
	ready   func(addr string) bool
	quit    os.Signal // asks it to end
	redis   redisDialer

	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{} // closed when the process has ended
}

// start brings the server up on a free port and ends it with the test.
func (s *Server) start(tb testing.TB) {
	tb.Helper()
	if err := s.launch(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.end)
}

func (s *Server) launch() (err error) {
	for range 4 { // another process may take a free port before the server does
		if s.port, err = unusedPort(); err != nil {
			return err
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
		if err = s.run(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not start: %w\n%s", s.name, err, s.log)
}

func (s *Server) run() error {
	s.log = new(lockedBuffer)
	cmd := s.command(s.port)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	dieWithParent(cmd)
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends the parent's death signal when the thread that
		// started the process ends, so that thread is kept.
		runtime.LockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is for the test to judge
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.done = cmd, done
	return s.awaitReady()
}

func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return fmt.Errorf("it ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			s.Kill()
			return errors.New("it was not ready in time")
		case <-tick.C:
			if s.ready(s.Addr) {
				return nil
			}
		}
	}
}

// PID is the process id of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stall stops the process where it stands, and on Linux those that it has started for
// its clients: connections stay open and nothing answers. Resume ends that.
func (s *Server) Stall() { s.signal(syscall.SIGSTOP) }

// Resume lets a stalled server go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// Kill ends the server with SIGKILL, stalled or not, and returns when it is gone.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	<-s.done
}

// signal sends one to the server and then to its children, of which there are no new
// ones after it was stopped.
func (s *Server) signal(sig syscall.Signal) {
	pid := s.PID()
	list := children(pid)
	_ = s.cmd.Process.Signal(sig)
	if sig == syscall.SIGSTOP {
		list = children(pid)
	}
	for _, child := range list {
		_ = syscall.Kill(child, sig)
	}
}

// Restart ends the server, if it still runs, and starts it on the same port with
// what is in its folder.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Kill()
	var err error
	// Children of a killed server may hold its files for a moment longer.
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); {
		if err = s.run(); err == nil {
			return
		}
	}
	tb.Fatalf("%s does not start again: %v\n%s", s.name, err, s.log)
}

// Log is what the server has printed since it was last started.
func (s *Server) Log() string { return s.log.String() }

func (s *Server) end() {
	s.Resume()
	_ = s.cmd.Process.Signal(s.quit)
	late := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	<-s.done
}

func freePort(tb testing.TB) int {
	tb.Helper()
	port, err := unusedPort()
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

func unusedPort() (int, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	addr, err := netip.ParseAddrPort(l.Addr().String())
	return int(addr.Port()), err
}

// missing ends a test whose server is not on this machine.
func missing(tb testing.TB, server, packages string) {
	tb.Helper()
	const text = "%s is not installed, so this is not tested: install %s, or run `make test` as root where apt is"
	if os.Getenv("CI") == "true" {
		tb.Fatalf(text, server, packages)
	}
	tb.Skipf(text, server, packages)
}

// lockedBuffer is a log that is read while the server writes it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
