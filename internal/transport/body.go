package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Body is the complete body of an answer, in memory, together with the verdict
// on the attempt that brought it. Close keeps it readable.
type Body struct {
	bytes.Reader
	data    []byte
	outcome Outcome
	next    [1]byte // where a byte would go that comes after the announced length
}

func (b *Body) fill(data []byte, outcome Outcome) *Body {
	b.data, b.outcome = data, outcome
	b.Reset(data)
	return b
}

// Close implements [io.Closer] and does nothing.
func (b *Body) Close() error { return nil }

// BodyBytes returns all of a response's body, whatever was read of it before,
// without copying if the response came from a [Doer]. The bytes belong to the
// holder of the response; nobody else keeps them.
func BodyBytes(resp *http.Response) ([]byte, error) {
	if b, ok := resp.Body.(*Body); ok {
		return b.data, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

// maxPrealloc bounds the memory taken on a Content-Length's word alone.
const maxPrealloc = 256 << 10

// errOverLimit is readBounded's own signal; callers turn it into a typed error.
var errOverLimit = errors.New("over the limit")

// readBounded reads r to its end, at most limit bytes. size is the announced
// length, negative if unknown; a body of just that length takes no more memory than
// that. On any error the bytes read so far (at most limit) are returned with it.
func (b *Body) readBounded(r io.Reader, size, limit int64) ([]byte, error) {
	room := int64(4 << 10) // most answers fit
	if size >= 0 {
		room = min(size, limit, maxPrealloc)
	}
	buf := make([]byte, 0, room)
	for {
		free := buf[len(buf):cap(buf)]
		if len(free) == 0 {
			free = b.next[:]
		}
		n, err := r.Read(free)
		if len(buf) == cap(buf) {
			buf = append(buf, b.next[:n]...)
		} else {
			buf = buf[:len(buf)+n]
		}
		switch {
		case int64(len(buf)) > limit:
			return buf[:limit], errOverLimit
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}
