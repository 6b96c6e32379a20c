//go:build windows || (unix && cgo)

package native

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// table keeps the Go side of structures in C memory, to be found again by the address of the structure and by nothing else:
// what is looked up is somebody else's word. Structures are never freed, and one that was put back is taken again only after
// quarantine others, so that code that keeps an address for too long is told so instead of reaching somebody else's.
type table[T any] struct {
	// made is called once for each structure there will be, with its memory, cellSize zero bytes, and its mark.
	made func(*T, unsafe.Pointer, *mark)

	slabs atomic.Pointer[[]slab[T]]
	mu    sync.Mutex // guards free
	free  []*T       // a ring would save moving; appending and cutting is enough here
}

type slab[T any] struct {
	base  uintptr
	items []T
}

const (
	cellSize   = 256 // at least the structure's, a multiple of the cache line
	slabCells  = 1024
	quarantine = 1024
)

func (t *table[T]) take() *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) <= quarantine {
		t.grow()
	}
	item := t.free[0]
	t.free = t.free[1:]
	return item
}

func (t *table[T]) put(item *T) {
	t.mu.Lock()
	t.free = append(t.free, item)
	t.mu.Unlock()
}

// grow adds as many as there are, so that there are few slabs to search.
func (t *table[T]) grow() {
	var all []slab[T]
	n := 0
	if p := t.slabs.Load(); p != nil {
		all = append(all, *p...)
	}
	for _, sl := range all {
		n += len(sl.items)
	}
	n = max(n, slabCells)
	base, marks := zeroed(n*cellSize), zeroed(n*int(unsafe.Sizeof(mark{})))
	if base == nil || marks == nil {
		panic("out of memory")
	}
	sl := slab[T]{base: uintptr(base), items: make([]T, n)}
	for i := range sl.items {
		t.made(&sl.items[i], unsafe.Add(base, i*cellSize), (*mark)(unsafe.Add(marks, i*int(unsafe.Sizeof(mark{})))))
		t.free = append(t.free, &sl.items[i])
	}
	all = append(all, sl)
	t.slabs.Store(&all)
	tellCells(sl.base, n*cellSize, marks)
}

// find answers what has its structure at that address, or nil.
func (t *table[T]) find(addr uintptr) *T {
	p := t.slabs.Load()
	if p == nil {
		return nil
	}
	for i := range *p {
		sl := &(*p)[i]
		if off := addr - sl.base; off < uintptr(len(sl.items))*cellSize && off%cellSize == 0 {
			return &sl.items[off/cellSize]
		}
	}
	return nil
}
