package asleeptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Transport returns an http.RoundTripper that answers in process, without
// sockets and without goroutines, so that it also works in a synctest bubble.
// It behaves as a real one does: a cancelled context ends a call at once with
// the context's error, a reset connection is a *net.OpError with ECONNRESET, a
// body that was cut off ends with io.ErrUnexpectedEOF, a slow one is slow when
// it is read. The host of the request's URL may be anything.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

// errReset is what breaks a connection.
var errReset error = &net.OpError{
	Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET),
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := sendable(r); err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		return t.admin(r), nil
	}
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	x, err := t.server.exchange(received(r), 0)
	if err != nil {
		x.end(false)
		if errors.Is(err, r.Context().Err()) {
			err = context.Cause(r.Context())
		}
		return nil, err
	}
	return x.response(r), nil
}

// sendable reports what would keep a real transport from sending the request.
func sendable(r *http.Request) error {
	if r.URL == nil {
		return errors.New("http: nil Request.URL")
	}
	if r.URL.Host == "" {
		return errors.New("http: no Host in request URL")
	}
	if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return fmt.Errorf("unsupported protocol scheme %q", r.URL.Scheme)
	}
	for name, values := range r.Header {
		if strings.ContainsAny(name, " \r\n:\x00") || name == "" {
			return fmt.Errorf("net/http: invalid header field name %q", name)
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				return fmt.Errorf("net/http: invalid header field value for %q", name) // the value may be a secret
			}
		}
	}
	return nil
}

// received is the request as a server would see it.
func received(r *http.Request) *http.Request {
	in := r.Clone(r.Context())
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	in.RequestURI = in.URL.RequestURI()
	canonical := make(http.Header, len(in.Header))
	for name, values := range in.Header {
		for _, v := range values {
			canonical.Add(name, strings.TrimSpace(v))
		}
	}
	in.Header = canonical
	return in
}

// response turns the exchange into what a transport returns. The exchange ends
// when the body has been read or closed, if the body takes time.
func (x *exchange) response(r *http.Request) *http.Response {
	a := x.answer
	body := &replyBody{ctx: r.Context(), whole: a.body, rest: bytes.NewReader(a.body)}
	if x.fault != nil && !bodiless(a.status) {
		body.damage(x.fault)
	}
	resp := newResponse(r, a, body)
	if x.fault != nil && x.fault.Cut == CutChunked {
		resp.ContentLength, resp.TransferEncoding = -1, []string{"chunked"}
		resp.Header.Del("Content-Length")
	}
	if body.pause > 0 {
		body.end = func() { x.end(true) }
	} else {
		x.end(true)
	}
	return resp
}

// newResponse is an answer as it arrives at a client.
func newResponse(r *http.Request, a *answer, body io.ReadCloser) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, ContentLength: int64(len(a.body)), Body: body, Request: r,
	}
	resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if bodiless(a.status) {
		resp.ContentLength, resp.Body = 0, http.NoBody
	} else {
		resp.Header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	return resp
}

// replyBody is the body of an answer, and what is wrong with it. As with every
// body, reading is for one goroutine; closing is for any.
type replyBody struct {
	ctx   context.Context
	whole []byte
	rest  *bytes.Reader
	cut   bool
	pause time.Duration // before each piece
	part  int
	once  sync.Once
	end   func()

	mu     sync.Mutex
	closed bool
}

func (b *replyBody) damage(f *Fault) {
	if b.cut = f.Cut != CutNone; b.cut {
		b.whole = b.whole[:len(b.whole)/2]
		b.rest.Reset(b.whole)
	}
	if b.pause = f.Drip / dripParts; b.pause > 0 {
		b.rest.Reset(nil)
	}
}

// Read implements io.Reader.
func (b *replyBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	for b.pause > 0 && b.rest.Len() == 0 && b.part < dripParts {
		if err := sleep(b.ctx, b.pause); err != nil {
			return 0, context.Cause(b.ctx)
		}
		n := len(b.whole)
		b.rest.Reset(b.whole[n*b.part/dripParts : n*(b.part+1)/dripParts])
		b.part++
	}
	n, err := b.rest.Read(p)
	if errors.Is(err, io.EOF) {
		b.finish()
		if b.cut {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *replyBody) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.finish()
	return nil
}

func (b *replyBody) finish() {
	b.once.Do(func() {
		if b.end != nil {
			b.end()
		}
	})
}

// admin answers a request for the administration.
func (t transport) admin(r *http.Request) *http.Response {
	a := newAnswer()
	t.server.serveAdmin(a, received(r))
	return newResponse(r, a, io.NopCloser(bytes.NewReader(a.body)))
}
