package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/tape"
	"github.com/isapid/isapid/internal/trace"
)

// stage is a server that recorded requests are sent to, with one build of an image. What it does is recorded, too: so both sides of a
// comparison are made by the same means.
type stage struct {
	front  *front.Front
	addr   map[string]string // by site
	limit  time.Duration
	crimes string // folder of obituaries

	stop func()         // ends serving and recording
	done sync.WaitGroup // both

	mu    sync.Mutex               // guards all below
	seen  map[string][]*tape.Entry // by address of the client
	came  chan struct{}            // has an element when there may be another one
	tape  error                    // why nothing is recorded
	begun chan struct{}            // closed with the first line
	first bool
}

// stage starts a server with build in place of image. The caller must close it.
func (o *replayOptions) stage(h *tape.Header, image, build, dir string, errOut io.Writer) (*stage, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	s := &stage{
		limit: o.limit, crimes: filepath.Join(dir, "crashes"), addr: map[string]string{}, seen: map[string][]*tape.Entry{}, came: make(chan struct{}, 1),
		begun: make(chan struct{}),
	}
	cfg, err := o.asConfig(h, image, build, dir, errOut)
	if err != nil {
		return nil, err
	}
	cfg.Crashes = config.CrashFiles{Directory: s.crimes, Keep: 10_000}
	if s.front, err = front.New(cfg, slog.New(slog.DiscardHandler)); err != nil {
		return nil, configError{err}
	}
	s.front.OnProgress(func(step string) { fmt.Fprintf(errOut, "isapid: %s\n", harmless(step)) })
	if err := s.front.Start(); err != nil {
		return nil, startError(err)
	}
	for i, text := range s.front.URLs() {
		u, err := url.Parse(text)
		if err != nil || i >= len(cfg.Sites) {
			return nil, errors.Join(fmt.Errorf("address %q of the server is not understood", text), s.front.Drain(context.Background()))
		}
		s.addr[cfg.Sites[i].Name] = u.Host
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	filter := trace.Filter{}
	if h.Image != "" {
		filter.Image = build // as the tape has calls of one image only
	}
	s.done.Go(func() { _ = s.front.Serve(ctx) })
	s.done.Go(func() {
		err := s.front.RecordAll(ctx, "replay", filter, s.take)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tape = err; err == nil {
			s.tape = errors.New("the recording has ended")
		}
		s.begin()
		s.poke()
	})
	<-s.begun
	return s, nil
}

// begin notes that the recording has begun, or never will. s.mu is held.
func (s *stage) begin() {
	if !s.first {
		s.first = true
		close(s.begun)
	}
}

func (s *stage) poke() {
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// take takes a line of the tape that the stage itself records.
func (s *stage) take(line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.first {
		s.begin()
		return nil
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var e tape.Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	s.seen[e.Request.Client] = append(s.seen[e.Request.Client], &e)
	s.poke()
	return nil
}

// send sends requests, one at a time, and returns what became of each.
func (s *stage) send(ctx context.Context, batch []*tape.Entry) ([]*tape.Entry, error) {
	clients := make([]string, len(batch))
	for i, e := range batch {
		addr := s.addr[e.Site]
		if addr == "" {
			return nil, fmt.Errorf("request %s is of the site %q, which the tape does not describe", e.ID, e.Site)
		}
		limited, cancel := context.WithTimeout(ctx, s.limit+5*time.Second)
		clients[i], _ = tape.Send(limited, addr, &e.Request) // what the server knows of it tells more than an error
		cancel()
		if ctx.Err() != nil {
			return nil, errInterrupted
		}
	}
	now := make([]*tape.Entry, len(batch))
	end := time.After(s.limit + 10*time.Second)
	for i, client := range clients {
		for now[i] == nil {
			var err error
			if now[i], err = s.got(client); err != nil {
				return nil, err
			}
			if now[i] != nil {
				break
			}
			select {
			case <-s.came:
			case <-ctx.Done():
				return nil, errInterrupted
			case <-end: // the server has refused it before anybody could see it
				now[i] = &tape.Entry{}
			}
		}
	}
	return now, nil
}

// got is the oldest request of a client that nobody has taken; nil: there is none yet.
func (s *stage) got(client string) (*tape.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.seen[client]
	if len(list) == 0 {
		return nil, s.tape
	}
	s.seen[client] = list[1:]
	return list[0], nil
}

// close ends the server.
func (s *stage) close() error {
	s.stop()
	s.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), s.limit+10*time.Second)
	defer cancel()
	return s.front.Drain(ctx)
}

func closeStages(list []*stage) error {
	var errs []error
	for _, s := range list {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// grave is an obituary, as far as a replay tells of it.
type grave struct {
	crashed
	request string // ID of the one in hand; "": not known
}

// obituaries are what the workers of a closed stage died of.
func (s *stage) obituaries() (list []grave) {
	all, err := obituary.List(s.crimes)
	if err != nil {
		return nil
	}
	for _, one := range all {
		r, err := obituary.Read(s.crimes, one.ID)
		if err != nil {
			continue
		}
		g := grave{crashed: crashed{Text: one.Text()}}
		if r.Hand != nil {
			g.request = r.Hand.ID
		}
		if r.Crash != nil {
			for _, f := range r.Crash.Stack {
				g.Stack = append(g.Stack, f.String())
			}
		}
		list = append(list, g)
	}
	return list
}

// asConfig is the recorded part of a configuration, with build in place of image.
func (o *replayOptions) asConfig(h *tape.Header, image, build, dir string, errOut io.Writer) (*config.Config, error) {
	cfg := config.Default()
	cfg.Pools = map[string]*config.Pool{config.DefaultPoolName: config.DefaultPool()}
	cfg.Control.Socket = ""
	replaced := false
	swap := func(path string) string {
		if path == image {
			replaced = true
			return build
		}
		return path
	}
	for i := range h.Sites {
		from := &h.Sites[i]
		root, err := o.rootOf(from, dir, errOut)
		if err != nil {
			return nil, err
		}
		site := config.DefaultSite(from.Name, root)
		site.ID, site.Static, site.DefaultDocuments = from.ID, from.Static, from.Documents
		site.Bindings = []config.Binding{{Address: "127.0.0.1"}}
		site.Log.Access = false
		for _, d := range from.Directories {
			site.VirtualDirectories = append(site.VirtualDirectories, config.VirtualDirectory{Path: d.Path, Directory: d.Directory})
		}
		for _, f := range from.Filters {
			site.Filters = append(site.Filters, swap(f))
		}
		site.Applications = nil
		for _, a := range from.Applications {
			app := config.Application{Path: a.Path, Directory: a.Directory, Pool: fmt.Sprintf("%s-%d", cmp.Or(a.Pool, "pool"), len(cfg.Pools))}
			cfg.Pools[app.Pool] = replayPool(&a, o.limit)
			for _, f := range a.Filters {
				app.Filters = append(app.Filters, swap(f))
			}
			for _, x := range a.Handlers {
				made := config.Handler{
					Path: x.Path, ISAPI: x.ISAPI, Static: x.Static, Methods: x.Methods, MustExist: x.MustExist, PathInfo: x.PathInfo,
				}
				if x.Extension != "" {
					made.Extension = swap(x.Extension)
				}
				app.Handlers = append(app.Handlers, made)
			}
			site.Applications = append(site.Applications, app)
		}
		cfg.Sites = append(cfg.Sites, site)
	}
	if !replaced && !mounted(cfg, image, build) {
		return nil, usageError{fmt.Errorf("no handler or filter of the tape leads to %s", image)}
	}
	return cfg, nil
}

// mounted puts build where URLs name image themselves: at the handlers for files with its extension. It says whether there are any.
func mounted(cfg *config.Config, image, build string) (found bool) {
	for i := range cfg.Sites {
		for j := range cfg.Sites[i].Applications {
			list := cfg.Sites[i].Applications[j].Handlers
			for k := range list {
				if ext := strings.TrimPrefix(list[k].Path, "*"); list[k].ISAPI && strings.EqualFold(ext, filepath.Ext(image)) {
					list[k].ISAPI, list[k].Extension, list[k].PathInfo, found = false, build, true, true
				}
			}
		}
	}
	return found
}

// rootOf is the document root of a site.
func (o *replayOptions) rootOf(s *tape.Site, dir string, errOut io.Writer) (string, error) {
	if o.root != "" {
		root, err := filepath.Abs(o.root)
		if fi, statErr := os.Stat(root); err == nil && (statErr != nil || !fi.IsDir()) {
			err = usageError{fmt.Errorf("--root %q is not a folder", o.root)}
		}
		return root, err
	}
	if fi, err := os.Stat(s.Root); err == nil && fi.IsDir() && filepath.IsAbs(s.Root) {
		return s.Root, nil
	}
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", err
	}
	fmt.Fprintf(errOut, "isapid: the folder %s of the site %s is not here: an empty one is its document root\n", harmless(s.Root), harmless(s.Name))
	return root, nil
}

// replayPool is the pool of an application: one worker that is not replaced by anything but its end.
func replayPool(a *tape.Application, limit time.Duration) *config.Pool {
	p := config.DefaultPool()
	p.Mode, p.Workers, p.Threads, p.Stack = config.ModeIsolated, 1, a.Threads, a.Stack
	p.Isolation = config.PerApplication
	p.RequestTimeout = limit
	p.Checks = config.ChecksOff
	p.Update.Watch = false
	p.Crashes.Max = 0 // as many as there are: each is a finding
	p.Idempotent = nil
	p.Recycle.After = 0
	p.Recycle.At = slices.Clip(p.Recycle.At[:0])
	return p
}
