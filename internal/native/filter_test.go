//go:build windows || (unix && cgo)

package native

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

// order is what the fixture filter_calls takes as its notification.
type order struct {
	what          [32]byte
	headers       isapi.FilterAuthComplete
	with          uintptr
	a, b          uintptr
	status, error uint32
	returned      uint32
}

// recorder answers every callback with err, and writes them down.
type recorder struct {
	err   isapi.Error
	mem   uintptr // what AllocMem answers
	write func(buf, size uintptr) isapi.Error

	mu    sync.Mutex
	calls []string
}

func (r *recorder) call(format string, args ...any) isapi.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.err
}

func (r *recorder) GetServerVariable(name, buf, size uintptr) isapi.Error {
	return r.call("GetServerVariable %s %t %d", String(name, 100), buf == size, Read[uint32](size))
}

func (r *recorder) AddResponseHeaders(text, reserved uintptr) isapi.Error {
	return r.call("AddResponseHeaders %s %d", String(text, 100), reserved)
}

func (r *recorder) WriteClient(buf, size uintptr, reserved uint32) isapi.Error {
	if r.write != nil {
		return r.write(buf, size)
	}
	return r.call("WriteClient %t %d %d", buf == size, Read[uint32](size), reserved)
}

func (r *recorder) AllocMem(size uint32) uintptr {
	_ = r.call("AllocMem %d", size)
	return r.mem
}

func (r *recorder) ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) isapi.Error {
	return r.call("ServerSupportFunction %v %t %#x %#x", code, data == r.mem, ul1, ul2)
}

func (r *recorder) GetHeader(name, buf, size uintptr) isapi.Error {
	return r.call("GetHeader %s %t %d", String(name, 100), buf == size, Read[uint32](size))
}

func (r *recorder) SetHeader(name, value uintptr) isapi.Error {
	return r.call("SetHeader %s %s", String(name, 100), String(value, 100))
}

func (r *recorder) AddHeader(name, value uintptr) isapi.Error {
	return r.call("AddHeader %s %s", String(name, 100), String(value, 100))
}

func (r *recorder) GetUserToken(token uintptr) isapi.Error {
	return r.call("GetUserToken %t", token != 0)
}

// caller has the filter of filter_calls with a context of r's.
type caller struct {
	*testing.T
	proc    uintptr
	context *FilterContext
	mem     Memory
}

func newCaller(t *testing.T, r *recorder) *caller {
	t.Helper()
	l := open(t, staged(t, testext.Fixture(t, "filter_calls"), "filter.so"))
	c := &caller{T: t, proc: l.Lookup("HttpFilterProc"), context: NewFilterContext(r)}
	if r.mem == 0 {
		r.mem = c.context.Addr()
	}
	t.Cleanup(func() {
		c.context.Release()
		c.mem.Free()
		if unloaded, err := l.Close(); !unloaded || err != nil {
			t.Errorf("close: unloaded %t, %v", unloaded, err)
		}
	})
	return c
}

// do has the filter do o, and answers what came of it, where the order lies too.
func (c *caller) do(what string, o order) (returned uint32, status uint32, errno isapi.Error, err error) {
	c.Helper()
	p := c.mem.Alloc(int(unsafe.Sizeof(o)))
	if p == 0 {
		c.Fatal("no memory")
	}
	copy(o.what[:], what)
	h := &o.headers
	h.GetHeader, h.SetHeader, h.AddHeader, h.GetUserToken = FilterHeaderFuncs()
	Write(p, o)
	status, errno, err = HTTPFilterProc(c.proc, c.context, isapi.NotifyAuthComplete, p)
	return Read[order](p).returned, status, errno, err
}

// want has the filter do o; it must return that, without a fault.
func (c *caller) want(want uint32, what string, o order) {
	c.Helper()
	if returned, _, _, err := c.do(what, o); returned != want || err != nil {
		c.Errorf("%s: %#x, %v; want %#x", what, returned, err, want)
	}
}

func TestFilterExports(t *testing.T) {
	l := open(t, staged(t, testext.Fixture(t, "filter_calls"), "filter.so"))
	defer l.Close()
	for range 3 { // the structure is zero each time
		v, ok, errno, err := GetFilterVersion(l.Lookup("GetFilterVersion"), 0)
		if !ok || errno != isapi.AccessDenied || err != nil || v.ServerFilterVersion != isapi.FilterRevision || v.FilterVersion != isapi.FilterRevision ||
			v.Flags != isapi.NotifyLog|isapi.NotifyOrderHigh || !strings.HasPrefix(string(v.Desc[:]), "does as told\x00") {
			t.Errorf("GetFilterVersion: %t, %v, %v, %+v", ok, errno, err, v)
		}
	}
	for flags, want := range map[uint32]bool{0: true, 1: false} {
		if ok, err := TerminateFilter(l.Lookup("TerminateFilter"), flags, 0); ok != want || err != nil {
			t.Errorf("TerminateFilter(%d): %t, %v", flags, ok, err)
		}
	}
}

// TestFilterVersionRefused: FALSE comes with its reason, and a fault is one.
func TestFilterVersionRefused(t *testing.T) {
	l := open(t, staged(t, testext.Source(t, `#include <httpfilt.h>
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) { (void)v; SetLastError(1150); return FALSE; }
BOOL WINAPI TerminateFilter(DWORD flags) { *(volatile DWORD *)8 = flags; return TRUE; }
`), "refuses.so"))
	defer l.Close()
	if _, ok, errno, err := GetFilterVersion(l.Lookup("GetFilterVersion"), 0); ok || errno != 1150 || err != nil {
		t.Errorf("GetFilterVersion: %t, %v, %v; want FALSE with 1150", ok, errno, err)
	}
	var f *Fault
	if _, err := TerminateFilter(l.Lookup("TerminateFilter"), 0, 0); !errors.As(err, &f) || f.Signal != segv {
		t.Errorf("TerminateFilter: %v, want a fault", err)
	}
}

// TestFilterStatus: status and error come as the filter left them, and no error of before passes for its own.
func TestFilterStatus(t *testing.T) {
	c := newCaller(t, &recorder{})
	for _, w := range []struct{ status, error uint32 }{
		{isapi.FilterNextNotification, 0}, {isapi.FilterError, 5}, {isapi.FilterError, 1<<31 - 1}, {isapi.FilterNextNotification, 0},
		{0, 122}, {^uint32(0), 0},
	} {
		if _, status, errno, err := c.do("", order{status: w.status, error: w.error}); status != w.status || uint32(errno) != w.error || err != nil {
			t.Errorf("%#x with error %d came as %#x with %d, %v", w.status, w.error, status, errno, err)
		}
	}
	if status, errno, err := HTTPFilterProc(c.proc, c.context, isapi.NotifyEndOfRequest, 0); status != isapi.NotifyEndOfRequest || errno != 0 || err != nil {
		t.Errorf("notification without a structure: %#x, %d, %v", status, errno, err)
	}
}

// TestFilterCallbacks: every argument arrives, as wide as it was given.
func TestFilterCallbacks(t *testing.T) {
	r := &recorder{}
	newCaller(t, r).want(0, "every call", order{})
	want := []string{
		"GetServerVariable variable true 77",
		"AddResponseHeaders text 7",
		"WriteClient true 77 8",
		"AllocMem 99",
		"ServerSupportFunction SF_REQ_DISABLE_NOTIFICATIONS true 0xffffffffffffffff 0x8000000000000000",
		"GetHeader get: true 77",
		"SetHeader set: new",
		"AddHeader add: more",
		"GetUserToken true",
	}
	if unsafe.Sizeof(uintptr(0)) == 4 {
		want[4] = "ServerSupportFunction SF_REQ_DISABLE_NOTIFICATIONS true 0xffffffff 0x80000000"
	}
	if got := strings.Join(r.calls, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("callbacks:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestFilterContext(t *testing.T) {
	r := &recorder{}
	c := NewFilterContext(r)
	s := c.Struct()
	if s.Size != uint32(unsafe.Sizeof(*s)) || s.Revision != isapi.FilterRevision || s.ServerContext != c.Addr() || s.FilterContext != 0 || s.IsSecurePort != 0 {
		t.Errorf("a new context is %+v", s)
	}
	s.FilterContext, s.IsSecurePort = 4711, 1
	c.Release()
	for range quarantine + 1 { // until it comes again
		c = NewFilterContext(r)
		if s := c.Struct(); s.FilterContext != 0 || s.IsSecurePort != 0 {
			t.Fatal("a new context has what an earlier one was left with")
		}
		c.Release()
	}
}

// TestFilterErrno: a call that succeeds leaves errno alone (but for "buffer too small", which it has made good), one that fails
// has its own there.
func TestFilterErrno(t *testing.T) {
	r := &recorder{}
	c := newCaller(t, r)
	c.want(0, "errno", order{a: 0, b: 0})
	c.want(0, "errno", order{a: 4711, b: 4711})
	c.want(0, "errno", order{a: 122, b: 0})
	r.err, r.mem = isapi.InvalidIndex, 0
	const allocMem = 1 << 3 // has no error of its handler's
	c.want(allocMem, "errno", order{a: 4711, b: uintptr(isapi.InvalidIndex)})
	c.want(0x1ff&^allocMem, "errno", order{a: 4711, b: uintptr(isapi.NotEnoughMemory)})
}

// TestFilterContextsThatAreNone: every callback answers those with ERROR_INVALID_PARAMETER.
func TestFilterContextsThatAreNone(t *testing.T) {
	r := &recorder{}
	c := newCaller(t, r)
	stale := NewFilterContext(r)
	detached := NewFilterContext(r)
	stale.Release()
	detached.Detach()
	defer detached.Release()
	slot := NewSlot(silent{}) // of an extension
	defer slot.Release()
	for _, with := range []uintptr{1, 8, pageSize, c.context.Addr() + 8, c.context.Addr() - 1, ^uintptr(0), notAddress, stale.Addr(), detached.Addr(), slot.Addr()} {
		c.want(0, "errno", order{with: with, a: 4711, b: uintptr(isapi.InvalidParameter)})
	}
	if len(r.calls) != 0 {
		t.Errorf("handlers were called: %q", r.calls)
	}
}

// TestManyFilterContexts: each of many has its own handler, wherever its memory came from.
func TestManyFilterContexts(t *testing.T) {
	const n = 20_000
	contexts := make([]*FilterContext, n)
	recorders := make([]recorder, n)
	for i := range contexts {
		contexts[i] = NewFilterContext(&recorders[i])
	}
	for i, c := range contexts {
		found := enterFilter(c.Addr(), trace.FilterWriteClient, 0)
		if found == nil || found.handler != &recorders[i] {
			t.Fatalf("context %d of %d has another handler", i, n)
		}
		found.leave()
	}
	for _, c := range contexts {
		c.Release()
	}
}

// TestFilterFaults: each comes back as one of its call, the next call works, and so does a callback that was given nonsense.
func TestFilterFaults(t *testing.T) {
	r := &recorder{}
	c := newCaller(t, r)
	for range 50 {
		for what, want := range map[string]string{"segv": segv, "abort": aborted, "exit": "exit(3)"} {
			_, _, _, err := c.do(what, order{})
			var f *Fault
			if !errors.As(err, &f) || f.Signal+f.Exit != want || !strings.Contains(f.StackText(), "HttpFilterProc") {
				t.Fatalf("%s: %v, want %s in HttpFilterProc", what, err, want)
			}
		}
		c.want(0, "every call", order{})
		r.calls = nil
	}
	var fault *Fault
	if _, _, err := HTTPFilterProc(0x10, c.context, isapi.NotifyLog, 0); !errors.As(err, &fault) {
		t.Errorf("a call to nowhere: %v, want a fault", err)
	}
}

func TestFilterCallbackFaults(t *testing.T) {
	ro, size := pages(t, false)
	r := &recorder{write: func(buf, size uintptr) isapi.Error {
		n := Read[uint32](size)
		if sum := len(string(Bytes(buf, int(n)))); sum != int(n) {
			return isapi.WriteFault
		}
		Write(size, n)
		return isapi.OK
	}}
	c := newCaller(t, r)
	good := c.mem.Alloc(64)
	Write(good, uint32(16))
	for _, w := range []struct {
		buf, size uintptr
		want      isapi.Error
	}{
		{good, good, isapi.OK},
		{good, 0, isapi.InvalidParameter},
		{0, good, isapi.InvalidParameter},
		{good, ro, isapi.InvalidParameter},
		{ro + size - 8, good, isapi.InvalidParameter},
		{good, ^uintptr(0) - 1, isapi.InvalidParameter},
		{notAddress, good, isapi.InvalidParameter},
		{good, good, isapi.OK},
	} {
		c.want(uint32(w.want), "write", order{a: w.buf, b: w.size})
	}
}

// TestNestedNotification: a callback may bring the next notification of the same context; a fault in it is its own.
func TestNestedNotification(t *testing.T) {
	r := &recorder{}
	c := newCaller(t, r)
	var inner error
	r.write = func(uintptr, uintptr) isapi.Error {
		r.write = nil
		if _, status, errno, err := c.do("", order{status: 7, error: 9}); status != 7 || errno != 9 || err != nil {
			t.Errorf("nested call: %d, %d, %v", status, errno, err)
		}
		_, _, _, inner = c.do("segv", order{})
		return isapi.NoData
	}
	returned, status, errno, err := c.do("write", order{status: 3, error: 4})
	if returned != uint32(isapi.NoData) || status != 3 || errno != 4 || err != nil {
		t.Errorf("the outer call: %d, %d, %d, %v", returned, status, errno, err)
	}
	var f *Fault
	if !errors.As(inner, &f) {
		t.Errorf("the inner fault: %v", inner)
	}
}

// TestFilterPanics: a defect of ours in a callback fails the call.
func TestFilterPanics(t *testing.T) {
	r := &recorder{write: func(uintptr, uintptr) isapi.Error { panic(errPointer) }}
	newCaller(t, r).want(uint32(isapi.InvalidParameter), "write", order{})
}

func TestFilterThreadsAndForks(t *testing.T) {
	c := newCaller(t, &recorder{})
	c.want(1, "thread", order{})
	if runtime.GOOS == "windows" {
		return
	}
	c.want(42, "fork", order{})
	c.want(127, "return from fork", order{}) // the child did not go on as a server
}

// TestFiltersAtOnce has many connections come and go, each with callbacks of its own, and some with those of others.
func TestFiltersAtOnce(t *testing.T) {
	c := newCaller(t, &recorder{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				r := &recorder{}
				mine := &caller{T: t, proc: c.proc, context: NewFilterContext(r)}
				r.mem = mine.context.Addr()
				stale := mine.context.Addr()
				mine.want(0, "every call", order{})
				if len(r.calls) != 9 {
					t.Errorf("%d callbacks, want 9", len(r.calls))
				}
				if i%50 == 0 {
					if _, _, _, err := mine.do("segv", order{}); err == nil {
						t.Error("no fault")
					}
				}
				mine.context.Release()
				mine.mem.Free()
				if i%100 == 0 { // not yet anybody's, or another's: never a crash
					_, _, _, err := (&caller{T: t, proc: c.proc, context: c.context}).do("thread", order{})
					if err != nil {
						t.Error(err)
					}
					if late := enterFilter(stale, trace.FilterWriteClient, 0); late != nil {
						late.leave()
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkHTTPFilterProc(b *testing.B) {
	l, err := Open(testext.Source(b, "#include <httpfilt.h>\n"+
		"DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD n, VOID *v) { (void)c, (void)n, (void)v; return SF_STATUS_REQ_NEXT_NOTIFICATION; }\n"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c := NewFilterContext(&recorder{})
	defer c.Release()
	proc := l.Lookup("HttpFilterProc")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := HTTPFilterProc(proc, c, isapi.NotifyEndOfRequest, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// quiet is a handler that does nothing.
type quiet struct{ recorder }

func (*quiet) AddResponseHeaders(text, reserved uintptr) isapi.Error { return isapi.OK }

// BenchmarkFilterCallback is a call that makes 100 callbacks; divide.
func BenchmarkFilterCallback(b *testing.B) {
	l, err := Open(testext.Source(b, "#include <httpfilt.h>\n"+
		"DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD n, VOID *v) {\n"+
		"(void)v; for (n = 0; n < 100; n++) c->AddResponseHeaders(c, 0, 0); return n; }\n"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c := NewFilterContext(&quiet{})
	defer c.Release()
	proc := l.Lookup("HttpFilterProc")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := HTTPFilterProc(proc, c, isapi.NotifyEndOfRequest, 0); err != nil {
			b.Fatal(err)
		}
	}
}
