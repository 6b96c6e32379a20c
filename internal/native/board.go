//go:build windows || (unix && cgo)

package native

import (
	"errors"
	"slices"
	"unsafe"

	"github.com/isapid/isapid/internal/trace"
)

// UseBoard has the board (see [trace.ReadBoard]) be in mem from now on, [trace.BoardSize] zero bytes that are no memory of Go's and stay
// for the life of the process. It comes before the first call of an image; without it the board is in memory of its own.
func UseBoard(mem []byte) error {
	if len(mem) < trace.BoardSize || uintptr(unsafe.Pointer(&mem[0]))%pageSize != 0 {
		return errors.New("memory that is no place for a board")
	}
	if !useBoard(uintptr(unsafe.Pointer(&mem[0]))) {
		return errors.New("images have been called already")
	}
	return nil
}

// Board is a copy of the board, for [trace.ReadBoard].
func Board() []byte {
	b := unsafe.Slice((*byte)(ptr(boardAt())), trace.BoardSize)
	return slices.Clone(b[:trace.BoardPart(b)])
}

// mark is what calls are about that name a control block or a filter context; who writes the board reads it.
type mark struct{ request, image uint64 }

// set is two plain stores: who reads meanwhile may read the one before.
func (m *mark) set(request, image uint64) { m.request, m.image = request, image }
