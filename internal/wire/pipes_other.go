//go:build !linux

package wire

import (
	"errors"
	"os"
	"time"
)

// pipes is a stream of two files.
type pipes struct {
	r, w  *os.File
	waits bool
}

// Pipes are two pipes as a stream that carries bytes only: one that it reads, and one that it writes. It takes both over, also when it
// fails.
//
// Where they can only be waited for, as the standard handles of a Windows program, a worker writes and waits: the front always reads. A
// front never waits, a goroutine of the sender's does.
func Pipes(r, w *os.File) (Stream, error) {
	waits := r.SetReadDeadline(time.Time{}) != nil
	return Stream{carrier: &pipes{r, w, waits}, plain: true, waits: waits}, nil
}

func (s *pipes) send(p []byte, f *os.File, wait bool) (int, error) {
	switch {
	case f != nil:
		return 0, errors.ErrUnsupported
	case !wait:
		return 0, nil
	}
	return s.w.Write(p)
}

// recv goes on when somebody else had the system end the read: a library can, by the thread or all handles of the process.
func (s *pipes) recv(p []byte) (int, []*os.File, error) {
	for {
		n, err := s.r.Read(p)
		if n > 0 || !aborted(err) {
			return n, nil, err
		}
	}
}

func (s *pipes) SetReadDeadline(t time.Time) error { return s.r.SetReadDeadline(t) }

// Close of files that can only be waited for returns at once: who waits there may do so until the other end has closed its own. Then this
// process has nothing left to do but to end.
func (s *pipes) Close() error {
	if s.waits {
		go s.close()
		return nil
	}
	return s.close()
}

func (s *pipes) close() error { return errors.Join(s.w.Close(), s.r.Close()) }
