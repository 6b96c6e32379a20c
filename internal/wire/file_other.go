//go:build !unix

package wire

import (
	"errors"
	"net"
	"os"
)

// outlet writes bytes; they wait for the other end here.
type outlet struct{ conn *net.UnixConn }

func (o *outlet) init(c *net.UnixConn) error { o.conn = c; return nil }

func (o *outlet) send(p []byte, f *os.File, _ bool) (int, error) {
	if f != nil {
		return 0, errors.ErrUnsupported
	}
	return o.conn.Write(p)
}

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// socket reads bytes; there are no descriptors to be had on this system.
type socket struct{ conn *net.UnixConn }

func (s *socket) init(c *net.UnixConn) error { s.conn = c; return nil }

func (s *socket) recv(p []byte) (int, []*os.File, error) {
	n, err := s.conn.Read(p)
	return n, nil, err
}
