package site

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
)

// Record is what a request became, for those who count and log requests. The site fills it in while it answers; read it after ServeHTTP
// returned, or panicked; only App may be asked before. Child requests leave no trace in it.
type Record struct {
	Trail       *executor.Trail // of the request, for whoever runs it; nil: nobody wants to know
	Timed       bool            // Result.ThreadTime is wanted
	Site        string
	SiteID      int    // 0: no site has it
	Unlogged    bool   // the site has no access log
	Application string // path
	Pool        string
	Handler     string           // pattern; "" for a static file
	Image       string           // file of the extension; "" for a static file
	User        string           // who asked; "" if nobody in particular
	Status      int              // of a file, or a page of the site; 0 if neither has been sent
	Substatus   int              // of the error page the site made last; 0 if none
	Bytes       int64            // of the body that belongs to Status
	Result      *executor.Result // of the extension, or of the filters if the request went through some; nil: neither

	app    atomic.Pointer[executor.App]
	result executor.Result // that of Result
	sent   counting        // a file, or a page
}

// note says in a record that s has the request; nil is none.
func (s *Site) note(rec *Record) {
	if rec != nil {
		rec.Site, rec.SiteID, rec.Unlogged = s.conf.Name, s.conf.ID, !s.conf.Log.Access
	}
}

// App is the application that answers; nil: it is not known yet. It may be asked at any time.
func (rec *Record) App() *executor.App { return rec.app.Load() }

// keep keeps a result.
func (rec *Record) keep(res *executor.Result) {
	rec.result = *res
	rec.Result = &rec.result
}

// watch is w while the site itself sends a file or a page; then the caller must call sentAll.
func (rec *Record) watch(w http.ResponseWriter) http.ResponseWriter {
	rec.sent = counting{ResponseWriter: w}
	return &rec.sent
}

func (rec *Record) sentAll() {
	rec.Status, rec.Bytes = rec.sent.status, rec.sent.bytes
	rec.sent.ResponseWriter = nil
}

// own is the record for what the site itself sends; nil: there is none, or somebody else sends it on, who has a result.
func (x *host) own() *Record {
	if x.current != nil || x.filtered != nil {
		return nil
	}
	return x.record
}

type recordKey struct{}

// WithRecord returns r with a record that a [Site] fills in when it answers it, and which must be empty but for Trail and Timed.
func WithRecord(r *http.Request, record *Record) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), recordKey{}, record))
}

// Recorded is what can be kept with a connection ([conn.Conn.SetRequest]) in place of [WithRecord], which costs more.
type Recorded interface{ SiteRecord() *Record }

func recordOf(r *http.Request) *Record {
	if on := conn.From(r.Context()); on != nil {
		if kept, ok := on.Request().(Recorded); ok {
			return kept.SiteRecord()
		}
	}
	record, _ := r.Context().Value(recordKey{}).(*Record)
	return record
}

// Trail is what the server knows of the request on its way; nil: nobody wants to know. It may be called by all that have the host of a request.
func (x *host) Trail() *executor.Trail { return x.trail }

// trailOf is that of a request from outside.
func trailOf(rec *Record) *executor.Trail {
	if rec == nil {
		return nil
	}
	return rec.Trail
}

// childTrail is for a request that the one with this trail makes: it has the same ID, and a way of its own.
func childTrail(t *executor.Trail) *executor.Trail {
	if t == nil {
		return nil
	}
	child := &executor.Trail{}
	child.Reset(t.ID, time.Now())
	child.Trace = t.Trace
	return child
}

// noteApplication records the application that answers; which handler is not known yet.
func (x *host) noteApplication(a *application) {
	if x.record != nil {
		x.record.app.Store(a.app)
		x.record.Application, x.record.Pool = a.Path, a.Pool
		x.record.Handler, x.record.Image = "", ""
	}
}

func (x *host) noteUser(u *executor.User) {
	if x.record != nil && u != nil {
		x.record.User = u.Name
	}
}

func (x *host) noteHandler(h *handler, image string) {
	if x.record != nil {
		x.record.Handler, x.record.Image = h.Path, image
	}
}
