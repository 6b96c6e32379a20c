package front

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Begin implements [Watcher].
func (l *accessLog) Begin(s *Seen) { s.Record.Timed = true }

// End writes the line of a request. The URL is logged as the client sent it, with its query: an access log is as private
// as the URLs of its sites.
func (l *accessLog) End(s *Seen) {
	lines := l.lines.Load()
	if lines == nil {
		return // not any more
	}
	r, rec := s.Request, &s.Record
	status, bytes, substatus := s.Status, s.Body, s.Substatus
	attrs := make([]slog.Attr, 0, 20)
	who := asker{r.RemoteAddr, rec.User, r.Host, r.Method, r.RequestURI}
	if rec.Result != nil {
		if l := rec.Result.Log; l != nil {
			who.change(l, r)
			status = int(l.Status)
		}
	}
	attrs = append(attrs,
		slog.String("site", rec.Site), slog.String("client", who.client), slog.String("host", who.host),
		slog.String("method", who.method), slog.String("url", who.url), slog.String("proto", r.Proto))
	if who.user != "" {
		attrs = append(attrs, slog.String("user", who.user))
	}
	if rec.Result != nil {
		attrs = append(attrs, extensionAttrs(rec.Result)...)
	}
	attrs = append(attrs, slog.Int("status", status), slog.Int64("bytes", bytes), slog.Float64("duration_ms", milliseconds(s.Took)))
	if substatus != 0 {
		attrs = append(attrs, slog.Int("substatus", substatus))
	}
	if !s.Complete {
		attrs = append(attrs, slog.Bool("broken", true))
	}
	lines.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}

// asker is what is logged of who asks, and for what.
type asker struct{ client, user, host, method, url string }

// change has logged what filters made of it (SF_NOTIFY_LOG). What they left alone is logged as it was.
func (a *asker) change(l *executor.LogRecord, r *http.Request) {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || host != l.ClientHost {
		a.client = l.ClientHost
	}
	if a.user = l.ClientUser; a.user == "-" {
		a.user = ""
	}
	if name, _, err := net.SplitHostPort(r.Host); r.Host != l.Server && (err != nil || name != l.Server) {
		a.host = l.Server
	}
	a.method = l.Operation
	if l.Target == r.URL.Path && l.Parameters == r.URL.RawQuery {
		return
	}
	if a.url = l.Target; l.Parameters != "" {
		a.url += "?" + l.Parameters
	}
}

// extensionAttrs is what only the executor knows, as far as there is something to tell.
func extensionAttrs(res *executor.Result) []slog.Attr {
	attrs := []slog.Attr{slog.Float64("extension_ms", milliseconds(res.ThreadTime))}
	win32 := res.Win32
	if res.Log != nil {
		win32 = res.Log.Win32
	}
	if win32 != 0 {
		attrs = append(attrs, slog.Int64("win32", int64(win32)))
	}
	if res.LogData != "" {
		attrs = append(attrs, slog.String("log_data", res.LogData))
	}
	if res.LogQuery != "" {
		attrs = append(attrs, slog.String("log_query", res.LogQuery))
	}
	if res.Fault != nil {
		attrs = append(attrs, slog.String("fault", res.Fault.Error()))
	}
	return attrs
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
