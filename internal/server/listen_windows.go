package server

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// What listening fails with.
const (
	errInUse        = windows.WSAEADDRINUSE
	errNotPermitted = windows.WSAEACCES
	errNoAddress    = windows.WSAEADDRNOTAVAIL
)

// whyNotPermitted follows "not permitted: ".
const whyNotPermitted = `another program has the port for itself, or Windows keeps it: see "netsh http show servicestate" and "netsh int ipv4 show excludedportrange tcp"`

// exclusive keeps other programs from listening on the same address beside us, which Windows lets them unless it is told.
func exclusive(_, _ string, c syscall.RawConn) error {
	const exclusiveAddrUse = ^windows.SO_REUSEADDR
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, exclusiveAddrUse, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
