package extension

import (
	"net/http"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// listen answers the recorder of those who want to see the calls of a request, nil if nobody does, and whether it is the caller's to end.
func (e *Extension) listen(r *http.Request, t *executor.Target) (rec *trace.Recorder, ours bool) {
	if t.Trail != nil && t.Trail.Recorder != nil {
		return t.Trail.Recorder, false
	}
	if !e.opt.Tap.On() {
		return nil, false
	}
	about := trace.About{Request: t.Trail.Number(), Image: e.image.Path, Client: r.RemoteAddr, URL: r.URL.Path, Method: r.Method}
	if t.App != nil {
		about.Site, about.App, about.Pool = t.App.SiteName, t.App.Path, t.App.Pool
	}
	rec = e.opt.Tap.Begin(&about)
	return rec, rec != nil
}

var dllReasons = [...]string{"DLL_PROCESS_DETACH", "DLL_PROCESS_ATTACH", "DLL_THREAD_ATTACH", "DLL_THREAD_DETACH"}

// dllMain calls DllMain, which must be there.
func (e *Extension) dllMain(reason uint32) (ok bool, err error) {
	c := taps.Enter(e.opt.Tap, e.image, trace.DllMain)
	c.Word("reason", dllReasons[reason])
	c.Go()
	ok, err = native.DllMain(e.exports.dllMain, reason, e.opt.ImageID)
	taps.Leave(c, ok, 0, err)
	return ok, err
}

// tracedProc is HttpExtensionProc, looked at by those who want to see it.
func (q *request) tracedProc() (status uint32, err error) {
	c := q.rec.Call(q.e.image, trace.HttpExtensionProc, 0)
	if c != nil {
		c.Text("method", q.r.Method)
		c.Text("query", q.r.URL.RawQuery)
		c.Text("path_info", q.t.PathInfo)
		c.Text("path_translated", q.t.PathTranslated)
		c.Text("content_type", first(q.r.Header["Content-Type"]))
		c.Num("total_bytes", int64(q.body.total()))
		c.Num("available", int64(len(q.body.ahead)))
		c.Body(q.body.ahead, int64(len(q.body.ahead)))
		c.Go()
	}
	status, err = native.HTTPExtensionProc(q.e.exports.proc, q.slot)
	if c == nil {
		return status, err
	}
	c.Back(int64(status), 0)
	c.Fault(err)
	if err == nil && status != isapi.StatusPending { // while it is, another thread may be writing there
		ecb := q.slot.ECB()
		c.Num("http_status", int64(ecb.HTTPStatusCode))
		if ecb.LogData[0] != 0 {
			c.Text("log_data", isapi.Cut(ecb.LogData[:]))
		}
	}
	c.End()
	return status, err
}

// completed is a completion callback.
func (q *request) completed(callback, context uintptr, n uint32, code isapi.Error) error {
	c := q.rec.Call(q.e.image, trace.Completion, 0)
	c.Hex("context", uint64(context))
	c.Num("bytes", int64(n))
	c.Num("error", int64(code))
	c.Go()
	err := native.Complete(callback, q.slot, context, n, uint32(code))
	c.Back(0, uint32(code))
	c.Fault(err)
	c.End()
	return err
}

// traced is the [native.Handler] of a request that somebody looks at.
type traced struct{ q *request }

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
	c := x.q.rec.Call(x.q.e.image, trace.GetServerVariable, 0)
	if c == nil {
		return x.q.GetServerVariable(name, buf, size)
	}
	taps.VariableIn(c, name, size)
	err = isapi.InvalidParameter
	defer func() {
		c.Back(taps.Bool(err == isapi.OK), uint32(err))
		taps.VariableOut(c, buf, size, err)
		c.End()
	}()
	c.Go()
	return x.q.GetServerVariable(name, buf, size)
}

// WriteClient is the callback of that name.
func (x *traced) WriteClient(buf, size uintptr, flags uint32) (err isapi.Error) {
	c := x.q.rec.Call(x.q.e.image, trace.WriteClient, 0)
	if c == nil {
		return x.q.WriteClient(buf, size, flags)
	}
	taps.Look(c, func() {
		n := native.Read[uint32](size)
		c.Num("size", int64(n))
		taps.Flags(c, "flags", flags, ioFlags)
		taps.Body(c, buf, int64(n))
	})
	err = isapi.InvalidParameter
	defer returned(c, &err, func() { taps.Number(c, "size", size) })
	c.Go()
	return x.q.WriteClient(buf, size, flags)
}

// ReadClient is the callback of that name.
func (x *traced) ReadClient(buf, size uintptr) (err isapi.Error) {
	c := x.q.rec.Call(x.q.e.image, trace.ReadClient, 0)
	if c == nil {
		return x.q.ReadClient(buf, size)
	}
	taps.Look(c, func() { taps.Number(c, "size", size) })
	err = isapi.InvalidParameter
	defer returned(c, &err, func() {
		n := native.Read[uint32](size)
		c.Num("size", int64(n))
		if err == isapi.OK {
			taps.Body(c, buf, int64(n))
		}
	})
	c.Go()
	return x.q.ReadClient(buf, size)
}

// ServerSupportFunction is the callback of that name.
func (x *traced) ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) (err isapi.Error) {
	c := x.q.rec.Call(x.q.e.image, trace.ServerSupportFunction, uint32(code))
	if c == nil {
		return x.q.ServerSupportFunction(code, buf, size, dataType)
	}
	a, told := call{code, buf, size, dataType}, told[code]
	switch {
	case supported[code] == nil || !told.known:
		c.Hex("buffer", uint64(buf))
		c.Hex("size", uint64(size))
		c.Hex("data_type", uint64(dataType))
	case told.in != nil:
		taps.Look(c, func() { told.in(c, a) })
	}
	err = isapi.InvalidParameter
	defer func() {
		c.Back(taps.Bool(err == isapi.OK), uint32(err))
		if told.out != nil && (err == isapi.OK || err == isapi.InsufficientBuffer) {
			taps.Look(c, func() { told.out(c, a) })
		}
		c.End()
	}()
	c.Go()
	return x.q.ServerSupportFunction(code, buf, size, dataType)
}
