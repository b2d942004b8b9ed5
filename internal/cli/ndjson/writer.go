package ndjson

import (
	"bytes"
	"io"
)

// Writer writes lines. It does not buffer: each line is one call of Write.
type Writer struct {
	w       io.Writer
	raw     []byte
	compact bytes.Buffer
	line    []byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Object writes the object raw with the user id as its first member, and a line
// feed. See [AppendObject]; other errors are those of the underlying writer.
func (w *Writer) Object(raw, userID string) error {
	w.raw = append(w.raw[:0], raw...)
	w.compact.Reset()
	if err := compactObject(&w.compact, w.raw); err != nil {
		return err
	}
	w.line = append(appendOwned(w.line[:0], w.compact.Bytes(), userID), '\n')
	_, err := w.w.Write(w.line)
	return err
}
