package site

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// application is a configured application, ready to be asked.
type application struct {
	*config.Application
	prefix   string // Path, but "" for "/"
	app      *executor.App
	handlers []*handler
	filters  []executor.FilterRef
	chain    atomic.Pointer[executor.Chain] // of filters in this process, once it is known
	auth     *auth                          // nil: everybody may come in, and nobody is asked
	flags    uint32                         // HSE_URL_FLAGS_* of its URLs
}

// What a client may do with a URL, as HSE_URL_FLAGS_* says it.
const (
	urlRead    = 0x001
	urlExecute = 0x004
	urlScript  = 0x200
)

// kind is how a handler claims paths.
type kind int

const (
	image  kind = iota // "*.dll", isapi: the file in the path is run
	script             // "*.asp", extension: a script map
	prefix             // "/orders/*" and "*": everything below
	files              // "*.css", static
)

type handler struct {
	*config.Handler
	kind   kind
	suffix string // ".dll"
	prefix string // the path everything below which is claimed: "/shop/orders"; "" is everything
	entry  string // as URL_MAP has it: ".asp,/srv/asp.so"; "" where no image is named
}

// wildcard says whether h is one that [executor.Host.Exec] can pass over.
func (h *handler) wildcard() bool { return h.kind == prefix && !h.Static }

func (s *Site) newApplication(a *config.Application) (*application, error) {
	app := &application{Application: a, prefix: strings.TrimSuffix(a.Path, "/")}
	directory := a.Directory
	if directory == "" {
		directory = strings.TrimRight(s.physical(app.prefix), `/\`)
	}
	app.app = &executor.App{
		SiteID: s.conf.ID, SiteName: s.conf.Name, DocumentRoot: s.conf.Root,
		Path: a.Path, PhysicalPath: directory, Pool: a.Pool,
	}
	if s.conf.Static {
		app.flags = urlRead
	}
	for i := range a.Handlers {
		h, err := newHandler(&a.Handlers[i], app.prefix)
		if err != nil {
			return nil, err
		}
		app.handlers = append(app.handlers, h)
		app.flags |= h.flags()
	}
	return app, nil
}

func newHandler(c *config.Handler, application string) (*handler, error) {
	h := &handler{Handler: c}
	if suffix, ok := strings.CutPrefix(c.Path, "*."); ok {
		h.suffix = "." + suffix
	}
	switch {
	case !c.ISAPI && !c.Static && c.Extension == "":
		return nil, fmt.Errorf("handler %q: nothing to run", c.Path)
	case h.suffix != "" && c.Static:
		h.kind = files
	case h.suffix != "" && c.ISAPI:
		h.kind = image
	case h.suffix != "":
		h.kind = script
	case c.ISAPI:
		return nil, fmt.Errorf("handler %q: %w", c.Path, errors.New("isapi needs a path like \"*.dll\""))
	case c.Path == "*":
		h.kind, h.prefix = prefix, application
	case strings.HasPrefix(c.Path, "/") && strings.HasSuffix(c.Path, "/*"):
		h.kind, h.prefix = prefix, application+strings.TrimSuffix(c.Path, "/*")
	default:
		return nil, fmt.Errorf("handler %q: not a pattern", c.Path)
	}
	if c.Extension != "" {
		h.entry = strings.TrimPrefix(c.Path, "*") + "," + c.Extension
		if h.kind == prefix {
			h.entry = "*," + c.Extension
		}
	}
	return h, nil
}

func (h *handler) flags() uint32 {
	switch {
	case h.Static:
		return urlRead
	case h.ISAPI:
		return urlExecute | urlScript
	}
	return urlScript
}

// match finds out whether h claims p, and the bytes of p.text that are the script's name then.
func (s *Site) match(h *handler, app *application, p urlPath) (script int, ok bool) {
	switch h.kind {
	case prefix:
		script, ok = len(h.prefix), below(p.text, h.prefix)
	case files:
		script, ok = len(p.text), strings.EqualFold(path.Ext(p.text), h.suffix) && !p.slash
	default:
		script, ok = s.findSegment(h, len(app.prefix), p.text)
	}
	if ok && h.MustExist {
		file := p.text
		if h.kind != prefix {
			file = p.text[:script]
		}
		ok = s.isFile(file)
	}
	return script, ok
}

// findSegment looks below the application for the first segment that has the handler's extension and can be what it runs:
// an image must be a file; a script may be missing, but a folder is none. What updates have left is neither.
func (s *Site) findSegment(h *handler, from int, text string) (end int, ok bool) {
	for end = from; end < len(text); {
		next := strings.IndexByte(text[end+1:], '/')
		if next < 0 {
			end = len(text)
		} else {
			end += 1 + next
		}
		candidate := text[:end]
		if !strings.EqualFold(path.Ext(candidate), h.suffix) || belongsToUpdate(candidate) && s.isFile(candidate) {
			continue
		}
		if h.kind == image && s.isFile(candidate) || h.kind == script && !s.isFolder(candidate) && !s.aliased(candidate) {
			return end, true
		}
	}
	return 0, false
}

// resolve asks the handlers of an application in order. Without a match h is nil, and allow lists the methods of handlers
// that would have matched but for the method.
func (s *Site) resolve(app *application, p urlPath, method string, skip []*handler) (h *handler, script int, allow []string) {
	for _, h := range app.handlers {
		if slices.Contains(skip, h) {
			continue
		}
		script, ok := s.match(h, app, p)
		if !ok {
			continue
		}
		if len(h.Methods) > 0 && !slices.Contains(h.Methods, method) {
			allow = append(allow, h.Methods...)
			continue
		}
		if h.Static && len(allow) > 0 {
			break // what one method runs, another must not show the source of
		}
		return h, script, nil
	}
	return nil, 0, allow
}
