package filter

import (
	"errors"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/variables"
)

// maxLogText is the longest text that a filter can put into the log, in bytes.
const maxLogText = 64 << 10

var errLogText = errors.New("it left a pointer that is no text")

// logRecord is LOG: filters may have other texts logged. The record is about the request as the client sent it, as the log is; a
// filter that has changed the request can say so here. The texts are not theirs to write to: only a pointer that is another one is
// looked at.
func (q *run) logRecord() {
	if q.events&isapi.NotifyLog == 0 {
		return
	}
	rec := &q.rec
	q.record(rec)
	changed := false
	at := q.base + atLog
	var info isapi.FilterLog
	q.always(isapi.NotifyLog, at, func() int {
		q.drop()
		info = isapi.FilterLog{
			ClientHostName: q.text(rec.ClientHost), ClientUserName: q.text(rec.ClientUser), ServerName: q.text(rec.Server),
			Operation: q.text(rec.Operation), Target: q.text(rec.Target), Parameters: q.text(rec.Parameters),
			HTTPStatus: rec.Status, Win32Status: rec.Win32, BytesSent: rec.BytesSent, BytesReceived: rec.BytesReceived,
			Milliseconds: uint32(min(rec.Elapsed.Milliseconds(), 1<<32-1)),
		}
		native.Write(at, info)
		if q.used { // some texts lie elsewhere
			return alone
		}
		return atTexts + q.top - atLog
	}, func() error {
		left := native.Read[isapi.FilterLog](at)
		if left == info {
			return nil
		}
		changed = true
		return takeLog(rec, &info, &left)
	})
	if changed {
		q.res.Log = new(executor.LogRecord)
		*q.res.Log = *rec
	}
}

// takeLog makes the record what a filter has left. Only a pointer that is another says something: the texts are not the filter's to
// write to.
func takeLog(rec *executor.LogRecord, info, left *isapi.FilterLog) error {
	rec.Status, rec.Win32 = left.HTTPStatus, left.Win32Status
	for _, t := range [...]struct {
		text     *string
		was, now uintptr
	}{
		{&rec.ClientHost, info.ClientHostName, left.ClientHostName}, {&rec.ClientUser, info.ClientUserName, left.ClientUserName},
		{&rec.Server, info.ServerName, left.ServerName}, {&rec.Operation, info.Operation, left.Operation},
		{&rec.Target, info.Target, left.Target}, {&rec.Parameters, info.Parameters, left.Parameters},
	} {
		switch {
		case t.now == t.was:
		case t.now == 0:
			*t.text = "-"
		case native.Protect(func() isapi.Error { *t.text = printable(native.String(t.now, maxLogText)); return isapi.OK }) != isapi.OK:
			return errLogText
		}
	}
	return nil
}

// record fills in what the log says of the request.
func (q *run) record(rec *executor.LogRecord) {
	names := q.names()
	*rec = executor.LogRecord{
		ClientHost: names.client, ClientUser: "-", Server: names.server, Operation: printable(q.orig.Method),
		Target: printable(q.orig.URL.Path), Parameters: printable(q.orig.URL.RawQuery),
		Status: uint32(q.res.Status), Win32: q.res.Win32, BytesSent: uint32(min(q.res.Bytes, 1<<32-1)),
		BytesReceived: uint32(min(max(q.orig.ContentLength, 0), 1<<32-1)), Elapsed: time.Since(q.began).Truncate(time.Millisecond),
	}
	if q.route != nil && q.route.User != nil && q.route.User.Name != "" && !q.route.Denied {
		rec.ClientUser = printable(q.route.User.Name)
	}
}

// names are those of client and server, which are the same for most requests of a connection.
type names struct {
	remote, host   string // of the request: RemoteAddr, Host
	client, server string
}

func (q *run) names() *names {
	n := &q.c.names
	if n.remote != q.orig.RemoteAddr || n.host != q.orig.Host || n.server == "" {
		v := variables.Request{R: q.orig, T: q.target(), Client: q.client.Client}
		n.remote, n.host = q.orig.RemoteAddr, q.orig.Host
		n.client, _ = v.Lookup("REMOTE_HOST")
		n.server, _ = v.Lookup("SERVER_NAME")
		n.client, n.server = printable(n.client), printable(n.server)
	}
	return n
}
