package front

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/site"
)

// observer stands around every site: it counts requests and writes the access log.
type observer struct {
	access accessLog

	requests atomic.Int64 // that ended
	running  atomic.Int64
	broken   atomic.Int64 // responses that had begun and could not be completed
}

// handler is next, observed. The ResponseWriter is wrapped only for the access log, so that without one sites get net/http's own.
func (o *observer) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var (
			start time.Time
			rec   *site.Record
			sent  *response
		)
		if o.access.lines.Load() != nil {
			start = time.Now()
			r, rec = site.WithRecord(r)
			sent = &response{ResponseWriter: w}
			w = sent
		}
		complete := false
		o.running.Add(1)
		defer func() {
			o.count(complete)
			if sent != nil {
				o.log(r, rec, sent, time.Since(start), complete)
			}
		}()
		next.ServeHTTP(w, r)
		complete = true
	})
}

func (o *observer) count(complete bool) {
	o.running.Add(-1)
	o.requests.Add(1)
	if !complete {
		o.broken.Add(1)
	}
}
