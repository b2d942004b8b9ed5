package userlist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
)

// ErrEmpty is a list without a single user.
var ErrEmpty = errors.New("names no user")

// errOnce is a stream that was ranged over before.
var errOnce = errors.New("can be read only once")

// Input says where users come from.
type Input struct {
	// IDs come first, as they are.
	IDs []string
	// Path is a file of ids; empty: none.
	Path string
	// Stream is read after IDs if Path is empty; nil: none. StreamName is what
	// messages call it.
	Stream     io.Reader
	StreamName string
}

// List reads an [Input]. Its methods are safe for concurrent use; one range
// over All at a time.
type List struct {
	in      Input
	regular bool // Path is a plain file: it does not block, and can be read again
	used    atomic.Bool

	mu     sync.Mutex
	places []Place // of position i at i modulo the length
}

// Open checks that the source can be read. Places are remembered for window
// positions behind the newest one read.
func Open(in Input, window int) (*List, error) {
	l := &List{in: in, places: make([]Place, max(1, window))}
	if in.Path == "" {
		return l, nil
	}
	info, err := os.Stat(in.Path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name a file with one user id a line", in.Path)
	}
	l.regular = info.Mode().IsRegular()
	if !l.regular {
		return l, nil // opening a pipe waits for its writer
	}
	f, err := os.Open(in.Path)
	if err != nil {
		return nil, err
	}
	return l, f.Close()
}

// Place tells where a position came from, if it is among the newest window ones.
func (l *List) Place(index int64) Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places[index%int64(len(l.places))]
}

// All yields the ids in order. The error is yielded last. A plain file may be
// ranged over again. When ctx ends the sequence ends with its error, although
// a goroutine may stay behind that waits for a stream to say something.
func (l *List) All(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var n int64
		for item := range l.items(ctx) {
			if err := cmp.Or(item.err, ctx.Err()); err != nil {
				yield("", err)
				return
			}
			l.mu.Lock()
			l.places[n%int64(len(l.places))] = item.at
			l.mu.Unlock()
			n++
			if !yield(item.id, nil) {
				return
			}
		}
		if n == 0 {
			yield("", fmt.Errorf("%s %w", l.name(), ErrEmpty))
		}
	}
}

func (l *List) name() string {
	switch {
	case l.in.Path != "":
		return l.in.Path
	case l.in.Stream != nil:
		return l.in.StreamName
	}
	return "the list"
}

// item is one position, or why there is none.
type item struct {
	id  string
	at  Place
	err error
}

func (l *List) items(ctx context.Context) iter.Seq[item] {
	return func(yield func(item) bool) {
		for _, id := range l.in.IDs {
			if !yield(item{id: id}) {
				return
			}
		}
		if l.in.Path == "" && l.in.Stream == nil {
			return
		}
		source := l.source
		if !l.regular {
			source = func() iter.Seq[item] { return pumped(ctx, l.source()) }
		}
		for it := range source() {
			if !yield(it) {
				return
			}
		}
	}
}

// source yields what the file or the stream has.
func (l *List) source() iter.Seq[item] {
	return func(yield func(item) bool) {
		fail := func(err error) { yield(item{err: fmt.Errorf("%s: %w", l.name(), err)}) }
		r, err := l.open()
		if err != nil {
			fail(err)
			return
		}
		defer func() { _ = r.Close() }()
		src := newLines(r)
		for {
			id, at, err := src.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				fail(fmt.Errorf("line %d: %w", at.Line, err))
				return
			}
			if !yield(item{id: id, at: at}) {
				return
			}
		}
	}
}

func (l *List) open() (io.ReadCloser, error) {
	if !l.regular && l.used.Swap(true) {
		return nil, errOnce
	}
	if l.in.Path == "" {
		return io.NopCloser(l.in.Stream), nil
	}
	return os.Open(l.in.Path)
}

// pumped reads a source that may block in a goroutine of its own, so that the
// end of ctx ends the sequence all the same.
func pumped(ctx context.Context, source iter.Seq[item]) iter.Seq[item] {
	return func(yield func(item) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ch := make(chan item)
		go func() {
			defer close(ch)
			for it := range source {
				select {
				case ch <- it:
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			select {
			case it, ok := <-ch:
				if !ok || !yield(it) {
					return
				}
			case <-ctx.Done():
				yield(item{err: ctx.Err()})
				return
			}
		}
	}
}
