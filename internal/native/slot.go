//go:build windows || (unix && cgo)

package native

import (
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// Handler is the Go side of one request's callbacks. Methods are called from any thread, several at a time; OK means
// TRUE, anything else FALSE with that last error. Arguments are the extension's and untrusted: see memory.go.
type Handler interface {
	GetServerVariable(name, buf, size uintptr) isapi.Error
	WriteClient(buf, size uintptr, flags uint32) isapi.Error
	ReadClient(buf, size uintptr) isapi.Error
	ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) isapi.Error
}

// Slot is an EXTENSION_CONTROL_BLOCK in C memory with the texts it points to. Get one with [NewSlot], give it back with
// [Slot.Release]. Slots are never freed, and a released one is used again only after quarantine others, so that an extension
// that keeps a ConnID for too long is told so instead of reaching another request.
type Slot struct {
	ecb   *isapi.ControlBlock
	mark  *mark
	arena unsafe.Pointer
	size  int
	data  unsafe.Pointer // read-ahead; from the buffer pool
	cap   int

	gate[Handler]
}

var slots = table[Slot]{made: func(s *Slot, mem unsafe.Pointer, m *mark) {
	s.ecb, s.mark = (*isapi.ControlBlock)(mem), m
}}

// NewSlot takes a slot whose callbacks go to h.
func NewSlot(h Handler) *Slot {
	s := slots.take()
	s.open(h)
	return s
}

// enter finds the request behind the ConnID of a callback and keeps it alive until leave. It is nil for a ConnID that is none, or no
// more, which is misuse.
func enter(conn uintptr, f trace.Func, code uint32) *Slot {
	s := slots.find(conn)
	switch {
	case s == nil:
		misused(NoHandle, f, code, nil)
	case s.enter():
		return s
	default:
		misused(EndedBlock, f, code, s.mark)
	}
	return nil
}

// Mark says for the board which request the slot is about (0: not known), and whose: the number of the image in the process. It lasts
// until the next Mark, which whoever takes the slot next owes, so that a call that comes too late is still known.
func (s *Slot) Mark(request, image uint64) { s.mark.set(request, image) }

// Detach lets no more callbacks in and waits for those that are inside their handler. After it the request's Go side is
// free to go away.
func (s *Slot) Detach() { s.close() }

// Release gives the slot back, detached. What the ECB pointed to may be gone from then on.
func (s *Slot) Release() {
	s.Detach()
	s.handler = nil
	if s.data != nil {
		freeBuffer(s.data, s.cap)
		s.data, s.cap = nil, 0
	}
	slots.put(s)
}

// Addr is the address of the ECB, which is its ConnID too.
func (s *Slot) Addr() uintptr { return uintptr(unsafe.Pointer(s.ecb)) }

// ECB is the control block, for reading what the extension left in it.
func (s *Slot) ECB() *isapi.ControlBlock { return s.ecb }
