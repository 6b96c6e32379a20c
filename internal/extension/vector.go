package extension

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/trace"
)

const (
	maxVector   = 1 << 16 // elements
	elementSize = unsafe.Sizeof(isapi.VectorElement{})
)

// vectorSend is HSE_REQ_VECTOR_SEND: head, memory and file elements in one call, on a plain connection in one system call
// as far as they are memory.
func (q *request) vectorSend(c call) isapi.Error {
	rv := native.Read[isapi.ResponseVector](c.buf)
	mode := rv.Flags & (isapi.IOSync | isapi.IOAsync)
	if mode == isapi.IOSync|isapi.IOAsync || rv.Count > maxVector || rv.Count > 0 && rv.Elements == 0 {
		return isapi.InvalidParameter
	}
	p := &reply.Pieces{Disconnect: rv.Flags&isapi.IODisconnectAfterSend != 0, Together: true}
	if rv.Flags&isapi.IOSendHeaders != 0 {
		if rv.Status == 0 || rv.Headers == 0 {
			return isapi.InvalidParameter
		}
		h, err := q.parseHead(c.code, native.String(rv.Status, maxText), native.String(rv.Headers, maxHeader))
		if err != nil {
			return isapi.InvalidParameter
		}
		p.Head = &h
	} else if rv.Status != 0 || rv.Headers != 0 {
		return isapi.InvalidParameter
	}
	if err := q.takeElements(p, &rv); err != isapi.OK {
		return err
	}
	if mode != isapi.IOAsync {
		_, err := q.resp.Send(p)
		return err
	}
	return q.asyncSend(c.code, p, 0, 0)
}

// takeElements checks all elements before the first byte is sent.
func (q *request) takeElements(p *reply.Pieces, rv *isapi.ResponseVector) (err isapi.Error) {
	defer func() { // a bad pointer panics; files opened so far must not leak
		if err != isapi.OK || len(p.List) < int(rv.Count) {
			p.Close()
		}
	}()
	for i := range uintptr(rv.Count) {
		el := native.Read[isapi.VectorElement](rv.Elements + i*elementSize)
		switch el.Type {
		case isapi.VectorMemory:
			if el.Size == 0 || el.Size > 1<<31-1 || el.Context == 0 {
				return q.wrongSize(trace.ServerSupportFunction, isapi.VectorSend, fmt.Sprintf("element %d is %d bytes at %#x", i, el.Size, el.Context))
			}
			p.List = append(p.List, reply.Piece{Bytes: native.Bytes(el.Context, int(el.Size))})
		case isapi.VectorFile:
			if int64(el.Offset) < 0 || int64(el.Size) < 0 {
				return isapi.InvalidParameter
			}
			part, err := reply.OpenSection(el.Context, int64(el.Offset), int64(el.Size))
			switch {
			case errors.Is(err, reply.ErrOffset):
				return isapi.WSAEInval
			case err != nil:
				q.logger().Warn("VECTOR_SEND refused", "error", err, "element", i, "url", q.r.URL.RequestURI())
				return isapi.InvalidHandle
			}
			p.List = append(p.List, reply.Piece{File: part})
		default:
			return isapi.InvalidParameter
		}
	}
	return isapi.OK
}
