//go:build unix

package wire

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/trace"
)

// MapBoardFile is the memory of a board that is a file, for as long as this process lives: see [FrontHello.Board].
func MapBoardFile(path string) (mem []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != trace.BoardSize {
		return nil, fmt.Errorf("%s is no board: %w", path, os.ErrInvalid)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if e := raw.Control(func(fd uintptr) {
		mem, err = unix.Mmap(int(fd), 0, trace.BoardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}); e != nil {
		return nil, e
	}
	return mem, os.NewSyscallError("mmap", err)
}
