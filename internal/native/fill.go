//go:build windows || (unix && cgo)

package native

import (
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
)

// Texts are the strings of a control block. A NUL inside one ends it for the extension.
type Texts struct {
	Method, QueryString, PathInfo, PathTranslated, ContentType string
}

// Fill makes the control block of a new request. total is cbTotalBytes (0xFFFFFFFF: unknown); data is what
// [Slot.Data] returned, filled, and becomes lpbData with a NUL after it; it may be nil.
func (s *Slot) Fill(t *Texts, total uint32, data []byte) {
	fn := callbacks()
	*s.ecb = isapi.ControlBlock{
		Size: uint32(unsafe.Sizeof(*s.ecb)), Version: isapi.Version, ConnID: s.Addr(),
		HTTPStatusCode: 200, TotalBytes: total, Available: uint32(len(data)),
		GetServerVariable: fn[0], WriteClient: fn[1], ReadClient: fn[2], ServerSupportFunction: fn[3],
	}
	need := len(t.Method) + len(t.QueryString) + len(t.PathInfo) + len(t.PathTranslated) + len(t.ContentType) + 6
	if need > s.size {
		s.size = (need + 511) &^ 511
		freeMem(s.arena)
		if s.arena = unzeroed(s.size); s.arena == nil {
			panic("out of memory")
		}
	}
	mem, pos := unsafe.Slice((*byte)(s.arena), s.size), 0
	put := func(text string) uintptr {
		p := uintptr(s.arena) + uintptr(pos)
		pos += copy(mem[pos:], text)
		mem[pos] = 0
		pos++
		return p
	}
	s.ecb.Method = put(t.Method)
	s.ecb.QueryString = put(t.QueryString)
	s.ecb.PathInfo = put(t.PathInfo)
	s.ecb.PathTranslated = put(t.PathTranslated)
	s.ecb.ContentType = put(t.ContentType)
	if len(data) == 0 {
		s.ecb.Data = put("")
		return
	}
	s.ecb.Data = uintptr(s.data)
	unsafe.Slice((*byte)(s.data), s.cap)[len(data)] = 0
}

// Data returns n bytes of C memory for the read-ahead; there is room for a NUL after them. It belongs to the slot.
func (s *Slot) Data(n int) []byte {
	if s.data == nil || s.cap < n+1 {
		freeBuffer(s.data, s.cap)
		s.data, s.cap = allocBuffer(n + 1)
	}
	return unsafe.Slice((*byte)(s.data), n)
}

// bufferSize holds IIS's read-ahead and its NUL; larger and smaller buffers are not kept.
const bufferSize = 48<<10 + 64

var buffers = make(chan unsafe.Pointer, 64)

func allocBuffer(n int) (unsafe.Pointer, int) {
	if n <= bufferSize && n > 4096 {
		select {
		case p := <-buffers:
			return p, bufferSize
		default:
			n = bufferSize
		}
	}
	p := unzeroed(n)
	if p == nil {
		panic("out of memory")
	}
	return p, n
}

func freeBuffer(p unsafe.Pointer, n int) {
	if p != nil && n == bufferSize {
		select {
		case buffers <- p:
			return
		default:
		}
	}
	freeMem(p)
}
