package site

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/isapid/isapid/internal/executor"
)

// maxDepth is how many requests may be nested: a page that executes itself ends here.
const maxDepth = 8

// host is one request's way through a site, and what its extension may ask for. It does not change once the
// extension has it, so that any thread may use it.
type host struct {
	site    *Site
	record  *Record    // of a request from outside, or nil
	depth   int        // 0: from outside
	skip    []*handler // passed over
	current *handler   // runs this request
	failing bool       // this request makes an error page
}

var _ executor.Host = (*host)(nil)

// serve answers a request.
func (x *host) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions && (r.RequestURI == "*" || r.URL.Path == "*") {
		w.Header().Set("Allow", "OPTIONS, GET, HEAD, POST")
		w.Header().Set("Content-Length", "0")
		return
	}
	p, bad := requestPath(r, &x.site.conf.Limits)
	if bad != nil {
		x.refuse(w, r, *bad)
		return
	}
	x.dispatch(w, r, p, true)
}

func (x *host) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	x.Error(w, r, why.status, why.substatus)
}

// dispatch finds what answers p. With documents a folder is answered by its default document.
func (x *host) dispatch(w http.ResponseWriter, r *http.Request, p urlPath, documents bool) {
	app := x.site.application(p.text)
	if x.record != nil {
		x.record.Application, x.record.Pool = app.Path, app.Pool
	}
	h, script, allow := x.site.resolve(app, p, r.Method, x.skip)
	switch {
	case h != nil && !h.Static:
		x.run(w, r, app, h, p, script)
	case h == nil && len(allow) > 0:
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(slices.Compact(allow), ", "))
		x.refuse(w, r, wrongMethod)
	case h != nil || x.site.conf.Static:
		x.serveFile(w, r, p, documents)
	default:
		x.Error(w, r, http.StatusNotFound, 4)
	}
}

// run hands the request to the executor of the handler's image.
func (x *host) run(w http.ResponseWriter, r *http.Request, app *application, h *handler, p urlPath, script int) {
	s := x.site
	t := target(s, app, h, p, script)
	file := h.Extension
	if h.kind == image {
		if file = t.ScriptTranslated; !s.mayLoad(file) {
			s.logger.Warn("image is not allowed", "image", file, "hint", "add it to images.allow")
			x.Error(w, r, http.StatusNotFound, 2)
			return
		}
	}
	if x.record != nil {
		x.record.Handler, x.record.Image = h.Path, file
	}
	e, err := s.open(file, app.app)
	if err != nil {
		s.failed.report(s.logger, file, err)
		x.Error(w, r, http.StatusInternalServerError, 0)
		return
	}
	running := *x
	running.current = h
	t.Host = &running
	if x.record == nil {
		result := e.Execute(w, r, t)
		result.Check()
		return
	}
	t.Timed = true
	result := e.Execute(w, r, t)
	x.record.Result = &result
	result.Check()
}

// target says where p landed: isapi-extensions.md, 3.1.
func target(s *Site, app *application, h *handler, p urlPath, script int) *executor.Target {
	full := p.full()
	name, info := p.text[:script], full[script:]
	if h.kind != image && h.suffix != "" && !h.PathInfo {
		info = full // PHP and its kin compute their path info from this
	}
	return &executor.Target{
		ScriptName:       name,
		PathInfo:         info,
		PathTranslated:   s.physical(info),
		ScriptTranslated: s.physical(name),
		App:              app.app,
	}
}

// Map implements [executor.Host]. Path[MatchedPath:] is the same relative name as the URL from MatchedURL on; the root of
// the site has a MatchedURL of 0. Hidden names can be mapped: the extension may use what a client must not ask for.
func (x *host) Map(urlPath string) (executor.Mapping, error) {
	s := x.site
	if !strings.HasPrefix(urlPath, "/") && urlPath != "" {
		return executor.Mapping{}, fmt.Errorf("URL %q cannot be mapped: it does not begin with a slash", urlPath)
	}
	if strings.ContainsFunc(urlPath, unicode.IsControl) || strings.Contains(urlPath, `\`) {
		return executor.Mapping{}, fmt.Errorf("URL %q cannot be mapped: it holds a control character or a backslash", urlPath)
	}
	p, bad := splitPath(urlPath)
	if bad != nil {
		return executor.Mapping{}, fmt.Errorf("URL %q cannot be mapped: a segment of it is not a plain name", urlPath)
	}
	m := s.mount(p.text)
	return executor.Mapping{
		Path:        s.physical(p.full()),
		Flags:       s.application(p.text).flags,
		MatchedPath: len(strings.TrimRight(filepath.Clean(m.dir), `/\`)),
		MatchedURL:  len(m.url),
	}, nil
}

// Exec implements [executor.Host]. A child below too many parents gets a 500 page instead.
func (x *host) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	child := &host{site: x.site, depth: x.depth + 1, skip: x.skip, failing: x.failing}
	if skipCurrent && x.current != nil && x.current.wildcard() {
		child.skip = append(slices.Clone(x.skip), x.current)
	}
	if child.depth > maxDepth {
		x.site.logger.Warn("requests execute each other without end", "path", r.URL.Path, "depth", child.depth)
		child.failing = true // another child could not help
		child.Error(w, r, http.StatusInternalServerError, 0)
		return
	}
	child.serve(w, r)
}
