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
// filter that has changed the request can say so here.
func (q *run) logRecord() {
	if q.events&isapi.NotifyLog == 0 {
		return
	}
	rec := q.record()
	was := rec
	texts := rec.texts()
	at := q.base + atLog
	q.always(isapi.NotifyLog, at, func() {
		q.top = 0
		q.more.Free()
		native.Write(at, isapi.FilterLog{
			ClientHostName: q.text(rec.ClientHost), ClientUserName: q.text(rec.ClientUser), ServerName: q.text(rec.Server),
			Operation: q.text(rec.Operation), Target: q.text(rec.Target), Parameters: q.text(rec.Parameters),
			HTTPStatus: rec.Status, Win32Status: rec.Win32, BytesSent: rec.BytesSent, BytesReceived: rec.BytesReceived,
			Milliseconds: uint32(min(rec.Elapsed.Milliseconds(), 1<<32-1)),
		})
	}, func() error {
		left := native.Read[isapi.FilterLog](at)
		rec.Status, rec.Win32 = left.HTTPStatus, left.Win32Status
		for i, p := range [...]uintptr{left.ClientHostName, left.ClientUserName, left.ServerName, left.Operation, left.Target, left.Parameters} {
			if native.Protect(func() isapi.Error { take(texts[i], p); return isapi.OK }) != isapi.OK {
				return errLogText
			}
		}
		return nil
	})
	if rec.LogRecord != was.LogRecord {
		q.res.Log = new(executor.LogRecord)
		*q.res.Log = rec.LogRecord
	}
}

type record struct{ executor.LogRecord }

func (r *record) texts() [6]*string {
	return [...]*string{&r.ClientHost, &r.ClientUser, &r.Server, &r.Operation, &r.Target, &r.Parameters}
}

// take makes a text what a filter's pointer says, NULL being "-".
func take(text *string, p uintptr) {
	if p == 0 {
		*text = "-"
		return
	}
	if b := native.Text(p, maxLogText); string(b) != *text {
		*text = printable(string(b))
	}
}

// record is what the log says of the request.
func (q *run) record() (rec record) {
	v := variables.Request{R: q.orig, T: q.target(), Client: q.client.Client}
	value := func(name string) string {
		text, _ := v.Lookup(name)
		return printable(text)
	}
	rec.LogRecord = executor.LogRecord{
		ClientHost: value("REMOTE_HOST"), ClientUser: "-", Server: value("SERVER_NAME"), Operation: printable(q.orig.Method),
		Target: printable(q.orig.URL.Path), Parameters: printable(q.orig.URL.RawQuery),
		Status: uint32(q.res.Status), Win32: q.res.Win32, BytesSent: uint32(min(q.res.Bytes, 1<<32-1)),
		BytesReceived: uint32(min(max(q.orig.ContentLength, 0), 1<<32-1)), Elapsed: time.Since(q.began).Truncate(time.Millisecond),
	}
	if q.route != nil && q.route.User != nil && q.route.User.Name != "" && !q.route.Denied {
		rec.ClientUser = printable(q.route.User.Name)
	}
	return rec
}
