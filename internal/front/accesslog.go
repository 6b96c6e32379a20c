package front

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/site"
)

// log writes the line of one request. The URL is logged as the client sent it, with its query: an access log is as private
// as the URLs of its sites.
func (o *observer) log(r *http.Request, rec *site.Record, sent *response, took time.Duration, complete bool) {
	lines := o.access.lines.Load()
	if lines == nil {
		return // not any more
	}
	status, bytes, substatus := sent.final(complete), sent.bytes, rec.Substatus
	attrs := make([]slog.Attr, 0, 20)
	who := asker{r.RemoteAddr, rec.User, r.Host, r.Method, r.RequestURI}
	if rec.Result != nil {
		status, bytes, substatus = rec.Result.Status, rec.Result.Bytes, rec.Result.Substatus
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
	attrs = append(attrs, slog.Int("status", status), slog.Int64("bytes", bytes), slog.Float64("duration_ms", milliseconds(took)))
	if substatus != 0 {
		attrs = append(attrs, slog.Int("substatus", substatus))
	}
	if !complete {
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

// response is one response, watched on its way out.
type response struct {
	http.ResponseWriter
	status int   // 0: none yet
	bytes  int64 // of the body
}

// final is the status for the log: net/http sends 200 for a handler that wrote nothing; a broken response may have none.
func (s *response) final(complete bool) int {
	if s.status == 0 && complete {
		return http.StatusOK
	}
	return s.status
}

// Unwrap lets [http.ResponseController] reach what the server's writer can do besides.
func (s *response) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *response) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *response) Write(p []byte) (int, error) {
	s.begin()
	n, err := s.ResponseWriter.Write(p)
	s.bytes += int64(n)
	return n, err
}

// ReadFrom keeps the system's way of sending a file without copying it.
func (s *response) ReadFrom(src io.Reader) (int64, error) {
	s.begin()
	n, err := io.Copy(s.ResponseWriter, src)
	s.bytes += n
	return n, err
}

func (s *response) Flush() { _ = s.FlushError() }

// FlushError is what http.ResponseController looks for.
func (s *response) FlushError() error {
	s.begin()
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// begin is called where net/http sends status 200 if there is none yet.
func (s *response) begin() {
	if s.status == 0 {
		s.status = http.StatusOK
	}
}
