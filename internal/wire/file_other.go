//go:build !unix

package wire

import (
	"errors"
	"net"
	"os"
)

// stream is the socket of a link.
type stream struct{ *net.UnixConn }

func newStream(c *net.UnixConn) (*stream, error) { return &stream{c}, nil }

// outlet writes bytes; they wait for the other end here.
type outlet struct{ conn *stream }

func (o *outlet) init(c *stream) error { o.conn = c; return nil }

func (o *outlet) send(p []byte, f *os.File, _ bool) (int, error) {
	if f != nil {
		return 0, errors.ErrUnsupported
	}
	return o.conn.Write(p)
}

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// inlet reads bytes; there are no descriptors to be had on this system.
type inlet struct{ conn *stream }

func (s *inlet) init(c *stream) error { s.conn = c; return nil }

func (s *inlet) recv(p []byte) (int, []*os.File, error) {
	n, err := s.conn.Read(p)
	return n, nil, err
}
