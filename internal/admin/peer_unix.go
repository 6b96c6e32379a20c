//go:build unix

package admin

import (
	"net"
	"syscall"
)

func peerOfConn(c net.Conn) peer {
	p := unknown
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { p = credentials(fd) }) // an error leaves p as it is
		}
	}
	return p
}
