package dbtest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the process when the test binary ends.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
