package appendfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

var (
	// ErrExists is a file with content that is to be neither continued nor
	// replaced.
	ErrExists = errors.New("exists and is not empty")
	// ErrChanged is a file that is not the one to be continued.
	ErrChanged = errors.New("is not as it was left")
)

const (
	// flushAt is how many bytes are gathered before they are written.
	flushAt = 64 << 10
	// mode: sleep is health data, so only its owner may read it.
	mode = 0o600
)

// File is a file that grows by groups of lines.
type File struct {
	w      io.Writer
	opened *os.File // by Open
	f      *os.File // the same; nil: cannot be cut
	path   string
	ours   bool // may be removed when it is empty
	begun  bool // the file has been cut at size
	size   int64
	buf    []byte
	whole  int // bytes of buf that are whole groups
	err    error
}

// Start says where a file begins to grow.
type Start struct {
	// At is the size to continue at. It is 0 for a new file.
	At int64
	// Replace allows that what lies behind At is given up. Without it a file must
	// be empty or new.
	Replace bool
}

// Stream appends to something that cannot be cut, such as standard output.
// Every group is written at once.
func Stream(w io.Writer, name string) *File { return &File{w: w, path: name, begun: true} }

// Open opens a file, or makes a new one, readable for its owner only.
func Open(path string, start Start) (*File, error) {
	info, err := os.Stat(path)
	created := errors.Is(err, os.ErrNotExist)
	if created && start.At > 0 {
		return nil, fmt.Errorf("%s %w: it is gone, and should have at least %d bytes", path, ErrChanged, start.At)
	}
	flags := os.O_RDWR | os.O_CREATE
	if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		flags = os.O_WRONLY // waits for a reader, and hears when that goes away
	}
	f, err := os.OpenFile(path, flags, mode)
	if err != nil {
		return nil, err
	}
	file := &File{w: f, opened: f, f: f, path: path, ours: created || start.Replace, size: start.At}
	if err := file.check(start); err != nil {
		_ = f.Close()
		return nil, err
	}
	return file, nil
}

func (f *File) check(start Start) error {
	info, err := f.f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		f.f, f.size, f.begun = nil, 0, true
		return nil
	case info.Size() > 0 && !start.Replace:
		return fmt.Errorf("%s %w", f.path, ErrExists)
	case info.Size() < start.At:
		return fmt.Errorf("%s %w: it has %d bytes, and should have at least %d", f.path, ErrChanged, info.Size(), start.At)
	case start.At == 0:
		return nil
	}
	var last [1]byte
	if _, err := f.f.ReadAt(last[:], start.At-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		return fmt.Errorf("%s %w: no line ends at byte %d", f.path, ErrChanged, start.At)
	}
	return nil
}

// Regular reports whether the file can be cut, and so continued after a crash.
func (f *File) Regular() bool { return f.f != nil }

// Path is the name that was given.
func (f *File) Path() string { return f.path }

// Size is the size of the file, groups that wait to be written not included. For
// what cannot be cut it is the number of bytes written.
func (f *File) Size() int64 { return f.size }

// Write adds bytes to the group. It fails only if the file failed before.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	f.buf = append(f.buf, p...)
	return len(p), nil
}

// Mark ends a group.
func (f *File) Mark() error {
	f.whole = len(f.buf)
	if f.whole >= flushAt || f.f == nil {
		return f.Flush()
	}
	return f.err
}

// Unmark drops what was added since the last Mark.
func (f *File) Unmark() { f.buf = f.buf[:f.whole] }

// Begin cuts the file where it is to grow. The first Flush does it too.
func (f *File) Begin() error {
	if f.begun || f.err != nil {
		return f.err
	}
	f.begun = true
	if f.err = f.f.Truncate(f.size); f.err != nil {
		return f.err
	}
	_, f.err = f.f.Seek(f.size, io.SeekStart)
	return f.err
}

// Flush writes the groups that are whole.
func (f *File) Flush() error {
	if err := f.Begin(); err != nil || f.whole == 0 {
		return err
	}
	n, err := f.w.Write(f.buf[:f.whole])
	if err != nil {
		if f.f != nil && n > 0 {
			_ = f.f.Truncate(f.size) // else a torn line stays, behind every size told
		}
		f.err = err
		return err
	}
	f.size += int64(n)
	f.buf = append(f.buf[:0], f.buf[f.whole:]...)
	f.whole = 0
	return nil
}

// Sync writes the whole groups, makes them durable, and returns the size of the
// file.
func (f *File) Sync() (int64, error) {
	if err := f.Flush(); err != nil {
		return f.size, err
	}
	if f.f != nil {
		f.err = f.f.Sync()
	}
	return f.size, f.err
}

// Close closes the file without writing anything. What Stream was given stays open.
func (f *File) Close() error {
	if f.opened == nil {
		return nil
	}
	return f.opened.Close()
}

// Discard closes the file, and removes it if it is empty and was made by Open, or
// was to be continued or replaced.
func (f *File) Discard() error {
	err := f.Close()
	if f.f == nil || !f.ours {
		return err
	}
	if info, statErr := os.Stat(f.path); statErr == nil && info.Size() == 0 {
		err = errors.Join(err, os.Remove(f.path))
	}
	return err
}
