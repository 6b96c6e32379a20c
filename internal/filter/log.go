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
	rec := q.record()
	q.top = 0
	q.more.Free()
	shown := isapi.FilterLog{
		ClientHostName: q.text(rec.ClientHost), ClientUserName: q.text(rec.ClientUser), ServerName: q.text(rec.Server),
		Operation: q.text(rec.Operation), Target: q.text(rec.Target), Parameters: q.text(rec.Parameters),
		HTTPStatus: rec.Status, Win32Status: rec.Win32, BytesSent: rec.BytesSent, BytesReceived: rec.BytesReceived,
		Milliseconds: uint32(min(rec.Elapsed.Milliseconds(), 1<<32-1)),
	}
	first, at := shown, q.base+atLog
	q.always(isapi.NotifyLog, at, func() { native.Write(at, shown) }, func() error {
		left := native.Read[isapi.FilterLog](at)
		rec.Status, rec.Win32 = left.HTTPStatus, left.Win32Status
		shown.HTTPStatus, shown.Win32Status = left.HTTPStatus, left.Win32Status
		were, now := texts(&shown), texts(&left)
		for i, text := range rec.texts() {
			if *now[i] == *were[i] {
				continue
			}
			left, ok := leftText(*now[i])
			if !ok {
				return errLogText
			}
			*text, *were[i] = left, q.text(left)
		}
		return nil
	})
	if shown != first {
		changed := rec.LogRecord
		q.res.Log = &changed
	}
}

// texts are the pointers of the structure, in the order of those of a record.
func texts(l *isapi.FilterLog) [6]*uintptr {
	return [...]*uintptr{&l.ClientHostName, &l.ClientUserName, &l.ServerName, &l.Operation, &l.Target, &l.Parameters}
}

type record struct{ executor.LogRecord }

func (r *record) texts() [6]*string {
	return [...]*string{&r.ClientHost, &r.ClientUser, &r.Server, &r.Operation, &r.Target, &r.Parameters}
}

// leftText is what a filter's pointer says, NULL being "-". It is false for one that leads nowhere.
func leftText(p uintptr) (text string, ok bool) {
	if p == 0 {
		return "-", true
	}
	err := native.Protect(func() isapi.Error {
		text = printable(string(native.Text(p, maxLogText)))
		return isapi.OK
	})
	return text, err == isapi.OK
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
