package asleeptest

import (
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP implements http.Handler: the whole service, and under /_fake/ the
// administration of the fake.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		s.serveAdmin(w, r)
		return
	}
	conn, _ := r.Context().Value(connKey{}).(uint64)
	x, err := s.exchange(r, conn)
	if err != nil {
		x.end(false)
		if errors.Is(err, errReset) {
			reset(w)
		}
	}
	if err != nil || !x.deliver(r, w) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // the way of net/http to break off an answer
	}
}

// deliver sends the answer as the fault wants it sent. It returns false if the
// connection has to break. The exchange ends before its last bytes are sent: a
// client that has read its answer finds it in the log.
func (x *exchange) deliver(r *http.Request, w http.ResponseWriter) bool {
	var f Fault
	if x.fault != nil {
		f = *x.fault
	}
	a, body, header := x.answer, x.answer.body, w.Header()
	maps.Copy(header, a.header)
	if bodiless(a.status) {
		x.end(true)
		w.WriteHeader(a.status)
		return f.Cut == CutNone
	}
	if f.Cut != CutChunked {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if f.Cut != CutNone {
		body = body[:len(body)/2]
	}
	w.WriteHeader(a.status)
	if f.Drip > 0 {
		var err error
		if body, err = drip(w, r, body, f.Drip); err != nil {
			x.end(false)
			return false
		}
	}
	x.end(true)
	_, err := w.Write(body) //nolint:gosec // bodies are JSON, or what a test wants them to be
	if f.Cut != CutNone {
		_ = http.NewResponseController(w).Flush()
		return false
	}
	return err == nil
}

// dripParts is the number of pieces that a slow body comes in.
const dripParts = 10

// drip writes the body in pieces over the time d, and returns the last one,
// for which the time has come.
func drip(w http.ResponseWriter, r *http.Request, body []byte, d time.Duration) (last []byte, err error) {
	flush := http.NewResponseController(w).Flush
	for i := range dripParts {
		if _, err := w.Write(last); err != nil { //nolint:gosec // see deliver
			return nil, err
		}
		if err := flush(); err != nil {
			return nil, err
		}
		if err := sleep(r.Context(), d/dripParts); err != nil {
			return nil, err
		}
		last = body[len(body)*i/dripParts : len(body)*(i+1)/dripParts]
	}
	return last, nil
}

// reset breaks the connection: with a TCP reset where there is one to send.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // HTTP/2: aborting the handler resets the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
