//go:build unix

package pool

import "syscall"

// freeze stops a process until a debugger or the end comes.
func freeze(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }
