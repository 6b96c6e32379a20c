package filter

import (
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// trailed is a host that knows what the server knows of the request.
type trailed interface{ Trail() *executor.Trail }

// listen finds those who want to see the calls of the request's filters. What the extension below does is seen together with them.
func (q *run) listen(chain []Member) {
	var tap *trace.Tap
	for _, m := range chain {
		if m.Filter.conf.Tap.On() {
			tap = m.Filter.conf.Tap
			break
		}
	}
	if tap == nil {
		return
	}
	if q.trail != nil && q.trail.Recorder != nil {
		q.recorder = q.trail.Recorder
		return
	}
	about := trace.About{Request: q.trail.Number(), Client: q.orig.RemoteAddr, URL: q.orig.URL.Path, Method: q.orig.Method}
	if tap.NeedsPlace() {
		if app := q.lead().App; app != nil {
			about.Site, about.App, about.Pool = app.SiteName, app.Path, app.Pool
		}
	}
	if q.recorder = tap.Begin(&about); q.recorder == nil {
		return
	}
	q.listens = true
	if q.trail == nil {
		q.trail = &executor.Trail{}
	}
	q.trail.Recorder = q.recorder
}

// unlisten ends what listen began.
func (q *run) unlisten() {
	if q.listens {
		q.trail.Recorder = nil
		q.recorder.End()
	}
}

// call is HttpFilterProc, on the thread it is called on. inRequest: a request is under way, whose recorder the session has if anybody wants
// to see it. What comes between requests has a recorder of its own.
func (s *session) call(event uint32, pv uintptr, inRequest bool) (status uint32, errno isapi.Error, err error) {
	rec := s.rec.Load()
	if rec == nil && (inRequest || !s.f.conf.Tap.On()) {
		return native.HTTPFilterProc(s.f.conf.Proc, s.pfc, event, pv)
	}
	if rec == nil {
		rec = s.f.conf.Tap.Begin(&trace.About{Image: s.f.conf.Image.Path})
		defer rec.End()
		if s.rec.CompareAndSwap(nil, rec) {
			defer s.rec.CompareAndSwap(rec, nil)
		}
	}
	c := rec.Call(s.f.conf.Image, trace.HttpFilterProc, event)
	if c == nil {
		return native.HTTPFilterProc(s.f.conf.Proc, s.pfc, event, pv)
	}
	told := events[event]
	if told.in != nil {
		taps.Look(c, func() { told.in(c, pv) })
	}
	c.Go()
	status, errno, err = native.HTTPFilterProc(s.f.conf.Proc, s.pfc, event, pv)
	if status != isapi.FilterError {
		errno = isapi.OK
	}
	c.Back(int64(status), uint32(errno))
	c.Fault(err)
	if told.out != nil && err == nil {
		taps.Look(c, func() { told.out(c, pv) })
	}
	c.End()
	return status, errno, err
}

// teller says how the structure of a notification is shown, before the filter has it and after. Either may be nil.
type teller struct{ in, out func(*trace.Entry, uintptr) }

// events has the notifications that have a structure with something to show.
var events = map[uint32]teller{
	isapi.NotifyReadRawData:    {tellRaw, tellRaw},
	isapi.NotifySendRawData:    {tellRaw, tellRaw},
	isapi.NotifyURLMap:         {tellMap, tellPath},
	isapi.NotifyAuthentication: {tellLogon, tellLogon},
	isapi.NotifyAuthComplete:   {tellAuthComplete, tellAuthCompleted},
	isapi.NotifySendResponse:   {tellStatus, nil},
	isapi.NotifyAccessDenied:   {tellDenied, nil},
	isapi.NotifyLog:            {tellLog, tellLogged},
}

func tellRaw(c *trace.Entry, pv uintptr) {
	raw := native.Read[isapi.FilterRawData](pv)
	c.Num("size", int64(raw.Length))
	taps.Raw(c, raw.Data, int64(raw.Length))
}

func tellMap(c *trace.Entry, pv uintptr) {
	taps.Text(c, "url", native.Read[isapi.FilterURLMapEx](pv).URL)
	tellPath(c, pv)
}

func tellPath(c *trace.Entry, pv uintptr) {
	taps.Text(c, "path", native.Read[isapi.FilterURLMapEx](pv).Path)
}

func tellLogon(c *trace.Entry, pv uintptr) {
	logon := native.Read[isapi.FilterAuthent](pv)
	taps.Text(c, "user", logon.User)
	taps.Secret(c, "password", logon.Password)
}

func tellAuthComplete(c *trace.Entry, pv uintptr) {
	c.Num("status", int64(native.Read[isapi.FilterAuthComplete](pv).HTTPStatus))
}

func tellAuthCompleted(c *trace.Entry, pv uintptr) {
	tellAuthComplete(c, pv)
	c.Num("reset_auth", int64(native.Read[isapi.FilterAuthComplete](pv).ResetAuth))
}

func tellStatus(c *trace.Entry, pv uintptr) {
	c.Num("status", int64(native.Read[isapi.FilterSendResponse](pv).HTTPStatus))
}

var reasons = []taps.Flag{
	{Bit: isapi.DeniedLogon, Name: "SF_DENIED_LOGON"}, {Bit: isapi.DeniedResource, Name: "SF_DENIED_RESOURCE"}, {Bit: isapi.DeniedFilter, Name: "SF_DENIED_FILTER"},
	{Bit: isapi.DeniedApplication, Name: "SF_DENIED_APPLICATION"}, {Bit: isapi.DeniedByConfig, Name: "SF_DENIED_BY_CONFIG"},
}

func tellDenied(c *trace.Entry, pv uintptr) {
	info := native.Read[isapi.FilterAccessDenied](pv)
	taps.Text(c, "url", info.URL)
	taps.Text(c, "path", info.Path)
	taps.Flags(c, "reason", info.Reason, reasons)
}

func tellLog(c *trace.Entry, pv uintptr) {
	info := native.Read[isapi.FilterLog](pv)
	taps.Text(c, "client", info.ClientHostName)
	taps.Text(c, "user", info.ClientUserName)
	taps.Text(c, "server", info.ServerName)
	taps.Text(c, "operation", info.Operation)
	taps.Text(c, "target", info.Target)
	taps.Text(c, "parameters", info.Parameters)
	c.Num("http_status", int64(info.HTTPStatus))
	c.Num("win32_status", int64(info.Win32Status))
	c.Num("sent", int64(info.BytesSent))
	c.Num("received", int64(info.BytesReceived))
	c.Num("ms", int64(info.Milliseconds))
}

func tellLogged(c *trace.Entry, pv uintptr) {
	info := native.Read[isapi.FilterLog](pv)
	taps.Text(c, "operation", info.Operation)
	taps.Text(c, "target", info.Target)
	taps.Text(c, "parameters", info.Parameters)
	c.Num("http_status", int64(info.HTTPStatus))
	c.Num("win32_status", int64(info.Win32Status))
}
