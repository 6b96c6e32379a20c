package filter

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// traced is the [native.FilterHandler] of a session that somebody may look at. The session lives as long as the connection, so it is asked
// at each call whether anybody does.
type traced struct{ s *session }

// begin is nil if nobody wants to see the call.
func (x *traced) begin(f trace.Func, code uint32) *trace.Entry {
	rec := x.s.rec.Load()
	if rec == nil {
		return nil
	}
	return rec.Call(x.s.f.conf.Image, f, code)
}

// returned records the end of a callback. err is what the call leaves: where a bad pointer ends it, what it was set to before.
func returned(c *trace.Entry, err *isapi.Error, out func()) {
	c.Back(taps.Bool(*err == isapi.OK), uint32(*err))
	if out != nil {
		taps.Look(c, out)
	}
	c.End()
}

// GetServerVariable is the callback of that name.
func (x *traced) GetServerVariable(name, buf, size uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterGetServerVariable, 0)
	if c == nil {
		return x.s.GetServerVariable(name, buf, size)
	}
	taps.VariableIn(c, name, size)
	err = isapi.InvalidParameter
	defer func() {
		c.Back(taps.Bool(err == isapi.OK), uint32(err))
		taps.VariableOut(c, buf, size, err)
		c.End()
	}()
	c.Go()
	return x.s.GetServerVariable(name, buf, size)
}

// GetHeader is the callback of that name.
func (x *traced) GetHeader(name, buf, size uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterGetHeader, 0)
	if c == nil {
		return x.s.GetHeader(name, buf, size)
	}
	taps.VariableIn(c, name, size)
	err = isapi.InvalidParameter
	defer func() {
		c.Back(taps.Bool(err == isapi.OK), uint32(err))
		taps.VariableOut(c, buf, size, err)
		c.End()
	}()
	c.Go()
	return x.s.GetHeader(name, buf, size)
}

// SetHeader is the callback of that name.
func (x *traced) SetHeader(name, value uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterSetHeader, 0)
	if c == nil {
		return x.s.SetHeader(name, value)
	}
	taps.Look(c, func() { taps.Text(c, "name", name); taps.Value(c, "value", value) })
	err = isapi.InvalidParameter
	defer returned(c, &err, nil)
	c.Go()
	return x.s.SetHeader(name, value)
}

// AddHeader is the callback of that name.
func (x *traced) AddHeader(name, value uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterAddHeader, 0)
	if c == nil {
		return x.s.AddHeader(name, value)
	}
	taps.Look(c, func() { taps.Text(c, "name", name); taps.Value(c, "value", value) })
	err = isapi.InvalidParameter
	defer returned(c, &err, nil)
	c.Go()
	return x.s.AddHeader(name, value)
}

// AddResponseHeaders is the callback of that name.
func (x *traced) AddResponseHeaders(text, reserved uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterAddResponseHeaders, 0)
	if c == nil {
		return x.s.AddResponseHeaders(text, reserved)
	}
	taps.Look(c, func() { taps.Header(c, "header", text, 0) })
	err = isapi.InvalidParameter
	defer returned(c, &err, nil)
	c.Go()
	return x.s.AddResponseHeaders(text, reserved)
}

// WriteClient is the callback of that name.
func (x *traced) WriteClient(buf, size uintptr, reserved uint32) (err isapi.Error) {
	c := x.begin(trace.FilterWriteClient, 0)
	if c == nil {
		return x.s.WriteClient(buf, size, reserved)
	}
	taps.Look(c, func() {
		n := native.Read[uint32](size)
		c.Num("size", int64(n))
		if x.s.rawCall() != nil {
			taps.Raw(c, buf, int64(n))
		} else {
			taps.Body(c, buf, int64(n))
		}
	})
	err = isapi.InvalidParameter
	defer returned(c, &err, func() { taps.Number(c, "size", size) })
	c.Go()
	return x.s.WriteClient(buf, size, reserved)
}

// AllocMem is the callback of that name.
func (x *traced) AllocMem(size uint32) (p uintptr) {
	c := x.begin(trace.FilterAllocMem, 0)
	if c == nil {
		return x.s.AllocMem(size)
	}
	c.Num("size", int64(size))
	defer func() {
		err := isapi.OK
		if p == 0 {
			err = isapi.NotEnoughMemory
		}
		c.Back(int64(p), uint32(err))
		c.End()
	}()
	c.Go()
	return x.s.AllocMem(size)
}

// ServerSupportFunction is the callback of that name.
func (x *traced) ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterServerSupportFunction, uint32(code))
	if c == nil {
		return x.s.ServerSupportFunction(code, data, ul1, ul2)
	}
	told, known := codes[code]
	switch {
	case !known:
		c.Hex("data", uint64(data))
		c.Hex("ul1", uint64(ul1))
		c.Hex("ul2", uint64(ul2))
	case told.in != nil:
		taps.Look(c, func() { told.in(c, data, ul1) })
	}
	err = isapi.InvalidParameter
	defer func() {
		c.Back(taps.Bool(err == isapi.OK), uint32(err))
		if told.out != nil && err == isapi.OK {
			taps.Look(c, func() { told.out(c, data, ul1) })
		}
		c.End()
	}()
	c.Go()
	return x.s.ServerSupportFunction(code, data, ul1, ul2)
}

// GetUserToken is the callback of that name.
func (x *traced) GetUserToken(token uintptr) (err isapi.Error) {
	c := x.begin(trace.FilterGetUserToken, 0)
	if c == nil {
		return x.s.GetUserToken(token)
	}
	err = isapi.InvalidParameter
	defer returned(c, &err, nil)
	c.Go()
	return x.s.GetUserToken(token)
}

// codeTeller says how what goes into a code of ServerSupportFunction is shown, and what comes out when it succeeds. Either may be nil.
type codeTeller struct {
	in, out func(c *trace.Entry, data, ul1 uintptr)
}

// codes has every code there is; a test compares it with those of the SDK.
var codes = map[isapi.SFReq]codeTeller{
	isapi.SFSendResponseHeader: {in: func(c *trace.Entry, data, ul1 uintptr) {
		taps.Header(c, "status", data, 0)
		taps.Header(c, "header", ul1, 0)
	}},
	isapi.SFAddHeadersOnDenial: {in: func(c *trace.Entry, data, _ uintptr) { taps.Header(c, "header", data, 0) }},
	isapi.SFSetNextReadSize:    {in: func(c *trace.Entry, _, ul1 uintptr) { c.Num("size", int64(ul1)) }},
	isapi.SFSetProxyInfo:       {in: func(c *trace.Entry, _, ul1 uintptr) { c.Hex("flags", uint64(ul1)) }},
	isapi.SFGetConnID:          {},
	isapi.SFSetCertificateInfo: {},
	isapi.SFGetProperty: {in: func(c *trace.Entry, _, ul1 uintptr) {
		switch ul1 {
		case isapi.PropertySSLContext:
			c.Word("property", "SF_PROPERTY_SSL_CTXT")
		case isapi.PropertyInstanceNumID:
			c.Word("property", "SF_PROPERTY_INSTANCE_NUM_ID")
		default:
			c.Num("property", int64(ul1))
		}
	}, out: tellAnswer},
	isapi.SFNormalizeURL: {in: tellURL, out: tellURL},
	isapi.SFDisableNotifications: {in: func(c *trace.Entry, _, ul1 uintptr) {
		c.Word("notifications", isapi.Notification(ul1).String())
	}},
	isapi.SFGetCertInfoEx: {in: func(c *trace.Entry, data, _ uintptr) {
		c.Num("allocated", int64(native.Read[isapi.CertContextEx](data).Allocated))
	}, out: func(c *trace.Entry, data, _ uintptr) {
		info := native.Read[isapi.CertContextEx](data)
		c.Num("size", int64(info.EncodedSize))
		c.Hex("flags", uint64(info.CertificateFlags))
	}},
	isapi.SFGetFileDescriptor: {out: tellAnswer},
}

func tellURL(c *trace.Entry, data, _ uintptr)    { taps.Text(c, "url", data) }
func tellAnswer(c *trace.Entry, data, _ uintptr) { taps.Number(c, "answer", data) }
