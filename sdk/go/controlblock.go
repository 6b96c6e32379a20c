package isapi

// #include "abi.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"
)

// ControlBlock is a request as the host knows it. Its methods may be called from any goroutine until the handler
// returns; afterwards they return [ErrEnded].
type ControlBlock struct {
	mu  sync.RWMutex               // read-held during each call into the host, so that end waits for all of them
	ecb *C.EXTENSION_CONTROL_BLOCK // nil when the request has ended
}

type contextKey struct{}

// FromContext returns the control block of a request. For a context that is not of one it returns nil, whose methods
// return [ErrEnded], so that handlers also run outside a host, as in tests.
func FromContext(ctx context.Context) *ControlBlock {
	c, _ := ctx.Value(contextKey{}).(*ControlBlock)
	return c
}

// ServerVariable returns a variable of the request or the server, such as "APPL_PHYSICAL_PATH" or "HTTP_COOKIE". The
// name's case does not matter. The error wraps an [Errno]: ErrInvalidIndex for a name or header that does not exist.
func (c *ControlBlock) ServerVariable(name string) (string, error) {
	var value string
	err := c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		var err error
		value, err = readVariable(ecb, name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("server variable %q: %w", name, err)
	}
	return value, nil
}

// variable is ServerVariable for callers to whom a missing variable is an empty one.
func (c *ControlBlock) variable(name string) string {
	v, _ := c.ServerVariable(name)
	return v
}

// readVariable asks again with a larger buffer as long as the host names a larger size than it was offered.
func readVariable(ecb *C.EXTENSION_CONTROL_BLOCK, name string) (string, error) {
	cname := cString(name)
	buf := make([]byte, 256)
	for {
		size := C.DWORD(len(buf))
		err := errnoOf(C.isapi_variable(ecb, cname, unsafe.Pointer(&buf[0]), &size))
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

// AppendLog adds text to the query field of this request's line in the server's log.
func (c *ControlBlock) AppendLog(text string) error {
	err := c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		size := C.DWORD(len(text))
		return errnoOf(C.isapi_support(ecb, C.HSE_APPEND_LOG_PARAMETER, unsafe.Pointer(cString(text)), &size))
	})
	if err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	return nil
}

// Count adds delta, which is not negative, to a counter of the extension's own. Operators find it among the metrics of the server as
// isapid_ext_<name>_total. labels are pairs of name and value, four at most; a counter has the same names of labels each time. It fails on
// servers that are not isapid, and beyond the limits, which the guide for authors tells.
func (c *ControlBlock) Count(name string, delta float64, labels ...string) error {
	err := errors.New("labels are not at most four pairs of name and value")
	if len(labels)%2 == 0 && len(labels) <= 8 && !strings.ContainsRune(strings.Join(labels, ""), 0) {
		err = c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
			return errnoOf(C.isapi_count(ecb, cString(name), C.double(delta), cString(strings.Join(labels, "\x00")), C.DWORD(len(labels)/2)))
		})
	}
	if err != nil {
		return fmt.Errorf("count %q: %w", name, err)
	}
	return nil
}

// MapPath returns the physical path of a URL path on this site. The path need not exist.
func (c *ControlBlock) MapPath(urlPath string) (string, error) {
	var path string
	err := c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		var err error
		path, err = mapPath(ecb, urlPath)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("map URL path %q: %w", urlPath, err)
	}
	return path, nil
}

// mapPath hands the URL over in the buffer that the answer comes back in.
func mapPath(ecb *C.EXTENSION_CONTROL_BLOCK, urlPath string) (string, error) {
	const longest = 1 << 16
	for n := len(urlPath) + 1024; ; n *= 4 {
		buf := make([]byte, n)
		copy(buf, urlPath)
		size := C.DWORD(n)
		err := errnoOf(C.isapi_support(ecb, C.HSE_REQ_MAP_URL_TO_PATH, unsafe.Pointer(&buf[0]), &size))
		if errors.Is(err, ErrInsufficientBuffer) && n < longest {
			continue
		}
		if err != nil {
			return "", err
		}
		path, _, _ := strings.Cut(string(buf), "\x00")
		return path, nil
	}
}

// call runs f with the control block, which cannot end before f returns.
func (c *ControlBlock) call(f func(*C.EXTENSION_CONTROL_BLOCK) error) error {
	if c == nil {
		return ErrEnded
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.ecb == nil {
		return ErrEnded
	}
	return f(c.ecb)
}

// end waits for calls that other goroutines are in and cuts the connection to the host.
func (c *ControlBlock) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ecb = nil
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
