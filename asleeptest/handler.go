package asleeptest

import (
	"errors"
	"io"
	"log"
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
		panic(http.ErrAbortHandler) // the way of net/http to give no answer
	}
	sent := x.deliver(r, w)
	x.end(sent)
	if !sent {
		panic(http.ErrAbortHandler)
	}
}

// deliver sends the answer as the fault wants it sent. It returns false if the
// connection has to break.
func (x *exchange) deliver(r *http.Request, w http.ResponseWriter) bool {
	a, body := x.answer, x.answer.body
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	var f Fault
	if x.fault != nil {
		f = *x.fault
	}
	if a.status == http.StatusNoContent {
		w.WriteHeader(a.status)
		return f.Cut == CutNone
	}
	if header.Get("Content-Type") == "" {
		header["Content-Type"] = nil // nothing is guessed
	}
	if f.Cut != CutChunked {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if f.Cut != CutNone {
		body = body[:len(body)/2]
	}
	w.WriteHeader(a.status)
	var err error
	if f.Drip > 0 {
		err = drip(w, r, body, f.Drip)
	} else {
		_, err = w.Write(body)
	}
	if f.Cut != CutNone {
		_ = http.NewResponseController(w).Flush()
		return false
	}
	return err == nil
}

// dripParts is the number of pieces that a slow body comes in.
const dripParts = 10

// drip writes the body in pieces over the time d, the last one at its end.
func drip(w http.ResponseWriter, r *http.Request, body []byte, d time.Duration) error {
	flush := http.NewResponseController(w).Flush
	for i := range dripParts {
		if err := flush(); err != nil {
			return err
		}
		if err := sleep(r.Context(), d/dripParts); err != nil {
			return err
		}
		if _, err := w.Write(body[len(body)*i/dripParts : len(body)*(i+1)/dripParts]); err != nil {
			return err
		}
	}
	return nil
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
