package native

import (
	"sync"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/trace"
)

// The callbacks, by their numbers: four of extensions, nine of filters. Each is a piece of assembly that calls callbackInGo with an entry.
const (
	extensionCallbacks = 4
	filterCallbackEnds = 13
)

// callbackAddresses writes the addresses of all.
func callbackAddresses(to *[filterCallbackEnds]uintptr)

// callbackInGo is onCallback as foreign code calls it.
var callbackInGo uintptr

var callbackTable = sync.OnceValue(func() (fn [filterCallbackEnds]uintptr) {
	callbackInGo = windows.NewCallback(onCallback)
	callbackAddresses(&fn)
	return fn
})

func callbacks() [extensionCallbacks]uintptr {
	fn := callbackTable()
	return [extensionCallbacks]uintptr(fn[:extensionCallbacks])
}

func filterCallbacks() [filterCallbackEnds - extensionCallbacks]uintptr {
	fn := callbackTable()
	return [filterCallbackEnds - extensionCallbacks]uintptr(fn[extensionCallbacks:])
}

// callbackFuncs says of each callback what it is, and does it: the answer as [result] packs it, and what is returned if it is TRUE.
var callbackFuncs = [filterCallbackEnds]struct {
	what  trace.Func
	coded bool // the second argument is a code
	call  func(a *[5]uintptr) (r uint64, ret uintptr)
}{
	{trace.GetServerVariable, false, func(a *[5]uintptr) (uint64, uintptr) { return onGetServerVariable(a[0], a[1], a[2], a[3]), 1 }},
	{trace.WriteClient, false, func(a *[5]uintptr) (uint64, uintptr) { return onWriteClient(a[0], a[1], a[2], uint32(a[3])), 1 }},
	{trace.ReadClient, false, func(a *[5]uintptr) (uint64, uintptr) { return onReadClient(a[0], a[1], a[2]), 1 }},
	{trace.ServerSupportFunction, true, func(a *[5]uintptr) (uint64, uintptr) {
		return onServerSupportFunction(a[0], uint32(a[1]), a[2], a[3], a[4]), 1
	}},
	{trace.FilterGetServerVariable, false, func(a *[5]uintptr) (uint64, uintptr) { return onFilterGetServerVariable(a[0], a[1], a[2], a[3]), 1 }},
	{trace.FilterAddResponseHeaders, false, func(a *[5]uintptr) (uint64, uintptr) { return onAddResponseHeaders(a[0], a[1], uint32(a[2])), 1 }},
	{trace.FilterWriteClient, false, func(a *[5]uintptr) (uint64, uintptr) { return onFilterWriteClient(a[0], a[1], a[2], uint32(a[3])), 1 }},
	{trace.FilterAllocMem, false, func(a *[5]uintptr) (uint64, uintptr) {
		p, r := onAllocMem(a[0], uint32(a[1]))
		return r, p
	}},
	{trace.FilterServerSupportFunction, true, func(a *[5]uintptr) (uint64, uintptr) {
		return onFilterServerSupportFunction(a[0], uint32(a[1]), a[2], a[3], a[4]), 1
	}},
	{trace.FilterGetHeader, false, func(a *[5]uintptr) (uint64, uintptr) { return onGetHeader(a[0], a[1], a[2], a[3]), 1 }},
	{trace.FilterSetHeader, false, func(a *[5]uintptr) (uint64, uintptr) { return onSetHeader(a[0], a[1], a[2]), 1 }},
	{trace.FilterAddHeader, false, func(a *[5]uintptr) (uint64, uintptr) { return onAddHeader(a[0], a[1], a[2]), 1 }},
	{trace.FilterGetUserToken, false, func(a *[5]uintptr) (uint64, uintptr) { return onGetUserToken(a[0], a[1]), 1 }},
}

const insufficientBuffer = 122 // what a size was asked for with leaves no error

// onCallback is every callback.
func onCallback(e *entry) uintptr {
	f := &callbackFuncs[e.index]
	var code uint32
	if f.coded {
		code = uint32(e.args[1])
	}
	p := enterCall(f.what, code, e.args[0], 0)
	var guard *frame
	if p.thread != nil { // what a callback does in Go is no guarded code
		guard, p.thread.guard = p.thread.guard, nil
	}
	r, ret := f.call(&e.args)
	failed, err := r>>32 == 0, uint32(r)
	p.leave(callDone, failed, err)
	if p.thread != nil {
		if p.thread.found != nil && p.thread.depth == p.depth+1 {
			p.thread.tellCaller(e)
		}
		p.thread.guard = guard
	}
	switch {
	case failed:
		e.err = uintptr(err)
		return 0
	case e.err == insufficientBuffer:
		e.err = 0
	}
	return ret
}

// tellCaller gives the stack of the code that called back to those who asked for it.
func (t *thread) tellCaller(e *entry) {
	found := t.found
	t.found = nil
	stack := callers.symbolize(e.stack())
	for _, f := range found {
		f(stack)
	}
}
