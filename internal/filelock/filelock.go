package filelock

import (
	"errors"
	"os"

	"github.com/gofrs/flock"
)

// ErrHeld is a file that another process has locked.
var ErrHeld = errors.New("in use by another process")

const (
	suffix = ".lock"
	mode   = 0o600
	// tries bounds how often a lock file is opened anew because its last owner
	// removed it between our open and our lock.
	tries = 10
)

// Lock is a file that is locked. It is for one goroutine.
type Lock struct{ held *flock.Flock }

// Take locks the file named by path, which need not exist; its directory must.
func Take(path string) (*Lock, error) {
	for range tries {
		f := flock.New(path+suffix, flock.SetPermissions(mode))
		switch ok, err := f.TryLock(); {
		case err != nil:
			return nil, err
		case !ok:
			_ = f.Close()
			return nil, ErrHeld
		case current(f):
			return &Lock{held: f}, nil
		}
		_ = f.Close()
	}
	return nil, ErrHeld
}

// current reports whether the file that was locked is still the one that bears
// the name.
func current(f *flock.Flock) bool {
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Path())
	return err == nil && os.SameFile(locked, named)
}

// Release frees the lock. It may be called twice, and on nil.
func (l *Lock) Release() {
	if l == nil || l.held == nil {
		return
	}
	// Removed while it is held: whoever opens the name from now on makes a new
	// file, and whoever had opened this one finds that it is not current.
	_ = os.Remove(l.held.Path())
	_ = l.held.Close()
	l.held = nil
}
