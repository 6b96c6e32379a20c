//go:build !unix

package wire

import (
	"errors"
	"net"
	"os"
)

func sendFile(*net.UnixConn, []byte, *os.File) error { return errors.ErrUnsupported }

// socket reads bytes; there are no descriptors to be had on this system.
type socket struct{ conn *net.UnixConn }

func (s *socket) init(c *net.UnixConn) error { s.conn = c; return nil }

func (s *socket) recv(p []byte) (int, []*os.File, error) {
	n, err := s.conn.Read(p)
	return n, nil, err
}
