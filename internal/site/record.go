package site

import (
	"context"
	"net/http"

	"github.com/isapid/isapid/internal/executor"
)

// Record is what a request became, for the access log. The site fills it in while it answers; read it after ServeHTTP
// returned, or panicked. Child requests leave no trace in it.
type Record struct {
	Site        string
	Application string // path
	Pool        string
	Handler     string           // pattern; "" for a static file
	Image       string           // file of the extension; "" for a static file
	User        string           // who asked; "" if nobody in particular
	Substatus   int              // of the error page the site made last; 0 if none
	Result      *executor.Result // of the extension, or of the filters if the request went through some; nil: neither
}

type recordKey struct{}

// WithRecord returns r with a record that a [Site] fills in when it answers it.
func WithRecord(r *http.Request) (*http.Request, *Record) {
	record := &Record{}
	return r.WithContext(context.WithValue(r.Context(), recordKey{}, record)), record
}

func recordOf(r *http.Request) *Record {
	record, _ := r.Context().Value(recordKey{}).(*Record)
	return record
}

// noteApplication records the application that answers; which handler is not known yet.
func (x *host) noteApplication(a *application) {
	if x.record != nil {
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
