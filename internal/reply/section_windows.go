package reply

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/windows"
)

// Section is a part of a file an image named by its HANDLE, which stays the image's, and so does its file position. Handles of every
// kind that can be read will do: for overlapped I/O or not, and of pipes, too.
//
// It is read through the image's own file object, so that what the image has of it (locks, rights, a file that is deleted already)
// holds for its reads, too.
type Section struct {
	h        windows.Handle // ours: a second handle of the same file object
	off, len int64
	kind     sectionKind

	// For one read at a time. The system writes to it while a read is pending: it must not move, as what lies on a stack of Go does.
	io windows.Overlapped
}

type sectionKind int

const (
	positioned sectionKind = iota // a file: reads say where
	stream                        // pipe, socket, device: there is no position; len 0 is up to its end
)

// ErrOffset is the error of an offset that lies past the end of the file.
var ErrOffset = errors.New("offset lies past the end of the file")

// OpenSection prepares [off, off+n) of the file; n 0 is up to its end, and a file that ends earlier makes it shorter.
func OpenSection(handle uintptr, off, n int64) (*Section, error) {
	h := windows.Handle(handle)
	kind, err := windows.GetFileType(h) // which the pseudo handles of process and thread, like INVALID_HANDLE_VALUE, have none of
	if err != nil || kind == windows.FILE_TYPE_UNKNOWN {
		return nil, fmt.Errorf("handle 0x%x is not an open file", handle)
	}
	s := &Section{off: off, len: n}
	if kind == windows.FILE_TYPE_DISK {
		var info windows.ByHandleFileInformation
		if err := windows.GetFileInformationByHandle(h, &info); err != nil {
			return nil, fmt.Errorf("handle 0x%x: %w", handle, err)
		}
		if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 {
			return nil, fmt.Errorf("handle 0x%x is a directory", handle)
		}
		size := int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow)
		if off > size {
			return nil, ErrOffset
		}
		if n == 0 || n > size-off {
			s.len = size - off
		}
	} else {
		if off != 0 {
			return nil, ErrOffset
		}
		s.kind = stream
	}
	self := windows.CurrentProcess()
	if err := windows.DuplicateHandle(self, h, self, &s.h, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, fmt.Errorf("handle 0x%x: %w", handle, err)
	}
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		_ = windows.CloseHandle(s.h)
		return nil, fmt.Errorf("handle 0x%x: %w", handle, err)
	}
	s.io.HEvent = event | 1 // with this bit the image's completion port, if it has one, hears nothing of our reads
	return s, nil
}

// Close closes what is ours; the HANDLE stays open.
func (s *Section) Close() {
	_ = windows.CloseHandle(s.h)
	_ = windows.CloseHandle(s.io.HEvent &^ 1)
}

// short tells whether n bytes are fewer than the file had when it was asked for.
func (s *Section) short(n int64) bool { return s.kind != stream && n < s.len }

// reader reads the section from its beginning.
func (s *Section) reader() io.Reader {
	if s.kind == stream && s.len == 0 {
		return s
	}
	return &io.LimitedReader{R: s, N: s.len}
}

// Read reads on. The memory must not be on a stack.
func (s *Section) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.kind == positioned {
		defer s.keepPosition()()
		s.io.Offset, s.io.OffsetHigh = uint32(s.off), uint32(s.off>>32)
	}
	var n uint32
	err := windows.ReadFile(s.h, p, &n, &s.io)
	if errors.Is(err, windows.ERROR_IO_PENDING) {
		err = windows.GetOverlappedResult(s.h, &s.io, &n, true)
	}
	s.off += int64(n)
	switch {
	case errors.Is(err, windows.ERROR_HANDLE_EOF) || errors.Is(err, windows.ERROR_BROKEN_PIPE) || err == nil && n == 0:
		return int(n), io.EOF
	case err != nil:
		return int(n), fmt.Errorf("read the file of a handle: %w", err)
	}
	return int(n), nil
}

// keepPosition puts the position of the file, which a read of a handle that is not overlapped moves, back to where it is now.
func (s *Section) keepPosition() (back func()) {
	at, err := windows.Seek(s.h, 0, io.SeekCurrent)
	if err != nil {
		return func() {}
	}
	return func() { _, _ = windows.Seek(s.h, at, io.SeekStart) }
}
