package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// How little room there may be on the disk of the database, in bytes.
const (
	lowDisk  = 256 << 20
	fullDisk = 8 << 20
)

// diskCheck is the part "disk" of the health: the room for the file. Little of it
// degrades the service, next to none ends it. ok is false where this system
// does not tell.
func diskCheck(file string) (c Check, ok bool) {
	dir := filepath.Dir(file)
	if _, err := freeDisk(dir); errors.Is(err, errors.ErrUnsupported) {
		return c, false
	}
	return Check{Name: "disk", Critical: true, Ask: func(context.Context) error {
		free, err := freeDisk(dir)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrDegraded, err)
		case free < fullDisk:
			return fmt.Errorf("the disk of the database is full: %d bytes are free", free)
		case free < lowDisk:
			return fmt.Errorf("%w: the disk of the database is nearly full: %d bytes are free", ErrDegraded, free)
		}
		return nil
	}}, true
}
