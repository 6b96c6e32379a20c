//go:build !linux

package remote

import (
	"errors"
	"net"
	"os"
)

func streamPair() (*net.UnixConn, *os.File, error) {
	return nil, nil, errors.New("isolated workers are not supported on this system yet: use mode in-process")
}
