//go:build windows || (unix && cgo)

package filter_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
)

// still is a host that answers with nothing, so that what is measured is the filters.
type still struct{ route executor.Route }

func (h *still) Route(*http.Request) *executor.Route { return &h.route }

func (h *still) Logon(*http.Request, *executor.Route, string, string) (*executor.User, bool) {
	return nil, false
}
func (h *still) Map(string) (m executor.Mapping, err error)                  { return m, nil }
func (h *still) Exec(http.ResponseWriter, *http.Request, bool)               {}
func (h *still) Error(w http.ResponseWriter, _ *http.Request, status, _ int) { w.WriteHeader(status) }

func (h *still) Answer(w http.ResponseWriter, _ *http.Request, _ *executor.Route) executor.Result {
	w.WriteHeader(200)
	return executor.Result{Status: 200}
}

type nothing struct{ h http.Header }

func (w *nothing) Header() http.Header         { return w.h }
func (w *nothing) WriteHeader(int)             {}
func (w *nothing) Write(p []byte) (int, error) { return len(p), nil }

const noOp = `#include <httpfilt.h>
BOOL WINAPI GetFilterVersion(HTTP_FILTER_VERSION *v) { v->dwFlags = %s; return TRUE; }
DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD n, VOID *p) { (void)c; (void)n; (void)p; return SF_STATUS_REQ_NEXT_NOTIFICATION; }
`

// BenchmarkServe is what filters that do nothing cost a request on a connection that is kept.
func BenchmarkServe(b *testing.B) {
	for _, c := range []struct {
		name, flags string
		filters     int
	}{
		{"filters=0", "0x4000", 0},
		{"filters=1/events=PREPROC", "SF_NOTIFY_PREPROC_HEADERS", 1},
		{"filters=1/events=PREPROC+LOG", "SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_LOG", 1},
		{"filters=5/events=PREPROC+LOG", "SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_LOG", 5},
		{"filters=1/events=all", "0x04007ac0 | SF_NOTIFY_LOG", 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := start(b)
			for range c.filters {
				s.chain = append(s.chain, filter.Member{Filter: s.load(testext.Source(b, fmt.Sprintf(noOp, c.flags)), nil)})
			}
			conn := filter.NewConnection(false)
			defer conn.End()
			r, err := http.NewRequest("GET", "http://host/a/b?c", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.RemoteAddr = "127.0.0.1:1234"
			h := &still{executor.Route{Maps: []executor.URLMap{{URL: "/a/b", Mapping: executor.Mapping{Path: "/srv/a/b"}}}, Anonymous: true}}
			w := &nothing{h: http.Header{"Server": {"x"}}}
			cl := &client{}
			b.ReportAllocs()
			for b.Loop() {
				filter.Serve(w, r, conn, s.chain, h, cl, nil)
			}
		})
	}
}
