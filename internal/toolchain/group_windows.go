package toolchain

import (
	"errors"
	"os/exec"
	"strconv"
	"time"
)

// killGroup has all that cmd started killed when its context ends: a compiler driver leaves the real work to children.
func killGroup(cmd *exec.Cmd) {
	cmd.Cancel = func() error {
		tree := exec.Command("taskkill", "/F", "/T", "/PID", strconv.Itoa(cmd.Process.Pid)).Run()
		if tree == nil {
			return nil
		}
		if err := cmd.Process.Kill(); err != nil { // without its children
			return errors.Join(tree, err)
		}
		return nil
	}
	cmd.WaitDelay = 5 * time.Second
}
