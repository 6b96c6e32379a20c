//go:build windows || (unix && cgo)

package native

import (
	"bytes"
	"math"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// TestMemoryIsZeroAndApart: what is allocated is zero, aligned and nobody else's, also when it was somebody's before.
func TestMemoryIsZeroAndApart(t *testing.T) {
	var m Memory
	for _, end := range []func(){m.Free, m.Reset, m.Reset, m.Free} {
		type block struct {
			b    []byte
			fill byte
		}
		var blocks []block
		for i, n := range []int{1, 15, 16, 17, 100, largeSize - 1, largeSize, chunkSize, 1 << 20, 0, 900, 900, 900, 900, 900} {
			p := m.Alloc(n)
			if p == 0 || p%(2*unsafe.Sizeof(p)) != 0 { // as malloc has it
				t.Fatalf("%d bytes are at %#x", n, p)
			}
			b := Bytes(p, n)
			if len(bytes.Trim(b, "\x00")) != 0 {
				t.Fatalf("%d bytes are not zero", n)
			}
			for j := range b {
				b[j] = byte(i + 1)
			}
			blocks = append(blocks, block{b, byte(i + 1)})
		}
		for _, bl := range blocks {
			if bytes.Count(bl.b, []byte{bl.fill}) != len(bl.b) {
				t.Fatalf("%d bytes were overwritten", len(bl.b))
			}
		}
		end()
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, size := range []int{16, 1000, 5000} {
		m := Memory{Limit: 64 << 10}
		for range 2 { // Free gives the limit back
			total := 0
			for m.Alloc(size) != 0 {
				if total += size; total > m.Limit {
					t.Fatalf("%d bytes with a limit of %d", total, m.Limit)
				}
			}
			if total < m.Limit-m.Limit/8 {
				t.Errorf("in pieces of %d: %d bytes with a limit of %d", size, total, m.Limit)
			}
			m.Free()
		}
	}
	m := Memory{Limit: 1 << 20}
	for _, n := range []int{-1, 1<<20 + 1, math.MaxInt32, math.MaxInt} {
		if p := m.Alloc(n); p != 0 {
			t.Errorf("Alloc(%d) is %#x, want none", n, p)
		}
	}
	m.Free()
	m.Free()
}

func TestMemoryCString(t *testing.T) {
	var m Memory
	defer m.Free()
	for _, s := range []string{"", "a", strings.Repeat("x", largeSize)} {
		if got := String(m.CString(s), 1<<20); got != s {
			t.Errorf("%q came as %q", s, got)
		}
	}
	if got := String(m.CString("a\x00b"), 10); got != "a" {
		t.Errorf("a text with a NUL came as %q", got)
	}
	m.Free()
	m.Limit = 64
	if p := m.CString(strings.Repeat("x", 64)); p != 0 {
		t.Error("a text beyond the limit was stored")
	}
}

func TestMemoryAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	m := Memory{Limit: 100 << 20}
	for i := range 4 {
		wg.Go(func() {
			for n := range 2000 {
				text := strings.Repeat(string(rune('a'+i)), n)
				if got := String(m.CString(text), 1<<20); got != text {
					t.Errorf("a text of %d bytes came otherwise", n)
				}
			}
		})
	}
	wg.Wait()
	m.Free()
}

func BenchmarkMemory(b *testing.B) {
	var m Memory
	defer m.Free()
	b.ReportAllocs()
	for b.Loop() {
		m.CString("GET")
		m.CString("/index.html")
		m.Alloc(72)
		m.Reset()
	}
}
