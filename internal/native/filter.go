//go:build windows || (unix && cgo)

package native

import (
	"sync/atomic"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// FilterContext is an HTTP_FILTER_CONTEXT in C memory. Like a [Slot] it is found by its address only, never freed, and used
// again only after quarantine others: callbacks with one that was released, or that never was, are answered FALSE with
// ERROR_INVALID_PARAMETER.
type FilterContext struct {
	c    *isapi.FilterContext
	mark *mark
	gate[FilterHandler]
}

var contexts = table[FilterContext]{made: func(c *FilterContext, mem unsafe.Pointer, m *mark) {
	c.c, c.mark = (*isapi.FilterContext)(mem), m
}}

// NewFilterContext takes a context whose callbacks go to h, with everything set but fIsSecurePort and pFilterContext. The
// caller must call Release.
func NewFilterContext(h FilterHandler) *FilterContext {
	c, fn := contexts.take(), filterCallbacks()
	*c.c = isapi.FilterContext{
		Size: uint32(unsafe.Sizeof(*c.c)), Revision: isapi.FilterRevision, ServerContext: c.Addr(),
		GetServerVariable: fn[0], AddResponseHeaders: fn[1], WriteClient: fn[2], AllocMem: fn[3], ServerSupportFunction: fn[4],
	}
	c.open(h)
	return c
}

// FilterHeaderFuncs are the callbacks that stand in the structures of notifications.
func FilterHeaderFuncs() (get, set, add, token uintptr) {
	fn := filterCallbacks()
	return fn[5], fn[6], fn[7], fn[8]
}

// Struct is the structure the filter sees, and may have written to. It must not be touched after Release.
func (c *FilterContext) Struct() *isapi.FilterContext { return c.c }

// Addr is the address of the structure: the pfc of HttpFilterProc.
func (c *FilterContext) Addr() uintptr { return uintptr(unsafe.Pointer(c.c)) }

// Mark says for the board which request calls are about from now on (0: none), and whose they are: the number of the image in the
// process. It lasts until the next Mark, so that a call that comes too late is still known.
func (c *FilterContext) Mark(request, image uint64) { c.mark.set(request, image) }

// Detach lets no more callbacks in and waits for those that are inside their handler. After it the Go side is free to go away.
func (c *FilterContext) Detach() { c.close() }

// Release gives the context back, detached.
func (c *FilterContext) Release() {
	c.Detach()
	c.handler = nil
	contexts.put(c)
}

// enterFilter finds the context a callback names and keeps its handler alive until leave. It is nil for one that is none, or
// no more, which is misuse.
func enterFilter(context uintptr, f trace.Func, code uint32) *FilterContext {
	c := contexts.find(context)
	switch {
	case c == nil:
		misused(NoHandle, f, code, nil)
	case c.enter():
		return c
	default:
		misused(EndedBlock, f, code, c.mark)
	}
	return nil
}

// GetFilterVersion calls the export with a structure of zeroes but for this server's revision. ok is what it returned, errno
// what it left; err is a *Fault.
func GetFilterVersion(fn uintptr, image uint64) (info isapi.FilterVersion, ok bool, errno isapi.Error, err error) {
	var m Memory
	defer m.Free()
	p := m.Alloc(int(unsafe.Sizeof(info)))
	if p == 0 {
		return info, false, isapi.NotEnoughMemory, nil
	}
	Write(p, isapi.FilterVersion{ServerFilterVersion: isapi.FilterRevision})
	ret, e, err := call(trace.GetFilterVersion, image, callPointer, fn, p)
	return Read[isapi.FilterVersion](p), ret != 0, isapi.Error(e), err
}

// HTTPFilterProc calls the export for one notification (an isapi.Notify… bit) with its structure at pv, or 0 where it has
// none. errno is what it left, for isapi.FilterError; err is a *Fault, and status is nothing then.
func HTTPFilterProc(fn uintptr, c *FilterContext, notification uint32, pv uintptr) (status uint32, errno isapi.Error, err error) {
	return filterProc(fn, c.Addr(), notification, pv)
}

// MostFilterCalls is how many filters can be called in one go.
const MostFilterCalls = 8

// FilterCalls are calls of HttpFilterProc in one go, where one way into C is enough for all: that takes longer than what most filters
// do. They lie in memory of C; see [FilterCallsAt].
type FilterCalls struct {
	inside        uintptr // context of the filter that is in its call and has not called back
	proc, context [MostFilterCalls]uintptr
}

// FilterCallsAt are calls in C memory, zeroed and of the size of FilterCalls.
func FilterCallsAt(p uintptr) *FilterCalls { return (*FilterCalls)(ptr(p)) }

// Set sets one of them, from 0: the filter with that export is to be called with c.
func (f *FilterCalls) Set(i int, fn uintptr, c *FilterContext) {
	f.proc[i], f.context[i] = fn, c.Addr()
}

// calledBack is added to a context that has called back.
const calledBack = 1

// CalledBack notes that the filter of c has called back; it is false when that is not in its call. It may be called from any thread.
func (f *FilterCalls) CalledBack(c *FilterContext) bool {
	return atomic.LoadUintptr(&f.inside) == c.Addr()|calledBack || atomic.CompareAndSwapUintptr(&f.inside, c.Addr(), c.Addr()|calledBack)
}

// Call makes n of them, one after the other, as [HTTPFilterProc] does. It ends early with a filter that calls back, has a fault, returns
// something else than isapi.FilterNextNotification, or leaves other bytes at pv than there are at kept, of which size are looked at;
// it may end earlier. last is the one it ended with, back whether that has called back; the rest is of its call.
func (f *FilterCalls) Call(n int, notification uint32, pv, kept uintptr, size int) (last int, back bool, status uint32, errno isapi.Error, err error) {
	atomic.StoreUintptr(&f.inside, f.context[0])
	last, status, errno, err = filterProcs(f, n, notification, pv, kept, size)
	return last, atomic.SwapUintptr(&f.inside, 0) != f.context[last], status, errno, err
}

// TerminateFilter calls the export. Its flags have no meaning that anybody wrote down; 0 is what to give.
func TerminateFilter(fn uintptr, flags uint32, image uint64) (ok bool, err error) {
	ret, _, err := call(trace.TerminateFilter, image, callDword, fn, uintptr(flags))
	return ret != 0, err
}
