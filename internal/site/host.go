package site

import (
	"fmt"
	"net/http"
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
	record  *Record // of a request from outside, or nil
	trail   *executor.Trail
	depth   int        // 0: from outside
	skip    []*handler // passed over
	current *handler   // runs this request
	failing bool       // this request makes an error page

	user     *executor.User // who asks; nil: nobody in particular
	auth     *auth          // that has found that out; nil: nobody has asked
	filtered *filtered      // what is for filters; nil: the request goes through none
}

var _ executor.Host = (*host)(nil)

// serve answers a request, without filters.
func (x *host) serve(w http.ResponseWriter, r *http.Request) {
	if isForAll(r) {
		answerForAll(w)
		return
	}
	p, bad := requestPath(r, &x.site.conf.Limits)
	x.serveAt(w, r, p, bad)
}

// serveAt answers a request whose path has been checked.
func (x *host) serveAt(w http.ResponseWriter, r *http.Request, p urlPath, bad *refusal) {
	if bad != nil {
		x.refuse(w, r, *bad)
		return
	}
	if res, ran := x.dispatch(w, r, p, true); ran {
		res.Check()
	}
}

// isForAll says whether r is about the server as a whole.
func isForAll(r *http.Request) bool {
	return r.Method == http.MethodOptions && (r.RequestURI == "*" || r.URL.Path == "*")
}

func answerForAll(w http.ResponseWriter) {
	w.Header().Set("Allow", "OPTIONS, GET, HEAD, POST")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK) // for filters, to which an answer without a head is none
}

func (x *host) refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	x.Error(w, r, why.status, why.substatus)
}

// dispatch finds what answers p, for whom it may answer, and runs it; the results are those of answer. With documents a folder is
// answered by its default document.
func (x *host) dispatch(w http.ResponseWriter, r *http.Request, p urlPath, documents bool) (res executor.Result, ran bool) {
	app := x.site.application(p.text)
	x.noteApplication(app)
	if app.auth != nil && !x.admit(w, r, app.auth) {
		return res, false
	}
	l := x.land(app, p, r.Method)
	return x.answer(w, r, &l, documents)
}

// run hands the request to the executor of the handler's image. ran says whether that has had it.
func (x *host) run(w http.ResponseWriter, r *http.Request, l *landing) (res executor.Result, ran bool) {
	s := x.site
	t, file, ok := l.target, l.image, true
	if t == nil {
		t = &executor.Target{}
		file, ok = x.target(l, t)
	}
	if !ok {
		x.trail.Logger(s.logger).Warn("image is not allowed", "image", file, "hint", "add it to images.allow")
		x.Error(w, r, http.StatusNotFound, 2)
		return res, false
	}
	x.noteHandler(l.h, file)
	e, err := s.open(file, l.app.app)
	if err != nil {
		s.failed.report(s.logger, file, err)
		x.Error(w, r, http.StatusInternalServerError, 0)
		return res, false
	}
	if l.app.auth != nil {
		w = &challenging{w, l.app.auth}
	}
	t.User, t.Trail = x.user, x.Trail()
	if l.host != nil {
		t.Host, t.Client = l.host, l.client
	} else {
		running := *x
		running.current = l.h
		t.Host = &running
	}
	res = e.Execute(w, r, t)
	if x.record != nil {
		x.record.keep(&res)
	}
	return res, true
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
	return s.mapping(p.text, s.physical(p.full())), nil
}

// mapping is what is to be known about a checked path that leads to a physical one.
func (s *Site) mapping(text, path string) executor.Mapping {
	m := s.mount(text)
	return executor.Mapping{Path: path, Flags: s.application(text).flags, MatchedPath: m.matched, MatchedURL: len(m.url)}
}

// Exec implements [executor.Host]. A child below too many parents gets a 500 page instead.
func (x *host) Exec(w http.ResponseWriter, r *http.Request, skipCurrent bool) {
	current, user, auth := x.current, x.user, x.auth
	if current == nil && x.filtered != nil {
		current, user, auth = x.filtered.parent()
	}
	child := &host{site: x.site, depth: x.depth + 1, skip: x.skip, failing: x.failing, user: user, auth: auth, trail: childTrail(x.trail)}
	if skipCurrent && current != nil && current.wildcard() {
		child.skip = append(slices.Clone(x.skip), current)
	}
	if child.depth > maxDepth {
		x.trail.Logger(x.site.logger).Warn("requests execute each other without end", "path", r.URL.Path, "depth", child.depth)
		child.failing = true // another child could not help
		child.Error(w, r, http.StatusInternalServerError, 0)
		return
	}
	child.serve(w, r)
}
