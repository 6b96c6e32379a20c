package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/tape"
	"github.com/isapid/isapid/internal/trace"
)

// taping is a [Watcher] that records requests.
type taping struct{ to *tape.Recorder }

// Begin implements [Watcher].
func (t taping) Begin(s *Seen) {
	raw := conn.From(s.Request.Context()).RawHeader(s.Request)
	s.Writer, s.Request = t.to.Begin(s.Trail.ID, s.Writer, s.Request, raw)
}

// End implements [Watcher].
func (t taping) End(s *Seen) {
	t.to.End(s.Trail.ID, tape.Outcome{Site: s.Record.Site, Image: s.Record.Image, User: s.Record.User, Complete: s.Complete})
}

// How often what has ended is written, and how often something is written at least.
const (
	tapeTurn  = 100 * time.Millisecond
	tapeAlive = 3 * time.Second
)

// Record writes the lines of a tape, the header first, and then each request that images had a part in, when it has ended and fits f; until ctx
// ends or write fails. An empty line says that it is still there. Requests that have begun already are not recorded.
func (f *Front) Record(ctx context.Context, who string, filter trace.Filter, mask bool, write func([]byte) error) error {
	return f.tape(ctx, who, filter, mask, false, write)
}

// RecordAll is Record of all requests, with the calls of the images that the filter wants.
func (f *Front) RecordAll(ctx context.Context, who string, filter trace.Filter, write func([]byte) error) error {
	return f.tape(ctx, who, filter, false, true, write)
}

func (f *Front) tape(ctx context.Context, who string, filter trace.Filter, mask, all bool, write func([]byte) error) error {
	filter.Secrets = !mask
	stream, err := f.hub.Attach(ctx, who, filter)
	if err != nil {
		return err
	}
	defer stream.Close()
	rec := tape.NewRecorder(mask)
	in, out := io.Pipe()
	heard := make(chan error, 1)
	go func() { heard <- listen(in, rec) }()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ran := make(chan error, 1)
	go func() {
		err := stream.Run(running, func(p []byte) error { _, err := out.Write(p); return err })
		out.CloseWithError(errors.Join(err, io.EOF))
		ran <- err
	}()
	remove := f.watch.add(taping{rec})
	err = writeTape(ctx, f.tapeHeader(filter, mask), rec, all, write)
	remove()
	stop()
	in.Close()
	<-ran
	<-heard
	return err
}

// listen hands what is told of calls to a recorder, until the stream ends.
func listen(in io.Reader, rec *tape.Recorder) error {
	r := hub.NewReader(in)
	for {
		one, err := r.Next()
		if err != nil {
			return err
		}
		if one.Kind == hub.KindBatch {
			_ = rec.Events(one.Source, one.Events) // what is damaged is missing
		}
		rec.Dropped(one.Dropped)
	}
}

// writeTape writes lines until ctx ends or there is nobody to write to.
func writeTape(ctx context.Context, h tape.Header, rec *tape.Recorder, all bool, write func([]byte) error) error {
	line, err := tape.AppendLine(nil, h)
	if err != nil {
		return err
	}
	if write(line) != nil {
		return nil
	}
	tick := time.NewTicker(tapeTurn)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, e := range rec.Ready(all) {
			if len(e.Calls) == 0 && !all {
				continue // no image that is wanted had a part in it
			}
			if line, err = tape.AppendLine(line[:0], e); err != nil {
				return err
			}
			if write(line) != nil {
				return nil
			}
			last = time.Now()
		}
		if time.Since(last) >= tapeAlive {
			if write([]byte("\n")) != nil {
				return nil
			}
			last = time.Now()
		}
	}
}

// tapeHeader says where the requests run that a filter wants.
func (f *Front) tapeHeader(filter trace.Filter, mask bool) tape.Header {
	s := f.setup.Load()
	h := tape.Header{
		Version: tape.Version, Software: executor.Software, Made: time.Now(), Masked: mask, Image: filter.Image, Filter: wordsOf(&filter),
		Images: []tape.Image{},
	}
	for i := range s.cfg.Sites {
		if c := &s.cfg.Sites[i]; filter.Site == "" || c.Name == filter.Site {
			h.Sites = append(h.Sites, tapeSite(s.cfg, c))
		}
	}
	said := map[string]string{}
	for _, e := range f.Extensions() {
		said[e.Image] = e.Description
	}
	for _, state := range f.images.States() {
		h.Images = append(h.Images, tape.Image{Path: state.Image, SHA256: state.Serving.SHA256, Description: said[state.Image]})
	}
	for path, text := range said {
		if !slices.ContainsFunc(h.Images, func(i tape.Image) bool { return i.Path == path }) {
			h.Images = append(h.Images, tape.Image{Path: path, Description: text})
		}
	}
	slices.SortFunc(h.Images, func(a, b tape.Image) int { return strings.Compare(a.Path, b.Path) })
	return h
}

func wordsOf(f *trace.Filter) string {
	var list []string
	for _, w := range [][2]string{{"site", f.Site}, {"application", f.App}, {"pool", f.Pool}, {"image", f.Image}, {"client", f.Client}, {"url", f.URL}} {
		if w[1] != "" {
			list = append(list, fmt.Sprintf("%s %s", w[0], w[1]))
		}
	}
	return strings.Join(list, ", ")
}

func tapeSite(cfg *config.Config, c *config.Site) tape.Site {
	s := tape.Site{
		Name: c.Name, ID: c.ID, Root: c.Root, Static: c.Static, Documents: c.DefaultDocuments, Filters: slices.Concat(cfg.Filters, c.Filters),
	}
	for _, d := range c.VirtualDirectories {
		s.Directories = append(s.Directories, tape.Directory{Path: d.Path, Directory: d.Directory})
	}
	for i := range c.Applications {
		a := &c.Applications[i]
		made := tape.Application{Path: a.Path, Directory: a.Directory, Pool: a.Pool, Filters: a.Filters, Threads: 1}
		if p := cfg.Pools[a.Pool]; p != nil {
			made.Mode, made.Threads, made.Stack = string(p.Mode), p.Threads, p.Stack
		}
		for _, h := range a.Handlers {
			made.Handlers = append(made.Handlers, tape.Handler{
				Path: h.Path, ISAPI: h.ISAPI, Extension: h.Extension, Static: h.Static, Methods: h.Methods, MustExist: h.MustExist, PathInfo: h.PathInfo,
			})
		}
		s.Applications = append(s.Applications, made)
	}
	return s
}
