package extension

import (
	"errors"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
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
	v := vector{flags: rv.Flags}
	if rv.Flags&isapi.IOSendHeaders != 0 {
		if rv.Status == 0 || rv.Headers == 0 {
			return isapi.InvalidParameter
		}
		h, err := isapi.ParseHead(native.String(rv.Status, maxText), native.String(rv.Headers, maxHeader))
		if err != nil {
			return isapi.InvalidParameter
		}
		v.start = &h
	} else if rv.Status != 0 || rv.Headers != 0 {
		return isapi.InvalidParameter
	}
	if err := v.take(q, &rv); err != isapi.OK {
		v.close()
		return err
	}
	if mode != isapi.IOAsync {
		_, err := v.send(q)
		return err
	}
	err := q.async(writing, 0, 0, func() (uint32, isapi.Error) { return v.send(q) })
	if err != isapi.OK {
		v.close()
	}
	return err
}

type vector struct {
	flags uint32
	start *isapi.Head
	elems []element
}

// element is memory or part of a file.
type element struct {
	mem  []byte
	part *section
}

// take checks all elements before the first byte is sent.
func (v *vector) take(q *request, rv *isapi.ResponseVector) (err isapi.Error) {
	defer func() { // a bad pointer panics; files opened so far must not leak
		if err != isapi.OK || len(v.elems) < int(rv.Count) {
			v.close()
		}
	}()
	for i := range uintptr(rv.Count) {
		el := native.Read[isapi.VectorElement](rv.Elements + i*elementSize)
		switch el.Type {
		case isapi.VectorMemory:
			if el.Size == 0 || el.Size > 1<<31-1 || el.Context == 0 {
				return isapi.InvalidParameter
			}
			v.elems = append(v.elems, element{mem: native.Bytes(el.Context, int(el.Size))})
		case isapi.VectorFile:
			if int64(el.Offset) < 0 || int64(el.Size) < 0 {
				return isapi.InvalidParameter
			}
			part, err := openSection(el.Context, int64(el.Offset), int64(el.Size))
			switch {
			case errors.Is(err, errOffset):
				return isapi.WSAEInval
			case err != nil:
				q.e.log.Warn("VECTOR_SEND refused", "error", err, "element", i, "url", q.r.URL.RequestURI())
				return isapi.InvalidHandle
			}
			v.elems = append(v.elems, element{part: part})
		default:
			return isapi.InvalidParameter
		}
	}
	return isapi.OK
}

func (v *vector) close() {
	for i := range v.elems {
		if p := v.elems[i].part; p != nil {
			p.close()
			v.elems[i].part = nil
		}
	}
}

func (v *vector) send(q *request) (n uint32, err isapi.Error) {
	defer v.close()
	s := &q.resp
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.flags&isapi.IODisconnectAfterSend != 0 {
		s.prepareDisconnect()
	}
	if q.r.TLS == nil && !s.finished {
		q.conn.Cork()
		defer func() {
			if q.conn.Uncork() != nil && err == isapi.OK {
				err = s.gone()
			}
		}()
	}
	if v.start != nil {
		if err = s.beginLocked(v.start, nil); err != isapi.OK {
			return 0, err
		}
	}
	var sent int64
	for _, el := range v.elems {
		if el.part == nil {
			err = s.writeLocked(el.mem)
			sent += int64(len(el.mem))
		} else {
			var m int64
			m, err = s.copyFile(el.part)
			sent += m
		}
		if err != isapi.OK {
			return uint32(sent), err
		}
	}
	err = s.flushLocked()
	if v.flags&isapi.IODisconnectAfterSend != 0 {
		s.ended = true
	}
	return uint32(sent), err
}
