//go:build unix && cgo

package native

// #include <stdlib.h>
// #include <string.h>
// #include "native.h"
import "C"

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
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
// [Slot.Release]. Slots are never freed, and a released one is used again only after slotQuarantine others, so that
// an extension that keeps a ConnID for too long is told so instead of reaching another request.
type Slot struct {
	ecb   *isapi.ControlBlock
	arena unsafe.Pointer
	size  int
	data  unsafe.Pointer // read-ahead; from the buffer pool
	cap   int

	handler atomic.Pointer[handlerRef]
	ref     handlerRef
}

// handlerRef counts the callbacks that are inside a handler.
type handlerRef struct {
	Handler
	state   atomic.Int64 // callbacks inside; closedBit when no more may enter; waitBit when Detach waits for the last
	drained chan struct{}
}

const (
	slotSize       = 256 // at least sizeof(EXTENSION_CONTROL_BLOCK), a multiple of the cache line
	slabSlots      = 1024
	slotQuarantine = 1024
	closedBit      = 1 << 40
	waitBit        = 1 << 41
)

// slots is the table of all there are. Slabs only grow.
var slots struct {
	slabs atomic.Pointer[[]slab]
	mu    sync.Mutex // guards free and head
	free  []*Slot    // a ring would save moving; appending and cutting is enough here
}

type slab struct {
	base  uintptr
	slots []Slot
}

// NewSlot takes a slot whose callbacks go to h.
func NewSlot(h Handler) *Slot {
	slots.mu.Lock()
	if len(slots.free) <= slotQuarantine {
		grow()
	}
	s := slots.free[0]
	slots.free = slots.free[1:]
	slots.mu.Unlock()
	s.ref.Handler = h
	s.ref.state.Add(-closedBit) // not 0: a late caller of the last request may be on its way out
	s.handler.Store(&s.ref)
	return s
}

func grow() {
	base := C.calloc(slabSlots, slotSize)
	if base == nil {
		panic("out of memory")
	}
	sl := slab{base: uintptr(base), slots: make([]Slot, slabSlots)}
	for i := range sl.slots {
		sl.slots[i].ref.state.Store(closedBit)
		sl.slots[i].ecb = (*isapi.ControlBlock)(unsafe.Add(base, i*slotSize))
		slots.free = append(slots.free, &sl.slots[i])
	}
	var all []slab
	if p := slots.slabs.Load(); p != nil {
		all = append(all, *p...)
	}
	all = append(all, sl)
	slots.slabs.Store(&all)
}

// find returns the slot at an address an extension gave, or nil.
func find(conn uintptr) *Slot {
	p := slots.slabs.Load()
	if p == nil {
		return nil
	}
	for i := range *p {
		sl := &(*p)[i]
		if off := conn - sl.base; off < slabSlots*slotSize && off%slotSize == 0 {
			return &sl.slots[off/slotSize]
		}
	}
	return nil
}

// enter finds the request behind a ConnID and keeps it alive until leave. It is nil for a ConnID that is none, or no more.
func enter(conn uintptr) *handlerRef {
	s := find(conn)
	if s == nil {
		return nil
	}
	r := s.handler.Load()
	if r == nil {
		return nil
	}
	if r.state.Add(1)&closedBit != 0 {
		r.leave()
		return nil
	}
	return r
}

func (r *handlerRef) leave() {
	if r.state.Add(-1) == closedBit|waitBit && r.state.CompareAndSwap(closedBit|waitBit, closedBit) {
		close(r.drained)
	}
}

// Detach lets no more callbacks in and waits for those that are inside their handler. After it the request's Go side is
// free to go away.
func (s *Slot) Detach() {
	r := s.handler.Swap(nil)
	if r == nil {
		return
	}
	if r.state.CompareAndSwap(0, closedBit) {
		return
	}
	r.drained = make(chan struct{})
	r.state.Add(closedBit + waitBit + 1) // one inside is Detach itself, so that somebody leaves last
	r.leave()
	<-r.drained
}

// Release gives the slot back, detached. What the ECB pointed to may be gone from then on.
func (s *Slot) Release() {
	s.Detach()
	s.ref.Handler = nil
	if s.data != nil {
		freeBuffer(s.data, s.cap)
		s.data, s.cap = nil, 0
	}
	slots.mu.Lock()
	slots.free = append(slots.free, s)
	slots.mu.Unlock()
}

// Addr is the address of the ECB, which is its ConnID too.
func (s *Slot) Addr() uintptr { return uintptr(unsafe.Pointer(s.ecb)) }

// ECB is the control block, for reading what the extension left in it.
func (s *Slot) ECB() *isapi.ControlBlock { return s.ecb }
