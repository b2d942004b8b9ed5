package pipenet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Listener is both ends of the network: a [net.Listener] for servers and
// DialContext for clients. It is safe for concurrent use.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}

	mu      sync.Mutex
	dials   int
	tried   int
	refuse  int
	closing sync.Once
}

// Listen returns a listener that accepts at once.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]; later dials are refused.
func (l *Listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return addr{} }

// DialContext connects to the listener, whatever network and address say. It
// fits http.Transport.DialContext.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if l.refused() {
		return nil, refusal()
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		l.mu.Lock()
		l.dials++
		l.mu.Unlock()
		return client, nil
	case <-l.closed:
		return nil, refusal()
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: addr{}, Err: ctx.Err()}
	}
}

// RefuseNext makes the next n dials fail.
func (l *Listener) RefuseNext(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = n
}

// Dials returns how many connections have been made, refused ones not counted.
func (l *Listener) Dials() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
}

// Tried returns how many dials were begun, refused ones included.
func (l *Listener) Tried() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried
}

// refused counts a dial and reports whether it is to fail.
func (l *Listener) refused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried++
	if l.refuse > 0 {
		l.refuse--
		return true
	}
	return false
}

func refusal() error {
	return &net.OpError{Op: "dial", Net: "pipe", Addr: addr{}, Err: syscall.ECONNREFUSED}
}

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "pipe" }
