package wire

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// sender writes frames. Whoever finds nobody writing writes what there is; what comes meanwhile leaves together with the next
// write. So there is no goroutine to wake, and under load one system call carries many frames.
type sender struct {
	conn *net.UnixConn

	mu    sync.Mutex // guards all below
	busy  bool
	queue []byte
	spare []byte
	err   error
}

var errBacklog = errors.New("the other end does not read")

// write sends b, with a descriptor if f is not nil. b may be used again when it returns.
func (s *sender) write(b []byte, f *os.File) error {
	s.mu.Lock()
	for f != nil && s.busy && s.err == nil {
		// A descriptor belongs to the bytes it is sent with: wait for the others.
		s.mu.Unlock()
		s.waitIdle()
		s.mu.Lock()
	}
	switch {
	case s.err != nil:
		defer s.mu.Unlock()
		return s.err
	case s.busy:
		defer s.mu.Unlock()
		if len(s.queue)+len(b) > maxBacklog {
			s.err = errBacklog
			return s.err
		}
		s.queue = append(s.queue, b...)
		return nil
	}
	s.busy = true
	s.mu.Unlock()
	var err error
	if f != nil {
		err = sendFile(s.conn, b, f)
	} else {
		_, err = s.conn.Write(b)
	}
	return s.drain(err)
}

// drain writes what was queued meanwhile.
func (s *sender) drain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err != nil && s.err == nil {
			s.err = err
		}
		if s.err != nil || len(s.queue) == 0 {
			s.busy = false
			return s.err
		}
		out := s.queue
		s.queue = s.spare[:0]
		s.mu.Unlock()
		_, err = s.conn.Write(out)
		s.mu.Lock()
		if s.spare = out; cap(out) > 1<<20 {
			s.spare = nil
		}
	}
}

// waitIdle gives whoever writes the time to end: descriptors are rare.
func (s *sender) waitIdle() { time.Sleep(20 * time.Microsecond) }

func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}
