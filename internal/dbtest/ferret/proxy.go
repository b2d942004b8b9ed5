package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// The least and the most that a message of the wire protocol may measure.
const (
	headerSize = 16
	maxMessage = 48_000_000
)

// proxy lets one command at a time through to the server behind the socket.
type proxy struct {
	socket string
	one    sync.Mutex
}

func (p *proxy) serve(ctx context.Context, l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go p.connection(ctx, client)
	}
}

func (p *proxy) connection(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(ctx, "unix", p.socket)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	for {
		command, err := message(client)
		if err != nil {
			return
		}
		answer, err := p.exchange(server, command)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func (p *proxy) exchange(server net.Conn, command []byte) ([]byte, error) {
	p.one.Lock()
	defer p.one.Unlock()
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	return message(server)
}

// message reads one message: its first four bytes are its length.
func message(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n < headerSize || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	copy(b, size[:])
	_, err := io.ReadFull(r, b[len(size):])
	return b, err
}
