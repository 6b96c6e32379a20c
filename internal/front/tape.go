package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
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
type taping struct {
	to   *tape.Recorder
	site string // "": of all
}

// Begin implements [Watcher].
func (t taping) Begin(s *Seen) {
	raw := conn.From(s.Request.Context()).RawHeader(s.Request)
	s.Writer, s.Request = t.to.Begin(s.Trail.ID, s.Writer, s.Request, raw)
}

// End implements [Watcher].
func (t taping) End(s *Seen) {
	t.to.End(s.Trail.ID, tape.Outcome{
		Site: s.Record.Site, Image: s.Record.Image, User: s.Record.User, Complete: s.Complete, Skip: t.site != "" && s.Record.Site != t.site,
	})
}

// tapeMemory is how many bytes are used, about, for requests that have not been written; others are left out then.
const tapeMemory = 64 << 20

// How often what has ended is written, and how often something is written at least.
const (
	tapeTurn  = 100 * time.Millisecond
	tapeAlive = 3 * time.Second
)

// Record writes the lines of a tape, the header first, and then each request that images had a part in, when it has ended and fits f; until ctx
// ends or write fails. An empty line says that it is still there. Requests that have begun already are not recorded, and those that have
// not ended when ctx ends. What has ended by then is written still, if write does not fail: that takes a second at most, and what write takes.
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
	most := int64(tapeMemory)
	if all {
		most = math.MaxInt64 / 2 // who sends the requests himself waits for each
	}
	rec := tape.NewRecorder(mask, most)
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
	remove := f.watch.add(taping{rec, filter.Site})
	t := taper{rec: rec, all: all, write: write}
	err = t.run(ctx, f.tapeHeader(filter, mask))
	remove()
	if err == nil {
		err = t.finish()
	}
	stop()
	in.Close()
	<-ran
	<-heard
	if errors.Is(err, errNobody) {
		return nil
	}
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

// errNobody says that what was written is not taken any more.
var errNobody = errors.New("nobody takes the tape")

// taper writes what a recorder has.
type taper struct {
	rec   *tape.Recorder
	all   bool // also requests without calls
	write func([]byte) error

	buf  []byte    // the last line
	last time.Time // when it was written
	told int       // how many requests were said to be missing
}

// line writes one.
func (t *taper) line(v any) (err error) {
	if t.buf, err = tape.AppendLine(t.buf[:0], v); err != nil {
		return err
	}
	return t.put(t.buf)
}

func (t *taper) put(line []byte) error {
	if t.write(line) != nil {
		return errNobody
	}
	t.last = time.Now()
	return nil
}

// run writes lines until ctx ends.
func (t *taper) run(ctx context.Context, h tape.Header) error {
	if err := t.line(h); err != nil {
		return err
	}
	tick := time.NewTicker(tapeTurn)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := t.turn(false); err != nil {
			return err
		}
		if time.Since(t.last) >= tapeAlive {
			if err := t.put([]byte("\n")); err != nil {
				return err
			}
		}
	}
}

// finish writes what has ended, when nothing more begins.
func (t *taper) finish() error {
	for {
		if err := t.turn(true); err != nil {
			return err
		}
		if _, ended := t.rec.Waiting(); ended == 0 {
			return nil
		}
		time.Sleep(tapeTurn)
	}
}

// turn writes what there is.
func (t *taper) turn(last bool) error {
	for e := t.rec.Next(t.all, last); e != nil; e = t.rec.Next(t.all, last) {
		if len(e.Calls) == 0 && !t.all {
			continue // no image that is wanted had a part in it
		}
		if err := t.line(e); err != nil {
			return err
		}
	}
	if now := t.rec.Missing(); now > t.told {
		gap := tape.Gap{Missing: int64(now - t.told)}
		t.told = now
		return t.line(gap)
	}
	return nil
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
