//go:build !windows && (!unix || !cgo)

package native

import (
	"errors"
	"runtime"

	"github.com/isapid/isapid/internal/isapi"
)

// This build has no way to call a library: a Unix without cgo, or a system whose boundary is not written yet. Open says so,
// and nothing else is ever reached.

var errUnsupported = errors.New("this build of isapid cannot load extensions on " + runtime.GOOS + ": it needs a Unix system and cgo")

// Library is a loaded image.
type Library struct{}

// Open says that this build cannot.
func Open(string, ...string) (*Library, error) { return nil, errUnsupported }

// GuardLost has no guard to lose.
func GuardLost() []string { return nil }

// EndAtLibcAbort has no aborts to tell apart.
func EndAtLibcAbort() {}

// Lookup finds nothing.
func (*Library) Lookup(...string) uintptr { return 0 }

// Close has nothing to do.
func (*Library) Close() (unloaded bool, err error) { return true, nil }

// Handler is the Go side of one request's callbacks.
type Handler interface {
	GetServerVariable(name, buf, size uintptr) isapi.Error
	WriteClient(buf, size uintptr, flags uint32) isapi.Error
	ReadClient(buf, size uintptr) isapi.Error
	ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) isapi.Error
}

// Slot is a control block.
type Slot struct{ ecb isapi.ControlBlock }

// Texts are the strings of a control block.
type Texts struct {
	Method, QueryString, PathInfo, PathTranslated, ContentType string
}

func NewSlot(Handler) *Slot { return &Slot{} }

func (s *Slot) Fill(*Texts, uint32, []byte) {}
func (s *Slot) Data(n int) []byte           { return make([]byte, n) }
func (s *Slot) ECB() *isapi.ControlBlock    { return &s.ecb }
func (s *Slot) Mark(request, image uint64)  {}
func (s *Slot) Detach()                     {}
func (s *Slot) Release()                    {}

func GetExtensionVersion(uintptr, uint64) (info isapi.VersionInfo, ok bool, errno isapi.Error, err error) {
	return info, false, 0, errUnsupported
}
func TerminateExtension(uintptr, uint32, uint64) (bool, error)    { return false, errUnsupported }
func DllMain(uintptr, uint32, uint64) (bool, error)               { return false, errUnsupported }
func Complete(uintptr, *Slot, uintptr, uint32, uint32) error      { return errUnsupported }
func HTTPExtensionProc(uintptr, *Slot) (status uint32, err error) { return 0, errUnsupported }
func ForeignFaults() *Fault                                       { return nil }

// UseBoard has no use for one.
func UseBoard([]byte) error { return nil }

// Board is an empty one.
func Board() []byte { return nil }

// OnMisuse has nothing to tell.
func OnMisuse(func(Misuse)) {}

// AtCaller has no callers.
func AtCaller(func(stack []Frame)) {}

// FilterContext is an HTTP_FILTER_CONTEXT.
type FilterContext struct{ c isapi.FilterContext }

func NewFilterContext(FilterHandler) *FilterContext { return &FilterContext{} }

func (c *FilterContext) Struct() *isapi.FilterContext { return &c.c }
func (c *FilterContext) Addr() uintptr                { return 0 }
func (c *FilterContext) Mark(request, image uint64)   {}
func (c *FilterContext) Detach()                      {}
func (c *FilterContext) Release()                     {}

func GetFilterVersion(uintptr, uint64) (info isapi.FilterVersion, ok bool, errno isapi.Error, err error) {
	return info, false, 0, errUnsupported
}
func HTTPFilterProc(uintptr, *FilterContext, uint32, uintptr) (status uint32, errno isapi.Error, err error) {
	return 0, 0, errUnsupported
}

// FilterCalls are calls of filters.
type FilterCalls struct{}

// MostFilterCalls is how many there can be.
const MostFilterCalls = 1

func FilterCallsAt(uintptr) *FilterCalls              { return &FilterCalls{} }
func (*FilterCalls) Set(int, uintptr, *FilterContext) {}
func (*FilterCalls) CalledBack(*FilterContext) bool   { return false }
func (*FilterCalls) Call(int, uint32, uintptr, uintptr, int) (last int, back bool, status uint32, errno isapi.Error, err error) {
	return 0, false, 0, 0, errUnsupported
}

func TerminateFilter(uintptr, uint32, uint64) (bool, error) { return false, errUnsupported }
func FilterHeaderFuncs() (get, set, add, token uintptr)     { return 0, 0, 0, 0 }

// Memory has none to give.
type Memory struct{ Limit int }

func (*Memory) Alloc(int) uintptr      { return 0 }
func (*Memory) CString(string) uintptr { return 0 }
func (*Memory) Free()                  {}
func (*Memory) Reset()                 {}

// Thread is an OS thread of ours.
type Thread struct{}

// StartThread says that this build cannot.
func StartThread(int, func()) (*Thread, error) { return nil, errUnsupported }

// Join has nothing to wait for.
func (*Thread) Join() {}

// LibraryThread is a thread that a library made.
type LibraryThread struct {
	ID    int
	Image uint64
	Start Frame
}

// LibraryThreads are none.
func LibraryThreads() []LibraryThread { return nil }
