package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// keptBuffer is the largest buffer that is used again. Nearly every body fits, and
// a few large ones must not stay in memory.
const keptBuffer = 64 << 10

// buffers hold bodies while they are verified. What is kept of a body is a copy.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

var (
	errTooLarge   = errors.New("the body is larger than the limit")
	errIncomplete = errors.New("the body did not come whole")
)

// readBody reads a body of at most limit bytes. Memory grows with what has come,
// never with what the sender announces.
func readBody(into *bytes.Buffer, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	n, err := into.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case n > limit:
		return errTooLarge
	case err != nil:
		return fmt.Errorf("%w: %w", errIncomplete, err)
	case r.ContentLength >= 0 && n != r.ContentLength:
		return fmt.Errorf("%w: %d bytes of %d", errIncomplete, n, r.ContentLength)
	}
	return nil
}

// bodyDeadline bounds the time until the body has come, all of it and not each
// piece, also where it is not read: net/http reads what a handler leaves. It is
// lifted by net/http when the body has ended. A connection that has no deadlines
// is left to the server's own.
func bodyDeadline(w http.ResponseWriter, within time.Duration) {
	if within > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(within))
	}
}
