package filter

// #include "abi.h"
import "C"

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/cgo"
	"strings"
	"sync"
	"unsafe"
)

// Context is a connection, and the request that runs on it, as this filter sees them. It may be used until the function it was
// given to has returned; afterwards it answers [ErrEnded].
type Context struct {
	mu  sync.RWMutex           // read-held during each call into the host, so that end waits for all of them
	pfc *C.HTTP_FILTER_CONTEXT // nil when the notification has ended
}

// Secure tells whether the connection is encrypted.
func (c *Context) Secure() bool {
	secure := false
	_ = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		secure = pfc.fIsSecurePort != 0
		return nil
	})
	return secure
}

// Value is what the filter has stored for this connection with SetValue; nil at first.
func (c *Context) Value() any {
	var v any
	_ = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		if pfc.pFilterContext != 0 {
			v = cgo.Handle(pfc.pFilterContext).Value()
		}
		return nil
	})
	return v
}

// SetValue stores v for this connection, also for its later requests, until the connection ends.
func (c *Context) SetValue(v any) {
	_ = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		forget(pfc)
		pfc.pFilterContext = C.uintptr_t(cgo.NewHandle(v))
		return nil
	})
}

func forget(pfc *C.HTTP_FILTER_CONTEXT) {
	if pfc.pFilterContext != 0 {
		cgo.Handle(pfc.pFilterContext).Delete()
		pfc.pFilterContext = 0
	}
}

// Variable returns a server variable, such as "REMOTE_ADDR". The error wraps an [Errno]: ErrInvalidIndex for a name or header
// that does not exist.
func (c *Context) Variable(name string) (string, error) {
	var value string
	err := c.call(func(pfc *C.HTTP_FILTER_CONTEXT) (err error) {
		value, err = grow(func(buf unsafe.Pointer, size *C.DWORD) C.DWORD {
			return C.filter_variable(pfc, cString(name), buf, size)
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("server variable %q: %w", name, err)
	}
	return value, nil
}

// AddResponseHeader adds a header to the response to come. SendResponse has [Headers] for that.
func (c *Context) AddResponseHeader(name, value string) error {
	return c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		return errnoOf(C.filter_add_response_headers(pfc, cString(name+": "+value+"\r\n")))
	})
}

// AddHeaderOnDenial adds a header to the response if access is denied.
func (c *Context) AddHeaderOnDenial(name, value string) error {
	return c.support(C.SF_REQ_ADD_HEADERS_ON_DENIAL, unsafe.Pointer(cString(name+": "+value+"\r\n")), 0)
}

// Disable shows this filter no more of these events (Event…, or-ed) of the request.
func (c *Context) Disable(events uint32) error {
	return c.support(C.SF_REQ_DISABLE_NOTIFICATIONS, nil, uintptr(events))
}

// SetNextReadSize says how many bytes are to be read before ReadRawData, which is to return [ReadNext] then, is called again.
func (c *Context) SetNextReadSize(n uint32) error {
	return c.support(C.SF_REQ_SET_NEXT_READ_SIZE, nil, uintptr(n))
}

// Respond answers the request with a status from 100 to 599, and gives the Content-Length. What it returns is for the function to
// return: [FinishedKeepConn].
func (c *Context) Respond(status int, header http.Header, body []byte) (Status, error) {
	var head strings.Builder
	err := header.Write(&head)
	if err != nil {
		return Finished, err
	}
	fmt.Fprintf(&head, "Content-Length: %d\r\n\r\n", len(body))
	err = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		return errnoOf(C.filter_send_header(pfc, cString(fmt.Sprintf("%d %s", status, http.StatusText(status))), cString(head.String())))
	})
	if err == nil && len(body) > 0 {
		_, err = c.Write(body)
	}
	return FinishedKeepConn, err
}

// Write sends bytes as they are.
func (c *Context) Write(p []byte) (n int, err error) {
	const most = 1 << 30
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), most)]
		err = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
			size := C.DWORD(len(piece))
			return errnoOf(C.filter_write(pfc, unsafe.Pointer(&piece[0]), &size))
		})
		if err == nil {
			n += len(piece)
			p = p[len(piece):]
		}
	}
	return n, err
}

func (c *Context) support(code C.DWORD, data unsafe.Pointer, ul1 uintptr) error {
	return c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		return errnoOf(C.filter_support(pfc, code, data, C.uintptr_t(ul1)))
	})
}

// alloc is memory of the host's that lives as long as the connection, with b and a NUL in it.
func (c *Context) alloc(b []byte) (p unsafe.Pointer, err error) {
	err = c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		if p = C.filter_alloc(pfc, C.DWORD(len(b)+1)); p == nil {
			return ErrNotEnoughMemory
		}
		mem := unsafe.Slice((*byte)(p), len(b)+1)
		mem[copy(mem, b)] = 0
		return nil
	})
	return p, err
}

// call runs f with the context, which cannot end before f returns.
func (c *Context) call(f func(*C.HTTP_FILTER_CONTEXT) error) error {
	if c == nil {
		return ErrEnded
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.pfc == nil {
		return ErrEnded
	}
	return f(c.pfc)
}

// end waits for calls that other goroutines are in and cuts the connection to the host.
func (c *Context) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pfc = nil
}

// Headers are those of the request, or in SendResponse those of the response. Names are "User-Agent"; "url" (with the query),
// "method" and "version" are the request's, "status" ("200 OK") is the response's.
type Headers struct {
	c *Context
	h *C.HTTP_FILTER_PREPROC_HEADERS
}

// Get returns a header, or false if there is none.
func (h *Headers) Get(name string) (value string, ok bool) {
	err := h.c.call(func(pfc *C.HTTP_FILTER_CONTEXT) (err error) {
		value, err = grow(func(buf unsafe.Pointer, size *C.DWORD) C.DWORD {
			return C.filter_get_header(pfc, h.h, spelled(name), buf, size)
		})
		return err
	})
	return value, err == nil
}

// Set puts one header in place of all of that name.
func (h *Headers) Set(name, value string) error {
	return h.c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		return errnoOf(C.filter_set_header(pfc, h.h, spelled(name), cString(value)))
	})
}

// Add adds one, also when there are some of that name.
func (h *Headers) Add(name, value string) error {
	return h.c.call(func(pfc *C.HTTP_FILTER_CONTEXT) error {
		return errnoOf(C.filter_add_header(pfc, h.h, spelled(name), cString(value)))
	})
}

// Del removes all of that name; there need not be one.
func (h *Headers) Del(name string) error { return h.Set(name, "") }

// spelled is a name as the host wants it.
func spelled(name string) *C.char {
	switch name {
	case "url", "method", "version", "status":
		return cString(name)
	}
	return cString(strings.TrimSuffix(name, ":") + ":")
}

// grow asks again with a larger buffer as long as the host names a larger size than it was offered.
func grow(get func(buf unsafe.Pointer, size *C.DWORD) C.DWORD) (string, error) {
	buf := make([]byte, 256)
	for {
		size := C.DWORD(len(buf))
		err := errnoOf(get(unsafe.Pointer(&buf[0]), &size))
		if errors.Is(err, ErrInsufficientBuffer) && int(size) > len(buf) {
			buf = make([]byte, size)
			continue
		}
		if err != nil {
			return "", err
		}
		text, _, _ := strings.Cut(string(buf[:min(int(size), len(buf))]), "\x00")
		return text, nil
	}
}

func errnoOf(code C.DWORD) error {
	if code == 0 {
		return nil
	}
	return Errno(code)
}

// cString returns s with a NUL behind it, in Go memory: good for the length of one call.
func cString(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(append([]byte(s), 0))))
}
