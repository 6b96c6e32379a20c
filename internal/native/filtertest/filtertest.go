// Package filtertest is a small host for filters, for the tests of the SDK: it calls a real library, and answers its callbacks
// from maps.
package filtertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// Filter is a loaded filter.
type Filter struct {
	t         testing.TB
	lib       *native.Library
	proc      uintptr
	terminate func()

	Version isapi.FilterVersion // what GetFilterVersion answered
}

// Open loads a copy of a library and calls GetFilterVersion, which must accept. The end of the test calls TerminateFilter and unloads.
func Open(t testing.TB, image string) *Filter {
	t.Helper()
	code, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(image)) // code that stays loaded is not loaded again
	if err := os.WriteFile(copied, code, 0o700); err != nil {
		t.Fatal(err)
	}
	lib, err := native.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	f := &Filter{t: t, lib: lib, proc: lib.Lookup("HttpFilterProc")}
	f.terminate = sync.OnceFunc(func() {
		if terminate := lib.Lookup("TerminateFilter"); terminate != 0 { // it may be missing
			if ok, err := native.TerminateFilter(terminate, 0, 0); !ok || err != nil {
				t.Errorf("TerminateFilter: %t, %v", ok, err)
			}
		}
		if _, err := lib.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(f.terminate)
	v, ok, errno, err := native.GetFilterVersion(lib.Lookup("GetFilterVersion"), 0)
	if !ok || err != nil {
		t.Fatalf("GetFilterVersion: %t with %v, %v", ok, errno, err)
	}
	f.Version = v
	return f
}

// Close is what the end of the test does.
func (f *Filter) Close() { f.terminate() }

// Description is the text that the filter introduced itself with.
func (f *Filter) Description() string {
	text, _, _ := strings.Cut(string(f.Version.Desc[:]), "\x00")
	return text
}

// Connection is one the filter has a context for. Its fields are what callbacks are answered with.
type Connection struct {
	filter  *Filter
	context *native.FilterContext
	ended   bool

	Mem native.Memory // of what notifications point to

	mu        sync.Mutex
	Variables map[string]string
	Headers   map[string]string // by lower-case names, with the colon
	Errors    map[string]isapi.Error
	Calls     []string // what the filter asked for, but for what only reads
}

// Connect begins a connection; the end of the test ends it.
func (f *Filter) Connect(secure bool) *Connection {
	c := &Connection{filter: f, Variables: map[string]string{}, Headers: map[string]string{}, Errors: map[string]isapi.Error{}}
	c.context = native.NewFilterContext(c)
	if secure {
		c.context.Struct().IsSecurePort = 1
	}
	f.t.Cleanup(c.End)
	return c
}

// End tells the filter so.
func (c *Connection) End() {
	if c.ended {
		return
	}
	c.ended = true
	c.Notify(isapi.NotifyEndOfNetSession, 0)
	c.context.Release()
	c.Mem.Free()
}

// Notify has the filter see an event, if it has registered for it: else the status is that of a filter with nothing to say. A
// fault fails the test.
func (c *Connection) Notify(event uint32, pv uintptr) (status uint32, errno isapi.Error) {
	c.filter.t.Helper()
	if c.filter.Version.Flags&event == 0 {
		return isapi.FilterNextNotification, isapi.OK
	}
	status, errno, err := native.HTTPFilterProc(c.filter.proc, c.context, event, pv)
	if err != nil {
		c.filter.t.Errorf("%v: %v", isapi.Notification(event), err)
	}
	return status, errno
}

// Put stores a structure for a notification.
func Put[T any](c *Connection, v T) uintptr {
	p := c.Mem.Alloc(int(unsafe.Sizeof(v)))
	native.Write(p, v)
	return p
}

// Buffer is C memory of n bytes that begins with a text.
func (c *Connection) Buffer(text string, n int) uintptr {
	p := c.Mem.Alloc(n)
	copy(native.Bytes(p, n), text)
	return p
}

// HeaderEvent notifies of PREPROC_HEADERS or SEND_RESPONSE.
func (c *Connection) HeaderEvent(event uint32) (status uint32, errno isapi.Error) {
	c.filter.t.Helper()
	get, set, add, _ := native.FilterHeaderFuncs()
	return c.Notify(event, Put(c, isapi.FilterPreprocHeaders{GetHeader: get, SetHeader: set, AddHeader: add, HTTPStatus: 200}))
}

// AuthComplete notifies of that, and answers what is left of the structure.
func (c *Connection) AuthComplete() (info isapi.FilterAuthComplete, status uint32) {
	c.filter.t.Helper()
	get, set, add, token := native.FilterHeaderFuncs()
	p := Put(c, isapi.FilterAuthComplete{GetHeader: get, SetHeader: set, AddHeader: add, GetUserToken: token, HTTPStatus: 200})
	status, _ = c.Notify(isapi.NotifyAuthComplete, p)
	return native.Read[isapi.FilterAuthComplete](p), status
}

// Took answers what the filter asked for since the last time, a line each.
func (c *Connection) Took() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := strings.Join(c.Calls, "\n")
	c.Calls = nil
	return calls
}

func (c *Connection) call(name, format string, args ...any) isapi.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Calls = append(c.Calls, name+" "+fmt.Sprintf(format, args...))
	return c.Errors[name]
}

// answer is what GetServerVariable and GetHeader have in common.
func (c *Connection) answer(from map[string]string, name string, buf, size uintptr) isapi.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := from[name]
	if !ok {
		return isapi.InvalidIndex
	}
	room := native.Read[uint32](size)
	native.Write(size, uint32(len(value)+1))
	if int(room) < len(value)+1 {
		return isapi.InsufficientBuffer
	}
	copy(native.Writable(buf, len(value)+1), value+"\x00")
	return isapi.OK
}

// The callbacks.

func (c *Connection) GetServerVariable(name, buf, size uintptr) isapi.Error {
	return c.answer(c.Variables, native.String(name, 1000), buf, size)
}

func (c *Connection) GetHeader(name, buf, size uintptr) isapi.Error {
	return c.answer(c.Headers, strings.ToLower(native.String(name, 1000)), buf, size)
}

func (c *Connection) SetHeader(name, value uintptr) isapi.Error {
	return c.call("SetHeader", "%s %s", native.String(name, 1000), native.String(value, 1<<20))
}

func (c *Connection) AddHeader(name, value uintptr) isapi.Error {
	return c.call("AddHeader", "%s %s", native.String(name, 1000), native.String(value, 1<<20))
}

func (c *Connection) AddResponseHeaders(text, _ uintptr) isapi.Error {
	return c.call("AddResponseHeaders", "%q", native.String(text, 1<<20))
}

func (c *Connection) WriteClient(buf, size uintptr, _ uint32) isapi.Error {
	return c.call("WriteClient", "%s", native.Bytes(buf, int(native.Read[uint32](size))))
}

func (c *Connection) AllocMem(size uint32) uintptr {
	if c.Errors["AllocMem"] != isapi.OK {
		return 0
	}
	return c.Mem.Alloc(int(size))
}

func (c *Connection) ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) isapi.Error {
	switch code {
	case isapi.SFSendResponseHeader:
		return c.call(code.String(), "%s %q", native.String(data, 1000), native.String(ul1, 1<<20))
	case isapi.SFAddHeadersOnDenial:
		return c.call(code.String(), "%q", native.String(data, 1<<20))
	case isapi.SFDisableNotifications:
		return c.call(code.String(), "%v", isapi.Notification(ul1))
	case isapi.SFGetProperty:
		native.Write(data, uint32(7))
		return isapi.OK
	default:
		return c.call(code.String(), "%#x %#x", ul1, ul2)
	}
}

func (c *Connection) GetUserToken(token uintptr) isapi.Error {
	return isapi.NoToken
}
