//go:build unix

package reply

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Section is a part of a file an image named by its HANDLE. On Unix a HANDLE is a file descriptor cast to a pointer; it
// stays the extension's, and so does its file position.
type Section struct {
	f        *os.File // ours: a second description of the same file where the system gives one
	off, len int64
	kind     sectionKind
}

type sectionKind int

const (
	sought sectionKind = iota // f's position is ours and set to off: the kernel may copy (sendfile)
	pread                     // f shares its position with the extension
	stream                    // pipe, socket, device: there is no position; len 0 is up to its end
)

// ErrOffset is the error of an offset that lies past the end of the file.
var ErrOffset = errors.New("offset lies past the end of the file")

// OpenSection prepares [off, off+n) of the file; n 0 is up to its end, and a file that ends earlier makes it shorter.
func OpenSection(handle uintptr, off, n int64) (*Section, error) {
	fd := int(handle)
	var st unix.Stat_t
	if fd < 0 || unix.Fstat(fd, &st) != nil {
		return nil, fmt.Errorf("handle 0x%x is not an open file", handle)
	}
	s := &Section{off: off, len: n}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if off > st.Size {
			return nil, ErrOffset
		}
		if n == 0 || n > st.Size-off {
			s.len = st.Size - off
		}
		// A new description has a position of its own; where it cannot be had (no /proc, no permission any more) pread does.
		if f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
			if _, err = f.Seek(off, io.SeekStart); err == nil {
				s.f = f
				return s, nil
			}
			f.Close()
		}
		s.kind = pread
	case unix.S_IFDIR:
		return nil, fmt.Errorf("handle 0x%x is a directory", handle)
	default:
		if off != 0 {
			return nil, ErrOffset
		}
		s.kind = stream
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s.f = os.NewFile(uintptr(dup), "handle")
	return s, nil
}

// Close closes what is ours; the HANDLE stays open.
func (s *Section) Close() { s.f.Close() }

// short tells whether n bytes are fewer than the file had when it was asked for.
func (s *Section) short(n int64) bool { return s.kind != stream && n < s.len }

// reader reads the section from its beginning; net/http hands an *io.LimitedReader over an *os.File to sendfile.
func (s *Section) reader() io.Reader {
	switch {
	case s.kind == pread:
		return io.NewSectionReader(s.f, s.off, s.len)
	case s.kind == stream && s.len == 0:
		return s.f
	}
	return &io.LimitedReader{R: s.f, N: s.len}
}
