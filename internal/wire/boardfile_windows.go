package wire

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/trace"
)

// MapBoardFile is the memory of a board that is a file, for as long as this process lives: see [FrontHello.Board].
func MapBoardFile(path string) (mem []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != trace.BoardSize {
		return nil, fmt.Errorf("%s is no board: %w", path, os.ErrInvalid)
	}
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READWRITE, 0, 0, nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateFileMapping", err)
	}
	defer windows.CloseHandle(h) // the view keeps it
	at, err := windows.MapViewOfFile(h, windows.FILE_MAP_WRITE, 0, 0, trace.BoardSize)
	if err != nil {
		return nil, os.NewSyscallError("MapViewOfFile", err)
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), trace.BoardSize), nil
}
