//go:build unix

package remote

import (
	"os"

	"golang.org/x/sys/unix"
)

// descriptor is a copy of the client's socket for the worker; nil if it cannot have it.
func (a *asker) descriptor() *os.File {
	if a.conn == nil || a.r.TLS != nil || a.r.ProtoMajor >= 2 {
		return nil
	}
	fd, ok := a.conn.Descriptor()
	if !ok {
		return nil
	}
	dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(dup), "client")
}
