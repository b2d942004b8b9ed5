//go:build linux || darwin

package server

import "syscall"

// freeDisk is how many bytes can be written to the disk that a directory is on.
func freeDisk(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // no disk is that large; types differ by system
}
