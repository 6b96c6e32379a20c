//go:build !linux

package systemd

import (
	"net"
	"time"
)

// monotonic is 0: there is no such manager here.
func monotonic() time.Duration { return 0 }

// Sockets are none: there is no such manager here.
func Sockets() ([]*net.TCPListener, error) { return nil, nil }
