package isapi

// #include "abi.h"
import "C"

import (
	"bytes"
	"net/http"
	"strconv"
	"unsafe"
)

// sendHeader sends the header once; start is the beginning of the body, from which a missing type is guessed.
func (w *response) sendHeader(start []byte) error {
	if w.sent || w.err != nil {
		return w.err
	}
	w.sent = true
	w.guessType(start)
	status := append(strconv.AppendInt(nil, int64(w.status), 10), ' ')
	status = append(append(status, http.StatusText(w.status)...), 0)
	block := headerBlock(w.final)
	keep := C.ISAPI_BOOL(1)
	if w.final.Get("Connection") == "close" {
		keep = 0
	}
	return w.check(w.c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		ecb.dwHttpStatusCode = C.DWORD(w.status)
		return errnoOf(C.isapi_send_header(ecb, (*C.char)(unsafe.Pointer(&status[0])), C.DWORD(len(status)-1),
			(*C.char)(unsafe.Pointer(&block[0])), C.DWORD(len(block)-1), keep))
	}))
}

func (w *response) guessType(start []byte) {
	_, set := w.final["Content-Type"]
	if !set && len(start) > 0 && w.final.Get("Content-Encoding") == "" {
		w.final.Set("Content-Type", http.DetectContentType(start))
	}
}

var notSent = map[string]bool{"Transfer-Encoding": true, "Trailer": true}

// headerBlock returns h as text with the empty line and a NUL behind it. Framing is the host's, trailers it has none.
func headerBlock(h http.Header) []byte {
	var b bytes.Buffer
	_ = h.WriteSubset(&b, notSent) // a Buffer does not fail
	b.WriteString("\r\n")
	block := b.Bytes()
	for i, c := range block {
		if c == 0 {
			block[i] = ' ' // would end the block early
		}
	}
	return append(block, 0)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
