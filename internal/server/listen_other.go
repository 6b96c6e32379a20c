//go:build !windows

package server

import "syscall"

// What listening fails with.
const (
	errInUse        = syscall.EADDRINUSE
	errNotPermitted = syscall.EACCES
	errNoAddress    = syscall.EADDRNOTAVAIL
)

// whyNotPermitted follows "not permitted: ".
const whyNotPermitted = "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"

// exclusive does nothing: only one program can listen on an address here.
func exclusive(_, _ string, _ syscall.RawConn) error { return nil }
