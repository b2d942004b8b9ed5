package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/filelock"
)

// ErrHeld says that another process has the file.
var ErrHeld = errors.New("another process has it: give each process a file of its own")

// File is a journal in a file. It is safe for concurrent use.
type File struct {
	path string
	lock *filelock.Lock

	mu      sync.Mutex
	pending []cache.Owner // in the order in which they came
	file    *os.File
}

var _ cache.Journal = (*File)(nil)

// Open opens the journal at path, or makes it; its folder must be there. The caller closes
// it, after the cache.
func Open(path string) (*File, error) {
	if path == "" {
		return nil, errors.New("asleep/journal: no path: name a file of this process's own")
	}
	lock, err := filelock.Take(path)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("asleep/journal: %q: %w", path, ErrHeld)
	}
	if err != nil {
		return nil, fmt.Errorf("asleep/journal: %w", err)
	}
	f := &File{path: path, lock: lock}
	if err := f.load(); err != nil {
		lock.Release()
		return nil, fmt.Errorf("asleep/journal: %w", err)
	}
	return f, nil
}

// Pending implements [cache.Journal].
func (f *File) Pending() []cache.Owner {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.pending)
}

// Add implements [cache.Journal].
func (f *File) Add(owner cache.Owner) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.pending, owner) {
		return nil
	}
	if err := f.write("+", owner); err != nil {
		return err
	}
	f.pending = append(f.pending, owner)
	return nil
}

// Remove implements [cache.Journal].
func (f *File) Remove(owner cache.Owner) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.Index(f.pending, owner)
	if at < 0 {
		return nil
	}
	f.pending = slices.Delete(f.pending, at, at+1)
	return f.write("-", owner)
}

// Close closes the file and lets another process have it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.lock.Release()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// write appends one line. What a failure has left of it is not to run into the next: the
// file is then written anew first.
func (f *File) write(sign string, owner cache.Owner) error {
	if f.file == nil {
		if err := f.rewrite(); err != nil {
			return fmt.Errorf("asleep/journal: %w", err)
		}
	}
	_, err := f.file.WriteString(sign + string(owner) + "\n")
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		_ = f.file.Close()
		f.file = nil
		return fmt.Errorf("asleep/journal: %w", err)
	}
	return nil
}

// load reads what the file says and writes it anew.
func (f *File) load() error {
	text, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if f.pending, err = parse(text); err != nil {
		return fmt.Errorf("%q: %w", f.path, err)
	}
	return f.rewrite()
}

// parse replays the lines. The last one may be cut off.
func parse(text []byte) (pending []cache.Owner, err error) {
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	number := 0
	for line := range bytes.Lines(text) {
		number++
		sign, owner := line[0], cache.Owner(bytes.TrimSuffix(line[1:], []byte("\n")))
		if (sign != '+' && sign != '-') || !sound(owner) {
			return nil, fmt.Errorf("line %d is no entry: move the file away, and erase again whom it may have been about", number)
		}
		switch at := slices.Index(pending, owner); {
		case sign == '+' && at < 0:
			pending = append(pending, owner)
		case sign == '-' && at >= 0:
			pending = slices.Delete(pending, at, at+1)
		}
	}
	return pending, nil
}

// sound reports whether it is an owner: 32 hex digits.
func sound(owner cache.Owner) bool {
	raw, err := hex.DecodeString(string(owner))
	return err == nil && len(raw) == 16
}

// rewrite replaces the file by one that says what is pending, and opens it.
func (f *File) rewrite() error {
	var text bytes.Buffer
	for _, owner := range f.pending {
		fmt.Fprintf(&text, "+%s\n", owner)
	}
	next := f.path + ".new"
	file, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // whoever opens the journal names it
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(next, f.path)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file = file
	return syncFolder(filepath.Dir(f.path))
}

// syncFolder makes a rename last, where folders can be synced.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // as above
	if err != nil {
		return err
	}
	_ = folder.Sync() // not every system can
	return folder.Close()
}
