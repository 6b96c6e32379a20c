//go:build !windows

package conn

import "syscall"

// connReset is what a connection ends with that the other side has reset.
const connReset = syscall.ECONNRESET
