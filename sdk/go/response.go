package isapi

// #include "abi.h"
import "C"

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"unsafe"
)

// bufferSize is how much of the body is collected before it is handed to the host.
const bufferSize = 4096

// response is the [http.ResponseWriter] of one request. The header goes to the host with the first bytes of the
// body, so that a short response can be given its length.
type response struct {
	c      *ControlBlock
	cancel context.CancelCauseFunc // of the request's context
	head   bool                    // the request was a HEAD
	header http.Header             // the handler's

	status  int         // 0 until WriteHeader
	final   http.Header // copy of header at WriteHeader
	length  int64       // announced by the handler, or -1
	written int64       // by the handler, body forbidden or not
	sent    bool        // header is with the host
	flush   bool        // the host was told not to collect
	buf     []byte
	err     error // first failure of a call into the host; sticky
}

func newResponse(c *ControlBlock, cancel context.CancelCauseFunc, head bool) *response {
	return &response{c: c, cancel: cancel, head: head, header: make(http.Header), length: -1}
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter]. Informational statuses are ignored: ISAPI cannot send them.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("isapi: invalid status %d", status))
	}
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	w.final = w.header.Clone()
	if text := w.final.Get("Content-Length"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			w.final.Del("Content-Length")
			return
		}
		w.length = n
	}
}

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return 0, w.err
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if len(w.buf)+len(p) <= bufferSize {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	if len(w.buf) > 0 {
		if err := w.send(); err != nil {
			return 0, err
		}
	}
	if len(p) <= bufferSize {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	return w.pass(p)
}

// pass hands p on without collecting it.
func (w *response) pass(p []byte) (int, error) {
	if err := w.sendHeader(p); err != nil {
		return 0, err
	}
	if err := w.writeClient(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was collected and tells the host to hold nothing back from now on; see
// [http.ResponseController.Flush].
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.flush && w.err == nil {
		w.flush = true
		// A host that does not know the code (it came with IIS 7) holds nothing back.
		_ = w.c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error { return errnoOf(C.isapi_set_flush(ecb)) })
	}
	return w.send()
}

// finish ends the response after the handler has returned. It reports whether the host got all that was announced.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.sent && w.length < 0 && bodyAllowed(w.status) && (w.written > 0 || !w.head) {
		w.final.Set("Content-Length", strconv.FormatInt(w.written, 10))
		w.length = w.written
	}
	if w.send() != nil {
		return false
	}
	return w.head || !bodyAllowed(w.status) || w.length < 0 || w.written == w.length
}

// send sends the header, if that has not been done, and what was collected.
func (w *response) send() error {
	if err := w.sendHeader(w.buf); err != nil {
		return err
	}
	err := w.writeClient(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *response) writeClient(p []byte) error {
	if w.head || len(p) == 0 || w.err != nil {
		return w.err
	}
	return w.check(w.c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		for len(p) > 0 {
			n := C.DWORD(min(len(p), math.MaxInt32))
			if err := errnoOf(C.isapi_write(ecb, unsafe.Pointer(&p[0]), &n)); err != nil {
				return err
			}
			if n == 0 || int(n) > len(p) {
				return fmt.Errorf("host took %d of %d bytes", n, len(p))
			}
			p = p[n:]
		}
		return nil
	}))
}

// check keeps the first failure and lets the request's context know of it.
func (w *response) check(err error) error {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write response: %w", err)
		w.cancel(w.err)
	}
	return w.err
}
