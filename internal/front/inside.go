package front

import (
	"context"
	"os"

	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/trace"
)

// thisProcess is this process as a [hub.Source].
type thisProcess struct{ front *Front }

// Trace implements [hub.Source].
func (h *thisProcess) Trace(_ context.Context, list []trace.Subscription, to trace.Sink) error {
	return h.front.tap.Set(list, to)
}

// Process implements [hub.Source].
func (h *thisProcess) Process() hub.Process { return hub.Process{Pid: os.Getpid()} }

// Image implements [hub.Source].
func (h *thisProcess) Image(number uint64) (hub.Image, bool) {
	p := inprocess.PlaceOf(number)
	if p == nil {
		return hub.Image{}, false
	}
	return hub.Image{Number: number, Path: p.Image, Pool: p.Pool, Generation: p.Generation}, true
}

// Request implements [hub.Source].
func (h *thisProcess) Request(id uint64) (a trace.About, ok bool) {
	ok = h.front.watch.find(id, func(s *Seen) {
		a = trace.About{Request: id, Client: s.Request.RemoteAddr, URL: s.Request.RequestURI, Method: s.Request.Method}
		if app := s.Record.App(); app != nil {
			a.Site, a.App, a.Pool = app.SiteName, app.Path, app.Pool
		}
		if _, p, _ := s.Trail.Now(); p != nil {
			a.Image = p.Image
		}
	})
	return a, ok
}
