package front

import (
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/isapid/isapid/internal/accesslog"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/metrics"
	"github.com/isapid/isapid/internal/trace"
)

// counting is a [Watcher] that counts for metrics.
type counting struct{ *metrics.Metrics }

// Begin implements [Watcher].
func (counting) Begin(*Seen) {}

// End implements [Watcher].
func (c counting) End(s *Seen) {
	rec := &s.Record
	_, place, runs := s.Trail.Now()
	f := metrics.Facts{
		Site: rec.Site, Application: rec.Application, Place: place, Runs: runs, Status: s.Status, Took: s.Took,
		Received: s.Received(), Sent: s.Body, Broken: !s.Complete, Gone: s.ClientGone,
	}
	if rec.Image != "" {
		f.Pool, f.Image = rec.Pool, rec.Image
	}
	c.Ended(&f)
}

// logging is a [Watcher] that writes the access log, which can be replaced between two lines.
type logging struct {
	log  atomic.Pointer[accesslog.Log] // nil: there is none
	lost atomic.Int64                  // lines of the logs before
}

// openAccessLog opens what the configuration names; nil if that is nothing.
func (f *Front) openAccessLog(cfg *config.Config) (*accesslog.Log, error) {
	if cfg.Log.Access == nil {
		return nil, nil
	}
	return accesslog.Open(accesslog.Settings{AccessLog: *cfg.Log.Access, Software: executor.Software, Logger: f.logger("access")})
}

// replace writes to another log from now on, to none if it is nil, and closes the one there was.
func (l *logging) replace(next *accesslog.Log) error {
	old := l.log.Swap(next)
	if old == nil {
		return nil
	}
	err := old.Close()
	l.lost.Add(int64(old.Status().Lost))
	return err
}

// gone is how many lines could not be written.
func (l *logging) gone() int64 {
	n := l.lost.Load()
	if now := l.log.Load(); now != nil {
		n += int64(now.Status().Lost)
	}
	return n
}

// Begin implements [Watcher].
func (l *logging) Begin(s *Seen) { s.Record.Timed = l.log.Load() != nil }

// End implements [Watcher].
func (l *logging) End(s *Seen) {
	log := l.log.Load()
	if log == nil || s.Record.Unlogged {
		return
	}
	e := s.entry()
	for !log.Put(&e) {
		next := l.log.Load()
		if next == log || next == nil {
			return // there is none any more
		}
		log = next
	}
}

// clientLeft is what IIS logs as the Windows error code of a request whose client left: ERROR_NETNAME_DELETED.
const clientLeft = 64

// entry is what is logged of a request. The URL is as the client sent it, with its query: an access log is as private as the URLs of its
// sites.
func (s *Seen) entry() accesslog.Entry {
	r, rec := s.Request, &s.Record
	e := accesslog.Entry{
		Ended: s.Trail.Began.Add(s.Took), Took: s.Took, Site: rec.Site, SiteID: rec.SiteID, Client: r.RemoteAddr,
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, URL: r.RequestURI, Proto: r.Proto, Host: r.Host, User: rec.User,
		Status: s.Status, Substatus: s.Substatus, Win32: s.Win32, Sent: s.Sent(), Received: s.Received(), Body: s.Body,
		Broken: !s.Complete, Request: trace.FormatID(s.Trail.ID), In: r.Header, Out: s.Writer.Header(),
	}
	if host, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.Client = host
		e.ClientPort, _ = strconv.Atoi(port)
	}
	if tcp, ok := s.Local().(*net.TCPAddr); ok {
		e.Server = tcp.AddrPort()
	}
	if c := s.Trail.Trace; c.Valid() {
		e.Trace = hex.EncodeToString(c.TraceID[:])
	}
	if res := rec.Result; res != nil {
		e.Extension, e.Inside, e.LogData, e.LogQuery = true, res.ThreadTime, res.LogData, res.LogQuery
		if res.Fault != nil {
			e.Fault = res.Fault.Error()
		}
		if res.Log != nil {
			change(&e, res.Log, r)
		}
	}
	switch {
	case e.Win32 != 0:
	case s.ClientGone:
		e.Win32 = clientLeft
	case rec.Image == "" || rec.Result == nil: // or it is the extension who says what was wrong
		e.Win32 = accesslog.Refused(e.Status, e.Substatus)
	}
	return e
}

// change has logged what filters made of it (SF_NOTIFY_LOG). What they left alone is logged as it was.
func change(e *accesslog.Entry, l *executor.LogRecord, r *http.Request) {
	if l.ClientHost != e.Client {
		e.Client, e.ClientPort = l.ClientHost, 0
	}
	if e.User = l.ClientUser; e.User == "-" {
		e.User = ""
	}
	if name, _, err := net.SplitHostPort(r.Host); r.Host != l.Server && (err != nil || name != l.Server) {
		e.Host = l.Server
	}
	e.Method, e.Status, e.Win32 = l.Operation, int(l.Status), l.Win32
	if l.Target == r.URL.Path && l.Parameters == r.URL.RawQuery {
		return
	}
	e.Path, e.Query, e.URL = l.Target, l.Parameters, l.Target
	if l.Parameters != "" {
		e.URL += "?" + l.Parameters
	}
}

// Received is how many bytes the client has sent with the request, its head included; over HTTP/2 only those of a body whose length was
// declared.
func (s *Seen) Received() int64 {
	if n := s.on.Received(); n > 0 {
		return n
	}
	return max(s.Request.ContentLength, 0)
}

// Sent is how many bytes the client gets, with a head as HTTP/1.1 has it. What net/http adds to that by itself is counted as it mostly is.
func (s *Seen) Sent() int64 {
	if s.Status == 0 {
		return 0
	}
	n := s.Body + int64(len("HTTP/1.1 200 \r\n\r\n")+len(http.StatusText(s.Status)))
	h := s.Writer.Header()
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(v) + len(": \r\n"))
		}
	}
	if h["Date"] == nil {
		n += int64(len("Date: \r\n") + len(http.TimeFormat))
	}
	if r := s.Request; h["Connection"] == nil && r.ProtoMajor == 1 {
		switch {
		case r.Close && r.ProtoMinor > 0:
			n += int64(len("Connection: close\r\n"))
		case !r.Close && r.ProtoMinor == 0:
			n += int64(len("Connection: keep-alive\r\n"))
		}
	}
	if h["Content-Length"] == nil && h["Transfer-Encoding"] == nil && s.Request.ProtoMajor == 1 {
		n += int64(len("Content-Length: \r\n") + len(strconv.FormatInt(s.Body, 10)))
	}
	return n
}

// Reopen closes the files of the access log and opens them anew, by name: another program may have moved them away.
func (f *Front) Reopen() error {
	if log := f.access.log.Load(); log != nil {
		return log.Reopen()
	}
	return nil
}
