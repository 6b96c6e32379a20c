//go:build windows || (unix && cgo)

package native

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
)

func fill(p uintptr, text string) { copy(unsafe.Slice((*byte)(ptr(p)), len(text)), text) }

// notAddress is 0x41 in all bytes.
const notAddress = ^uintptr(0) / 0xff * 0x41

// TestMemory touches memory at the borders of what is mapped: what lies inside works, one byte beyond is refused.
func TestMemory(t *testing.T) {
	var looked uint64 // or the compiler leaves a read out
	p, size := pages(t, true)
	end := p + size
	ro, _ := pages(t, false)
	fill(end-8, "1234567\x00")
	fill(p+pageSize-4, strings.Repeat("x", 8)+"\x00")
	for _, c := range []struct {
		name string
		f    func()
		ok   bool
	}{
		{"read the last 4 bytes", func() { looked += uint64(Read[uint32](end - 4)) }, true},
		{"read over the end", func() { looked += uint64(Read[uint32](end - 3)) }, false},
		{"read misaligned", func() { looked += uint64(Read[uint64](p + 3)) }, true},
		{"read NULL", func() { looked += uint64(Read[uint32](0)) }, false},
		{"read in the first page", func() { looked += uint64(Read[uint32](8)) }, false},
		{"read at the end of all addresses", func() { looked += uint64(Read[uint32](^uintptr(0))) }, false},
		{"read what is no address", func() { looked += uint64(Read[uint32](notAddress)) }, false},
		{"write the last 4 bytes", func() { Write[uint32](end-12, 1) }, true},
		{"write over the end", func() { Write[uint32](end-3, 1) }, false},
		{"write to read-only memory", func() { Write[uint32](ro, 1) }, false},
		{"bytes of all", func() { Bytes(p, int(size)) }, true},
		{"bytes of one more", func() { Bytes(p, int(size)+1) }, false},
		{"bytes before", func() { Bytes(p-1, 2) }, false},
		{"none of NULL", func() { Bytes(0, 0) }, true},
		{"a negative number", func() { Bytes(p, -1) }, false},
		{"more than there are addresses", func() { Bytes(p, int(^uint(0)>>2)) }, false},
		{"writable all", func() { Writable(p, int(size)) }, true},
		{"writable misaligned to the end", func() { Writable(p+1, int(size)-1) }, true},
		{"writable one more", func() { Writable(p+1, int(size)) }, false},
		{"writable read-only", func() { Writable(ro, 1) }, false},
		{"readable read-only", func() { Bytes(ro, 1) }, true},
		{"string to the last byte", func() { wantText(t, String(end-8, 100), "1234567") }, true},
		{"string of exactly the limit", func() { wantText(t, String(end-8, 7), "1234567") }, true},
		{"string longer than the limit", func() { String(end-8, 6) }, false},
		{"string over a page border", func() { wantText(t, String(p+pageSize-4, 100), "xxxxxxxx") }, true},
		{"NULL string", func() { wantText(t, String(0, 100), "") }, true},
		{"wide NULL string", func() { WideString(0, 100) }, true},
	} {
		err := Protect(func() isapi.Error { c.f(); return isapi.OK })
		if ok := err == isapi.OK; ok != c.ok {
			t.Errorf("%s: error %d, want ok %t", c.name, err, c.ok)
		}
	}
	fill(p, strings.Repeat("y", int(size)))
	for name, f := range map[string]func(){
		"string that no NUL ends":      func() { String(p, 1<<20) },
		"wide string that no NUL ends": func() { WideString(p, 1<<20) },
	} {
		if err := Protect(func() isapi.Error { f(); return isapi.OK }); err != isapi.InvalidParameter {
			t.Errorf("%s: error %d, want %d", name, err, isapi.InvalidParameter)
		}
	}
	if got := Bytes(p, int(size)); string(got) != strings.Repeat("y", int(size)) {
		t.Error("what was only looked at has changed")
	}
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestGoFaultsStayGoPanics: with the guard installed, a nil pointer in Go code is the panic it always was.
func TestGoFaultsStayGoPanics(t *testing.T) {
	installGuard()
	for range 1000 {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "nil pointer") {
					t.Fatalf("recovered %v, want a nil pointer dereference", err)
				}
			}()
			var p *[4]int
			p[len(t.Name())%4]++
		}()
	}
}
