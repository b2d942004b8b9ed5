package sqlite

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/asleep-sdk/asleep/store"
)

// ownership is the lock on the inbox. The system frees it with the process.
type ownership struct{ handle syscall.Handle }

const sharingViolation = syscall.Errno(32)

// own opens the file without sharing it, so that nobody else can open it.
func own(path string) (*ownership, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, classify(err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, sharingViolation):
		return nil, fmt.Errorf("%w: %s is in use", store.ErrOwned, path)
	case err != nil:
		return nil, classify(err)
	}
	return &ownership{h}, nil
}

func (o *ownership) free() error { return syscall.CloseHandle(o.handle) }
