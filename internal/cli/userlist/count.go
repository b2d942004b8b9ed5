package userlist

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxCounted bounds in bytes the file that Count reads: a few hundred
// milliseconds, and about eight million ids.
const maxCounted = 256 << 20

// Count returns the number of positions, if it can be had without waiting: of
// ids that are given, and of a plain file of at most 256 MiB, which is read once.
// It is 0 where it is not known, and an error where the source names nobody
// ([ErrEmpty]) or cannot be read.
func (l *List) Count() (int64, error) {
	n := int64(len(l.in.IDs))
	switch {
	case l.in.Path == "" && l.in.Stream != nil, l.in.Path != "" && !l.regular:
		return 0, nil
	case l.in.Path == "":
		return n, nil
	}
	info, err := os.Stat(l.in.Path)
	if err != nil || info.Size() > maxCounted {
		return 0, err
	}
	f, err := os.Open(l.in.Path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	inFile, err := countLines(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", l.in.Path, err)
	}
	if n += inFile; n == 0 {
		return 0, fmt.Errorf("%s %w", l.in.Path, ErrEmpty)
	}
	return n, nil
}

// countLines counts the lines that hold something to ask for, without parsing
// what they hold.
func countLines(r io.Reader) (n int64, err error) {
	l := newLines(r)
	for {
		line, long, err := l.read()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case long != nil || content(line) != nil:
			n++
		}
	}
}
