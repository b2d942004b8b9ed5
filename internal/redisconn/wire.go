package redisconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// What an answer may announce. go-redis makes room for what is announced before it comes,
// and ends the program where there is not so much.
const (
	maxBulk  = 64 << 20 // bytes of one string
	maxCount = 1 << 16  // elements of one list
	maxDepth = 16       // lists within lists
	maxLine  = 64 << 10 // bytes of a line
)

// errWire says that what came is not from a Redis, or from one that does not mean well.
var errWire = errors.New("the answer is not one of Redis")

// dialer dials as go-redis does, and has what comes judged before go-redis believes it.
func dialer(timeout time.Duration, security *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	dial := redis.NewDialer(&redis.Options{DialTimeout: timeout, TLSConfig: security})
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		judged := &judgedConn{Conn: conn}
		if socket, ok := conn.(syscall.Conn); ok {
			return &judgedSocket{judged, socket}, nil
		}
		return judged, nil
	}
}

// judgedConn is a connection that ends where an answer announces too much.
type judgedConn struct {
	net.Conn

	wire wire
}

// judgedSocket is one whose socket go-redis can ask whether it is alive.
type judgedSocket struct {
	*judgedConn
	syscall.Conn
}

// NetConn is for go-redis too, which looks through TLS for what has come.
func (c *judgedConn) NetConn() net.Conn { return c.Conn }

func (c *judgedConn) Read(b []byte) (int, error) {
	if c.wire.err != nil {
		return 0, c.wire.err
	}
	n, err := c.Conn.Read(b)
	if good := c.wire.judge(b[:n]); c.wire.err != nil {
		return good, c.wire.err
	}
	return n, err
}

// wire follows a stream of RESP, in whatever pieces it comes. Between two elements kind is
// zero; a head is a line that announces a length.
type wire struct {
	err error

	kind   byte
	line   int // bytes of the line so far
	last   byte
	minus  bool
	number int
	skip   int // bytes of a string that are still to come, its end included

	depth int
	left  [maxDepth]int // elements that are still to come, by depth
}

// judge goes through the next piece. Where it sets err, only the bytes that it returns may
// be handed on: the head that announces too much is not whole then.
func (w *wire) judge(piece []byte) (good int) {
	for rest := piece; len(rest) > 0 && w.err == nil; {
		switch {
		case w.skip > 0:
			n := min(w.skip, len(rest))
			w.skip -= n
			rest = rest[n:]
			good = len(piece) - len(rest)
		case w.kind == 0:
			w.begin(rest[0])
			rest = rest[1:]
		default:
			n := len(rest)
			end := bytes.IndexByte(rest, '\n')
			if end >= 0 {
				n = end + 1
			}
			w.read(rest[:n])
			rest = rest[n:]
			if end >= 0 && w.err == nil {
				w.end()
			}
		}
		if w.err == nil && w.kind == 0 {
			good = len(piece) - len(rest)
		}
	}
	if w.err == nil {
		return len(piece)
	}
	return good
}

// begin takes the first byte of an element.
func (w *wire) begin(kind byte) {
	if bytes.IndexByte([]byte("+-:_,#($=!*~>%|"), kind) < 0 {
		w.refuse("begins with %q", kind)
	}
	w.kind, w.line, w.last, w.minus, w.number = kind, 0, 0, false, 0
}

// head reports whether the line announces a length.
func (w *wire) head() bool {
	return w.kind == '$' || w.kind == '=' || w.kind == '!' || w.list()
}

func (w *wire) list() bool {
	return w.kind == '*' || w.kind == '~' || w.kind == '>' || w.kind == '%' || w.kind == '|'
}

// read takes a part of a line.
func (w *wire) read(part []byte) {
	if w.head() {
		for i, c := range part {
			w.digit(c, w.line+i == 0)
		}
	} else if n := len(part); part[n-1] == '\n' {
		if n > 1 {
			w.last = part[n-2]
		}
	} else {
		w.last = part[n-1]
	}
	if w.line += len(part); w.line > maxLine {
		w.refuse("has a line without an end")
	}
}

func (w *wire) digit(c byte, first bool) {
	switch {
	case c == '-' && first:
		w.minus = true
	case c >= '0' && c <= '9' && w.last != '\r':
		w.number = min(10*w.number+int(c-'0'), maxBulk+1)
	case c == '\r' && w.last != '\r':
		w.last = c
	case c == '\n' && w.last == '\r':
	default:
		w.refuse("has %q in a length", c)
	}
}

// end takes the end of a line.
func (w *wire) end() {
	if w.last != '\r' {
		w.refuse("has a line without an end")
		return
	}
	children := 0
	switch {
	case w.minus: // nothing
	case w.list():
		if w.number > maxCount {
			w.refuse("announces a list of more than %d", maxCount)
			return
		}
		children = w.number
		if w.kind == '%' || w.kind == '|' {
			children *= 2
		}
	case w.head():
		if w.number > maxBulk {
			w.refuse("announces more than %d bytes", maxBulk)
			return
		}
		w.skip = w.number + len("\r\n")
	}
	if w.depth > 0 && w.kind != '|' { // attributes stand before an element
		w.left[w.depth-1]--
	}
	w.kind = 0
	if children > 0 {
		if w.depth == maxDepth {
			w.refuse("has lists within lists, more than %d", maxDepth)
			return
		}
		w.left[w.depth] = children
		w.depth++
	}
	for w.depth > 0 && w.left[w.depth-1] == 0 {
		w.depth--
	}
}

func (w *wire) refuse(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: it "+format, append([]any{errWire}, args...)...)
	}
}
