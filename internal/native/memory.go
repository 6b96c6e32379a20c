package native

import (
	"bytes"
	"errors"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
)

// Foreign memory: what an extension's pointers point to. Every function here may fault; inside a [Handler] method and
// under [Protect] that fails the call with ERROR_INVALID_PARAMETER.

// errPointer is the panic value for a pointer that can be seen to be none.
var errPointer = errors.New("bad pointer")

const pageSize = 4096

func ptr(p uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&p)) // the address is no Go object's
}

// checked is p as a pointer to n bytes that do not include the first page and do not run over the end of all addresses.
func checked(p, n uintptr) unsafe.Pointer {
	if p < pageSize || p+n < p {
		panic(errPointer)
	}
	return ptr(p)
}

// Read copies a T out of foreign memory.
func Read[T any](p uintptr) T {
	var v T
	return *(*T)(checked(p, unsafe.Sizeof(v)))
}

// Write stores v in foreign memory.
func Write[T any](p uintptr, v T) { *(*T)(checked(p, unsafe.Sizeof(v))) = v }

// Bytes is the foreign memory [p, p+n), every page of which can be read. It stays valid as long as the extension keeps
// it. n must not be negative; nil for 0.
func Bytes(p uintptr, n int) []byte {
	if n == 0 {
		return nil
	}
	if n < 0 {
		panic(errPointer)
	}
	b := unsafe.Slice((*byte)(checked(p, uintptr(n))), n)
	for i := 0; i < n; i += pageSize {
		peek(&b[i])
	}
	peek(&b[n-1])
	return b
}

//go:noinline
func peek(p *byte) byte { return *p }

// Writable is Bytes for memory that will be written to. It writes to every page, but changes nothing.
func Writable(p uintptr, n int) []byte {
	b := Bytes(p, n)
	for i := 0; i < n; i += pageSize {
		poke(p + uintptr(i))
	}
	if n > 0 {
		poke(p + uintptr(n-1))
	}
	return b
}

// String copies the NUL-terminated text at p, up to limit bytes; a longer one is an ERROR_INVALID_PARAMETER. NULL is "".
func String(p uintptr, limit int) string {
	if p == 0 {
		return ""
	}
	return string(Text(p, limit))
}

// Text is String without the copy, for a look of moments: the extension can change it.
func Text(p uintptr, limit int) []byte {
	for n := 0; n <= limit; {
		at := p + uintptr(n)
		chunk := pageSize - at%pageSize
		b := unsafe.Slice((*byte)(checked(at, chunk-1)), chunk)
		if i := bytes.IndexByte(b, 0); i >= 0 {
			if n += i; n > limit {
				break
			}
			return unsafe.Slice((*byte)(ptr(p)), n)
		}
		n += int(chunk)
	}
	panic(errPointer)
}

// WideString copies the NUL-terminated UTF-16 text at p, up to limit units. NULL is nil.
func WideString(p uintptr, limit int) []uint16 {
	if p == 0 {
		return nil
	}
	var s []uint16
	for {
		c := Read[uint16](p + uintptr(2*len(s)))
		if c == 0 {
			return s
		}
		if s = append(s, c); len(s) > limit {
			panic(errPointer)
		}
	}
}

// Protect runs f, in which foreign memory is touched; a bad pointer makes it return ERROR_INVALID_PARAMETER instead. It is
// for code that runs outside a callback; callbacks have it around them.
func Protect(f func() isapi.Error) isapi.Error {
	if err := guarded(f); err != errFault {
		return err
	}
	return isapi.InvalidParameter
}

// guarded is Protect that answers errFault for a bad pointer.
func guarded(f func() isapi.Error) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return f()
}
