package extension

import (
	"errors"
	"io"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// transmitFile is HSE_REQ_TRANSMIT_FILE: head, part of a file, tail. IIS wants HSE_IO_ASYNC and a callback; without the
// flag the file is sent before the call returns, as Apache and Zeus do.
func (q *request) transmitFile(c call) isapi.Error {
	info := native.Read[isapi.TFInfo](c.buf)
	t := transmission{flags: info.Flags}
	if err := t.texts(&info); err != isapi.OK {
		return err
	}
	if err := t.file(q, &info); err != isapi.OK {
		return err
	}
	if info.Flags&isapi.IOAsync == 0 {
		_, err := t.send(q)
		return err
	}
	err := q.async(writing, info.Callback, info.Context, func() (uint32, isapi.Error) { return t.send(q) })
	if err != isapi.OK && t.part != nil {
		t.part.close()
	}
	return err
}

type transmission struct {
	flags      uint32
	start      *isapi.Head // with HSE_IO_SEND_HEADERS
	head, tail []byte
	part       *section
}

// texts takes head and tail. With HSE_IO_SEND_HEADERS the head is NUL-terminated header text, whatever its length says;
// without, it is opaque bytes.
func (t *transmission) texts(info *isapi.TFInfo) isapi.Error {
	if int32(info.HeadLength) < 0 || int32(info.TailLength) < 0 {
		return isapi.InvalidParameter
	}
	if info.Flags&isapi.IOSendHeaders != 0 {
		h, err := isapi.ParseHead(native.String(info.StatusCode, maxText), counted(info.Head, info.HeadLength, maxHeader))
		if err != nil {
			return isapi.InvalidParameter
		}
		t.start = &h
	} else if info.Head != 0 {
		t.head = native.Bytes(info.Head, int(info.HeadLength))
	}
	if info.Tail != 0 {
		t.tail = native.Bytes(info.Tail, int(info.TailLength))
	}
	return isapi.OK
}

func (t *transmission) file(q *request, info *isapi.TFInfo) (e isapi.Error) {
	if info.File == 0 {
		return isapi.OK
	}
	part, err := openSection(info.File, int64(info.Offset), int64(info.BytesToWrite))
	switch {
	case errors.Is(err, errOffset):
		return isapi.WSAEInval
	case err != nil:
		q.e.log.Warn("TRANSMIT_FILE refused", "error", err, "url", q.r.URL.RequestURI())
		return isapi.InvalidHandle
	}
	t.part = part
	return isapi.OK
}

// send does it, with the response's lock held: nothing may come between.
func (t *transmission) send(q *request) (n uint32, err isapi.Error) {
	s := &q.resp
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.part != nil {
		defer t.part.close()
	}
	if t.flags&isapi.IODisconnectAfterSend != 0 {
		s.prepareDisconnect()
	}
	if t.start != nil {
		if err = s.beginLocked(t.start, nil); err != isapi.OK {
			return 0, err
		}
	}
	sent, err := s.pieces(t.head, t.part, t.tail)
	if t.flags&isapi.IODisconnectAfterSend != 0 {
		s.ended = true
	}
	return uint32(sent), err
}

func (s *response) pieces(head []byte, part *section, tail []byte) (n int64, err isapi.Error) {
	if err = s.writeLocked(head); err != isapi.OK {
		return 0, err
	}
	n = int64(len(head))
	if part != nil {
		m, err := s.copyFile(part)
		if n += m; err != isapi.OK {
			return n, err
		}
	}
	if err = s.writeLocked(tail); err != isapi.OK {
		return n, err
	}
	return n + int64(len(tail)), s.flushLocked()
}

// copyFile sends a section as body. The kernel does it where it can: a plain connection and a known Content-Length.
func (s *response) copyFile(part *section) (int64, isapi.Error) {
	if !s.head || s.chunks != nil || s.nobody || s.ended || s.finished || s.err != isapi.OK || s.declared >= 0 && part.len > s.declared-s.written {
		n, err := s.copyThrough(part.reader())
		if err == isapi.OK {
			err = cutShort(part, n)
		}
		return n, err
	}
	n, err := io.Copy(s.w, part.reader())
	s.written += n
	if err != nil {
		return n, s.gone()
	}
	s.touch()
	return n, cutShort(part, n)
}

// cutShort is the error for a file that lost its end while it was sent.
func cutShort(part *section, n int64) isapi.Error {
	if part.short(n) {
		return isapi.ReadFault
	}
	return isapi.OK
}

// copyThrough is the slow way, by the rules of every other write.
func (s *response) copyThrough(r io.Reader) (n int64, e isapi.Error) {
	buf := make([]byte, 64<<10)
	for {
		m, err := r.Read(buf)
		if e = s.writeLocked(buf[:m]); e != isapi.OK {
			return n, e
		}
		n += int64(m)
		switch {
		case err == io.EOF:
			return n, isapi.OK
		case err != nil:
			return n, isapi.ReadFault
		}
	}
}

// prepareDisconnect is HSE_IO_DISCONNECT_AFTER_SEND: the connection ends with this response.
func (s *response) prepareDisconnect() {
	if s.head {
		s.disconnect = true
		return
	}
	s.w.Header()["Connection"] = []string{"close"}
}
