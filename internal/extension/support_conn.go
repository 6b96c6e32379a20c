package extension

import (
	"crypto/rand"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
)

func boolDword(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

func (q *request) isKeepConn(c call) isapi.Error {
	native.Write(c.buf, boolDword(reply.KeepAlive(q.r)))
	return isapi.OK
}

// isConnected stores the answer, or gives it as the return value when there is nowhere to store it: documents differ.
func (q *request) isConnected(c call) isapi.Error {
	alive := q.connected()
	if c.buf != 0 {
		native.Write(c.buf, boolDword(alive))
		return isapi.OK
	}
	if !alive {
		return isapi.NetnameDeleted
	}
	return isapi.OK
}

func (q *request) connected() bool {
	q.mu.Lock()
	closed := q.closed
	q.mu.Unlock()
	if closed || q.r.Context().Err() != nil {
		return false
	}
	return q.conn == noConn || q.r.ProtoMajor >= 2 || q.conn.Alive()
}

// abortiveClose is HSE_REQ_ABORTIVE_CLOSE: the connection ends with a reset when this response is done.
func (q *request) abortiveClose(call) isapi.Error {
	if q.conn == noConn || q.r.ProtoMajor >= 2 || q.conn.ResetOnClose() != nil {
		return isapi.InvalidParameter
	}
	q.resp.CloseAfter()
	return isapi.OK
}

// fileDescriptor is Zeus's request: the socket. It is the server's; a module that writes to it by itself is on its own.
func (q *request) fileDescriptor(c call) isapi.Error {
	if q.conn == noConn || q.r.TLS != nil {
		return isapi.InvalidParameter
	}
	fd, ok := q.conn.Descriptor()
	if !ok {
		return isapi.InvalidHandle
	}
	native.Write(c.buf, uint32(fd))
	return isapi.OK
}

func (q *request) isInProcess(c call) isapi.Error {
	native.Write[uint32](c.buf, isapi.AppInProcess)
	return isapi.OK
}

// reportUnhealthy records the wish to be recycled for whoever owns this executor.
func (q *request) reportUnhealthy(c call) isapi.Error {
	reason := isapi.Printable(ansi.Decode(native.String(c.buf, maxText)))
	q.e.unhealthy.Store(&reason)
	q.logger().Warn("extension reports itself unhealthy", "reason", reason)
	if q.e.opt.Unhealthy != nil {
		q.e.opt.Unhealthy(reason)
	}
	return isapi.OK
}

// traceInfo is HSE_REQ_GET_TRACE_INFO: no trace is on; the id still tells requests apart.
func (q *request) traceInfo(c call) isapi.Error {
	native.Write(c.buf, isapi.TraceInfo{ContextID: q.trace()})
	return isapi.OK
}

// trace is an id of this request: that of its W3C trace context, or else a random GUID.
func (q *request) trace() [16]byte {
	if t := q.t.Trail; t != nil && t.Trace.Valid() {
		return t.Trace.TraceID
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.traceID == ([16]byte{}) {
		_, _ = rand.Read(q.traceID[:]) // never fails (crypto/rand)
	}
	return q.traceID
}

// httpTraceConfiguration is HTTP_TRACE_CONFIGURATION of the IIS 7 headers.
type httpTraceConfiguration struct {
	Provider  uintptr // GUID*, the caller's
	Areas     uint32
	Verbosity uint32
	Enabled   int32
}

// traceInfoEx is HSE_REQ_GET_TRACE_INFO_EX: the provider that was asked about is not enabled.
func (q *request) traceInfoEx(c call) isapi.Error {
	cfg := native.Read[httpTraceConfiguration](c.buf)
	native.Write(c.buf, httpTraceConfiguration{Provider: cfg.Provider})
	return isapi.OK
}

// httpTraceEvent is the beginning of HTTP_TRACE_EVENT of the IIS 7 headers, as far as it is logged.
type httpTraceEvent struct {
	Provider uintptr
	Area     uint32
	AreaGUID uintptr
	Event    uint32
	Name     uintptr // WCHAR*
}

// raiseTrace is HSE_REQ_RAISE_TRACE_EVENT: the event's name goes to the log.
func (q *request) raiseTrace(c call) isapi.Error {
	ev := native.Read[httpTraceEvent](c.buf)
	q.logger().Debug("trace event", "event", ev.Event, "name", isapi.Printable(wide(ev.Name)), "url", q.r.URL.RequestURI())
	return isapi.OK
}
