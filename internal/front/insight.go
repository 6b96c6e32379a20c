package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/metrics"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/trace"
)

var _ admin.Server = (*Control)(nil)

// Snoop implements [admin.Server].
func (c *Control) Snoop(ctx context.Context, who string, filter trace.Filter, write func([]byte) error) error {
	if err := c.aimed(&filter); err != nil {
		return err
	}
	f := c.front
	stream, err := f.hub.Attach(ctx, who, filter)
	if err != nil {
		return err
	}
	defer stream.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ending, cancel)()
	return stream.Run(ctx, write)
}

// Record implements [admin.Server].
func (c *Control) Record(ctx context.Context, who string, filter trace.Filter, mask bool, write func([]byte) error) error {
	if err := c.aimed(&filter); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.front.ending, cancel)()
	return c.front.Record(ctx, who, filter, mask, write)
}

// aimed refuses a filter for a place where nothing will ever be seen: a site or an application that is not configured, or an image by a
// path where no file is. The error says what there is.
func (c *Control) aimed(f *trace.Filter) error {
	nowhere := func(hint, format string, args ...any) error {
		return &admin.Error{Code: http.StatusNotFound, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	if f.Site != "" {
		var sites, apps []string
		cfg := c.front.setup.Load().cfg
		for i := range cfg.Sites {
			sites = append(sites, cfg.Sites[i].Name)
			if cfg.Sites[i].Name == f.Site {
				for _, a := range cfg.Sites[i].Applications {
					apps = append(apps, a.Path)
				}
			}
		}
		switch {
		case apps == nil:
			return nowhere("sites are "+strings.Join(sites, ", "), "there is no site %q", f.Site)
		case f.App != "" && !slices.Contains(apps, f.App):
			return nowhere("it has "+strings.Join(apps, ", "), "the site %q has no application %q", f.Site, f.App)
		}
	}
	if filepath.IsAbs(f.Image) && !slices.ContainsFunc(c.Images(), func(i admin.Image) bool { return i.Path == f.Image }) {
		if _, err := os.Stat(f.Image); errors.Is(err, fs.ErrNotExist) {
			return nowhere("isapid status lists the images that are loaded", "there is no image %q, loaded or on the disk", f.Image)
		}
	}
	return nil
}

// Metrics implements [admin.Server].
func (c *Control) Metrics() http.Handler { return c.metrics() }

// newMetrics is what Prometheus asks.
func (c *Control) newMetrics() http.Handler {
	f := c.front
	return f.metrics.Handler(metrics.Sources{
		Status:       c.Status,
		Boards:       f.boards,
		AccessLost:   f.access.gone,
		SnoopDropped: func() int64 { return int64(f.hub.Dropped()) },
		Spans:        f.tracing.stats,
	})
}

// boards are those of all processes that run images now.
func (f *Front) boards(each func(metrics.Process, *trace.Board)) {
	if b, ok := inprocess.Board(); ok {
		each(metrics.Process{}, &b)
	}
	f.pools.processes(func(of string, p pool.Process) {
		if b, ok := p.Board(); ok {
			each(metrics.Process{Pool: of, Worker: p.Worker, Pid: p.Pid}, &b)
		}
	})
}

// processes are all workers that run, with the names of their pools.
func (ps *pools) processes(each func(of string, p pool.Process)) {
	all := map[string][]*pool.Pool{}
	ps.each(func(g crew, w *workers) { all[g.title()] = append(all[g.title()], w.Pool) })
	for name, list := range all { // without the lock: it looks at processes
		for _, p := range list {
			for _, process := range p.Processes() {
				each(name, process)
			}
		}
	}
}

// InFlight implements [admin.Server].
func (c *Control) InFlight(calls bool) []admin.InFlight {
	f, now := c.front, time.Now()
	list, places := []admin.InFlight{}, map[uint64]*executor.Place{}
	f.watch.each(func(s *Seen) {
		stage, place, runs := s.Trail.Now()
		r := s.Request
		q := admin.InFlight{
			ID: trace.FormatID(s.Trail.ID), Age: admin.Seconds(now.Sub(s.Trail.Began)), Stage: stage.String(),
			Client: r.RemoteAddr, Method: r.Method, URL: r.RequestURI, Tries: runs,
		}
		if app := s.Record.App(); app != nil {
			q.Site, q.Application, q.Pool = app.SiteName, app.Path, app.Pool
		}
		if place != nil {
			q.Pool, q.Worker, q.Pid, q.Generation, q.Image = cmp.Or(place.Pool, q.Pool), place.Worker, place.Pid, place.Generation, place.Image
			places[s.Trail.ID] = place
		}
		list = append(list, q)
	})
	slices.SortFunc(list, func(a, b admin.InFlight) int { return cmp.Or(cmp.Compare(b.Age, a.Age), cmp.Compare(a.ID, b.ID)) })
	f.lookInside(list, places, calls)
	return list
}

// inProcess is a process: the name of a pool and of a worker, both "" for this one.
type inProcess struct{ pool, worker string }

// lookInside adds to requests what they are inside of. A process is believed only about requests that are in it.
func (f *Front) lookInside(list []admin.InFlight, places map[uint64]*executor.Place, calls bool) {
	wanted := map[inProcess]map[uint64]*admin.InFlight{}
	for i := range list {
		id, _ := trace.ParseID(list[i].ID) // it is one of ours
		p := places[id]
		if p == nil {
			continue
		}
		at := inProcess{}
		if p.Worker != "" {
			at = inProcess{p.Pool, p.Worker}
		}
		if wanted[at] == nil {
			wanted[at] = map[uint64]*admin.InFlight{}
		}
		wanted[at][id] = &list[i]
	}
	if of := wanted[inProcess{}]; of != nil {
		if b, ok := inprocess.Board(); ok {
			tellInside(&b, of, calls)
		}
	}
	f.pools.processes(func(of string, p pool.Process) {
		if in := wanted[inProcess{of, p.Worker}]; in != nil {
			if b, ok := p.Board(); ok {
				tellInside(&b, in, calls)
			}
		}
	})
}

// tellInside adds what the threads of a process do to its requests.
func tellInside(b *trace.Board, of map[uint64]*admin.InFlight, calls bool) {
	now := trace.Clock()
	for i := range b.Threads {
		t := &b.Threads[i]
		tell := func(c *trace.LastCall) admin.Inside {
			return admin.Inside{Call: trace.Name(c.Func, c.Code), Age: admin.Seconds(max(0, now-c.At)), Error: c.Err, Thread: t.ID}
		}
		for j := range t.Open {
			if q := of[t.Open[j].Request]; q != nil {
				q.Inside = append(q.Inside, tell(&t.Open[j]))
			}
		}
		for j := range t.Last {
			if q := of[t.Last[j].Request]; q != nil && calls {
				q.LastCalls = append(q.LastCalls, tell(&t.Last[j]))
			}
		}
	}
}

// snoops are those who listen to calls.
func (f *Front) snoops() []admin.Snoop {
	list := []admin.Snoop{}
	for _, l := range f.hub.Listeners() {
		list = append(list, admin.Snoop{ID: l.ID, Who: l.Who, Filter: l.Filter, Since: l.Since, Events: l.Events, Dropped: l.Dropped})
	}
	return list
}

// Reopen implements [admin.Server].
func (c *Control) Reopen() error { return c.front.Reopen() }
