package extension

import (
	"errors"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/trace"
)

// transmitFile is HSE_REQ_TRANSMIT_FILE: head, part of a file, tail. IIS wants HSE_IO_ASYNC and a callback; without the
// flag the file is sent before the call returns, as Apache and Zeus do.
func (q *request) transmitFile(c call) isapi.Error {
	info := native.Read[isapi.TFInfo](c.buf)
	p, err := q.transmission(&info)
	if err != isapi.OK {
		return err
	}
	if info.Flags&isapi.IOAsync == 0 {
		_, err = q.resp.Send(p)
		return err
	}
	return q.asyncSend(c.code, p, info.Callback, info.Context)
}

// asyncSend has p sent by an asynchronous operation, as code asks.
func (q *request) asyncSend(code isapi.Code, p *reply.Pieces, callback, context uintptr) isapi.Error {
	err := q.async(code, writing, callback, context, func() (uint32, isapi.Error) {
		n, err := q.resp.Send(p)
		return uint32(n), err
	})
	if err != isapi.OK {
		p.Close()
	}
	return err
}

// transmission is what TRANSMIT_FILE sends. With HSE_IO_SEND_HEADERS the head is NUL-terminated header text, whatever its length says;
// without, it is opaque bytes.
func (q *request) transmission(info *isapi.TFInfo) (*reply.Pieces, isapi.Error) {
	if int32(info.HeadLength) < 0 || int32(info.TailLength) < 0 {
		return nil, q.wrongSize(trace.ServerSupportFunction, isapi.TransmitFile, "the head or the tail has less than no bytes")
	}
	p := &reply.Pieces{List: make([]reply.Piece, 0, 3), Disconnect: info.Flags&isapi.IODisconnectAfterSend != 0}
	if info.Flags&isapi.IOSendHeaders != 0 {
		h, err := q.parseHead(isapi.TransmitFile, native.String(info.StatusCode, maxText), counted(info.Head, info.HeadLength, maxHeader))
		if err != nil {
			return nil, isapi.InvalidParameter
		}
		p.Head = &h
	} else if info.Head != 0 {
		p.List = append(p.List, reply.Piece{Bytes: native.Bytes(info.Head, int(info.HeadLength))})
	}
	var tail []byte
	if info.Tail != 0 {
		tail = native.Bytes(info.Tail, int(info.TailLength))
	}
	if info.File != 0 {
		part, err := reply.OpenSection(info.File, int64(info.Offset), int64(info.BytesToWrite))
		switch {
		case errors.Is(err, reply.ErrOffset):
			return nil, isapi.WSAEInval
		case err != nil:
			q.logger().Warn("TRANSMIT_FILE refused", "error", err, "url", q.r.URL.RequestURI())
			return nil, isapi.InvalidHandle
		}
		p.List = append(p.List, reply.Piece{File: part})
	}
	p.List = append(p.List, reply.Piece{Bytes: tail})
	return p, isapi.OK
}
