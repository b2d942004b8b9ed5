//go:build unix && !linux

package dbtest

import "os/exec"

// dieWithParent can do nothing here: a server outlives a test binary that is
// killed.
func dieWithParent(*exec.Cmd) {}

// children are not known here.
func children(int) []int { return nil }
