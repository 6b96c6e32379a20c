//go:build !unix

package toolchain

import (
	"os/exec"
	"time"
)

// killGroup: without process groups only the driver itself is killed.
func killGroup(cmd *exec.Cmd) {
	cmd.WaitDelay = 5 * time.Second
}
