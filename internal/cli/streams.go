package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are the standard streams and what is known of them.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	// Whether a person sits at the other end.
	InTerminal, OutTerminal, ErrTerminal bool
}

// System returns the streams of the process.
func System() Streams {
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
	}
}

// isTerminal asks the device itself: /dev/null is a character device too.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// interactive reports whether a question can be asked and answered.
func (s Streams) interactive() bool { return s.InTerminal && s.ErrTerminal }
