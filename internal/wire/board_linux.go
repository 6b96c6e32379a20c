package wire

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/trace"
)

// boardSeals keep the size of a board, and the seals themselves.
const boardSeals = firmSeals | unix.F_SEAL_SEAL

// NewBoard makes the memory of a board, [trace.BoardSize] bytes, in a file for [Link.GiveBoard]. Only the worker maps it: the front reads
// the file, which cannot fail for what a worker does to the memory. Pages that nobody writes cost nothing.
func NewBoard() (*os.File, error) {
	f, err := newMemory("board", trace.BoardSize)
	if err != nil {
		return nil, err
	}
	if err := addSeals(f, boardSeals); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// MapBoard is the memory of a board that came with BOARD, for as long as this process lives. What is no board is a broken rule.
func MapBoard(f *os.File) (mem []byte, err error) {
	if err := checkMemory(f, "board", boardSeals, trace.BoardSize); err != nil {
		return nil, err
	}
	err = control(f, "mmap", func(fd int) (err error) {
		mem, err = unix.Mmap(fd, 0, trace.BoardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	return mem, err
}
