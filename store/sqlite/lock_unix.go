//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/asleep-sdk/asleep/store"
)

// ownership is the lock on the inbox. The system frees it with the process.
type ownership struct{ file *os.File }

// own takes the lock; the file holds the process id of the owner, for people.
func own(path string) (*ownership, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the database
	if err != nil {
		return nil, classify(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) //nolint:gosec // as above
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: process %.10s", store.ErrOwned, strings.TrimSpace(string(pid)))
		} else {
			err = classify(err)
		}
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
	}
	return &ownership{f}, nil
}

// free gives the lock back. The file stays: removing it would let two processes
// lock two files of one name.
func (o *ownership) free() error { return o.file.Close() }
