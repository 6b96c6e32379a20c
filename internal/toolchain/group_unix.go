//go:build unix

package toolchain

import (
	"os/exec"
	"syscall"
	"time"
)

// killGroup makes cmd the leader of its own process group, all of which is killed when its context ends: a compiler
// driver leaves the real work to children.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}
