package postgres_test

import (
	"bytes"
	"net"
	neturl "net/url"
	"sync"
	"testing"
)

// proxy stands between a store and its server and can lose an answer.
type proxy struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	text     []byte // the answer to what contains it is lost
}

func newProxy(tb testing.TB, server string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{listener: l, server: server}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
	})
	return p
}

// url is the URL of a database by way of the proxy.
func (p *proxy) url(direct string) string {
	u, _ := neturl.Parse(direct) // the test's own
	u.Host = p.listener.Addr().String()
	return u.String()
}

// loseAnswerTo cuts the next connection on which the text is sent, when the server
// has answered and before the client hears. What is sent must be executed at once:
// COMMIT, or the parameters of a statement that was prepared before.
func (p *proxy) loseAnswerTo(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = []byte(text)
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	end := func() { _, _ = client.Close(), server.Close() }
	defer end()
	lost := make(chan struct{})
	go func() {
		defer end()
		b := make([]byte, 1<<16)
		for {
			n, err := client.Read(b)
			if err != nil {
				return
			}
			p.mu.Lock()
			if p.text != nil && bytes.Contains(b[:n], p.text) {
				p.text = nil
				close(lost)
			}
			p.mu.Unlock()
			if _, err := server.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 1<<16)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		select {
		case <-lost:
			return
		default:
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}
