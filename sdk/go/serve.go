package isapi

// #include "abi.h"
import "C"

import (
	"context"
	"errors"
	"log"
	"net/http"
	"runtime/debug"
)

// serve runs one request on the calling thread. It reports whether the response is complete.
func serve(c *ControlBlock, h http.Handler) (complete bool) {
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), contextKey{}, c))
	defer cancel(context.Canceled)
	r, err := newRequest(ctx, c)
	if err != nil {
		log.Printf("isapi: %v", err)
		return false
	}
	w := newResponse(c, cancel, r.Method == http.MethodHead)
	defer func() {
		if v := recover(); v != nil {
			logPanic(r, v)
			complete = w.abandon()
		}
	}()
	h.ServeHTTP(w, r)
	_ = r.Body.Close()
	return w.finish() || w.cut()
}

// logPanic writes the stack to the standard logger, that is to stderr. [http.ErrAbortHandler] is a wish, no accident.
func logPanic(r *http.Request, v any) {
	if err, _ := v.(error); !errors.Is(err, http.ErrAbortHandler) {
		log.Printf("isapi: panic serving %s %q for %s: %v\n%s", r.Method, r.RequestURI, r.RemoteAddr, v, debug.Stack())
	}
}

// abandon answers for a handler that panicked: 500 when nothing was sent yet, else the client must see the break. It
// reports whether the client got a complete answer.
func (w *response) abandon() bool {
	if w.sent || w.err != nil {
		return w.cut()
	}
	w = newResponse(w.c, w.cancel, w.head)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	return w.finish() || w.cut()
}

// cut makes the host close the client's connection, so that what was sent does not pass for a whole response.
func (w *response) cut() bool {
	_ = w.c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		return errnoOf(C.isapi_support(ecb, C.HSE_REQ_CLOSE_CONNECTION, nil, nil))
	})
	return false
}
