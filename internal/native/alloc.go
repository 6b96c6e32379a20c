//go:build windows || (unix && cgo)

package native

import (
	"math"
	"sync"
	"unsafe"
)

// Memory is C memory that lives as long as its owner: what AllocMem hands out, and the structures of notifications. The zero
// Memory is empty and can be used; it must not be copied. Methods may be called at the same time, but what was allocated is gone
// after Free, whoever uses it.
type Memory struct {
	Limit int // bytes of all that is allocated together, rounded up to 16 each; 0: no limit

	mu     sync.Mutex
	used   int // of Limit
	chunk  unsafe.Pointer
	next   int              // the first byte of chunk that is free
	others []unsafe.Pointer // full chunks
	large  []unsafe.Pointer // blocks with memory of their own
}

const (
	chunkSize = 4096
	largeSize = 1024 // from here on a block is one of its own
)

// chunks keeps some that nobody uses: most memory is a few hundred bytes for the time of a request.
var chunks = make(chan unsafe.Pointer, 256)

// Alloc answers n zero bytes, aligned for everything, or 0 if there are none, or no more within the limit. None is one byte.
func (m *Memory) Alloc(n int) uintptr {
	if n < 0 || n > math.MaxInt-15 || uint64(n) > 1<<32 {
		return 0
	}
	n = (max(n, 1) + 15) &^ 15
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Limit > 0 && n > m.Limit-m.used {
		return 0
	}
	if n >= largeSize {
		p := zeroed(n)
		if p == nil {
			return 0
		}
		m.used += n
		m.large = append(m.large, p)
		return uintptr(p)
	}
	if m.chunk == nil || m.next+n > chunkSize {
		p := takeChunk()
		if p == nil {
			return 0
		}
		if m.chunk != nil {
			m.others = append(m.others, m.chunk)
		}
		m.chunk, m.next = p, 0
	}
	p := uintptr(m.chunk) + uintptr(m.next)
	m.next += n
	m.used += n
	clear(unsafe.Slice((*byte)(ptr(p)), n))
	return p
}

// CString is s and a NUL, which ends the text earlier if s has one inside. 0 if there is no memory.
func (m *Memory) CString(s string) uintptr {
	p := m.Alloc(len(s) + 1)
	if p != 0 {
		copy(unsafe.Slice((*byte)(ptr(p)), len(s)), s)
	}
	return p
}

// Free gives all back; the Memory is empty then and can be used again.
func (m *Memory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset()
	if m.chunk != nil {
		giveChunk(m.chunk)
	}
	m.chunk = nil
}

// Reset is Free for a Memory that will be used again soon, as that of a connection is: it keeps a little.
func (m *Memory) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset()
}

// reset gives all back but the chunk.
func (m *Memory) reset() {
	for _, p := range m.large {
		freeMem(p)
	}
	for _, p := range m.others {
		giveChunk(p)
	}
	m.next, m.used = 0, 0
	m.others, m.large = nil, nil
}

func takeChunk() unsafe.Pointer {
	select {
	case p := <-chunks:
		return p
	default:
		return unzeroed(chunkSize)
	}
}

func giveChunk(p unsafe.Pointer) {
	select {
	case chunks <- p:
	default:
		freeMem(p)
	}
}
