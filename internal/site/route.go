package site

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/isapid/isapid/internal/executor"
)

var _ executor.FilterHost = (*host)(nil)

// filtered is what a host knows of a request that goes through filters. Filters may be elsewhere, in a process that is not trusted: what
// they may have is remembered here.
type filtered struct {
	mu        sync.Mutex
	first     *http.Request // what came, which filters leave as it is, if lead is of that; else nil. Guarded by mu, as all the rest
	asked     asked         // what lead is of, if first is nil
	lead      lead          // where the request leads, as it was asked last
	grants    []grant       // who has been let in
	busy      bool          // somebody was not let in because too many were asked for passwords at a time
	answering bool
	page      int // sub-status of the last error page

	route   *routed  // for the first route; nil: it is used
	passage *passage // for the first answer; nil: it is used

	target *executor.Target // of the last route; nil: it has none, or it has been used
	image  string           // that belongs to it

	user *executor.User // who asks, as it was found out last; nil: nobody in particular
	auth *auth          // that has found it out; nil: nobody has asked
}

// passage is a host with what it knows, and what it needs in most cases, in one piece.
type passage struct {
	h         host
	f         filtered
	route     routed
	sent      counting
	answering host // a copy of h that knows who asks
}

var passages = sync.Pool{New: func() any { return &passage{} }}

// asked is what decides where a request leads.
type asked struct{ method, uri, host, opaque, path, raw, query string }

func askedIn(r *http.Request) asked {
	return asked{r.Method, r.RequestURI, r.URL.Host, r.URL.Opaque, r.URL.Path, r.URL.RawPath, r.URL.RawQuery}
}

// lead is where a request leads.
type lead struct {
	bad      *refusal // it is not looked at any further; nil: it is
	all      bool     // OPTIONS *: it leads to no place
	app      *application
	landing  landing
	document *landing // of a folder; nil: there is none

	target *executor.Target // that is made already, for whoever answers; nil: none is
	image  string           // that belongs to it
}

// grant says whom auth has let in. A name of one password file is not that of another.
type grant struct {
	auth *auth
	name string
}

// mostGrants is how many names a request can be let in by; the oldest is forgotten.
const mostGrants = 8

// begin answers a request from outside: through the filters of its application if that has some.
func (x *host) begin(w http.ResponseWriter, r *http.Request) {
	p, bad := requestPath(r, &x.site.conf.Limits)
	app := x.site.application(p.text)
	if bad != nil {
		app = x.site.application(r.URL.Path)
	}
	switch {
	case len(app.filters) > 0:
	case isForAll(r):
		answerForAll(w)
		return
	default:
		x.serveAt(w, r, p, bad)
		return
	}
	x.noteApplication(app)
	chain, err := x.site.chainOf(app)
	if err != nil {
		x.site.failed.reportFilters(x.site.logger, app.Path, err)
		x.Error(w, r, http.StatusInternalServerError, 0)
		return
	}
	through := passages.Get().(*passage) // the host of a request without filters stays on the stack
	through.h = *x
	through.h.filtered = &through.f
	through.f.route, through.f.passage = &through.route, through
	through.f.first = r
	x.lead(r, app, p, bad, &through.f.lead)
	if app.auth != nil {
		w = &challenging{w, app.auth}
	}
	x.trail.At(executor.StageFilters)
	res := chain.Serve(w, r, &through.h)
	if x.record != nil {
		x.record.keep(&res)
		_, user, _ := through.f.parent()
		x.noteUser(user)
	}
	res.Check()
	if chain.Inside() {
		*through = passage{}
		passages.Put(through)
	}
}

// lead finds out where a request leads whose path has been checked.
func (x *host) lead(r *http.Request, app *application, p urlPath, bad *refusal, to *lead) {
	*to = lead{bad: bad, all: isForAll(r), app: app}
	if bad != nil || to.all {
		return
	}
	s := x.site
	to.landing = x.land(app, p, r.Method)
	if p.slash && to.landing.serves(s) {
		if document, ok := s.document(p.text); ok {
			l := x.land(s.application(document), urlPath{text: document}, r.Method)
			to.document = &l
		}
	}
}

// last is where r leads; what was found out last time holds as long as it asks for the same. The caller holds mu.
func (x *host) last(r *http.Request) *lead {
	f := x.filtered
	if r == f.first {
		return &f.lead
	}
	if f.first != nil {
		f.asked, f.first = askedIn(f.first), nil
	}
	if a := askedIn(r); a != f.asked {
		p, bad := requestPath(r, &x.site.conf.Limits)
		f.asked, f.target = a, nil
		x.lead(r, x.site.application(p.text), p, bad, &f.lead)
	}
	return &f.lead
}

// routed is a route with what most routes have, in one piece.
type routed struct {
	route  executor.Route
	maps   [2]executor.URLMap
	target executor.Target
}

// Route implements [executor.FilterHost].
func (x *host) Route(r *http.Request) *executor.Route {
	f := x.filtered
	f.mu.Lock()
	defer f.mu.Unlock()
	to := x.last(r)
	made := f.route
	if f.route = nil; made == nil {
		made = &routed{}
	}
	rt := &made.route
	rt.App, rt.Anonymous, rt.Maps = to.app.app, true, made.maps[:0]
	if !f.answering {
		x.noteApplication(to.app)
	}
	if to.bad != nil || to.all {
		return rt
	}
	if a := to.app.auth; a != nil {
		rt.Realm, rt.Anonymous = a.realm, !a.required
		var bad *refusal
		rt.User, bad = a.ask(r)
		rt.Denied, f.busy = bad != nil, bad == &busyLogon
		f.grant(a, rt.User, bad)
	}
	x.mapsOf(made, to)
	return rt
}

// mapsOf fills in the maps of a route, and the image with its target. The caller holds mu.
func (x *host) mapsOf(made *routed, to *lead) {
	rt, l, what := &made.route, &to.landing, executor.MapScript
	if !l.runs() && !l.serves(x.site) {
		return
	}
	if to.document != nil {
		x.addMap(rt, what, l.p.full(), x.site.physical(l.p.full()), "")
		l, what = to.document, executor.MapDocument
	}
	if !l.runs() {
		x.addMap(rt, what, l.p.full(), x.site.physical(l.p.full()), "")
		return
	}
	t := &made.target
	file, ok := x.target(l, t)
	name := t.ScriptName
	if name == "" {
		name = "/"
	}
	x.addMap(rt, what, name, t.ScriptTranslated, l.h.entry)
	if t.PathInfo != "" {
		x.addMap(rt, executor.MapPathInfo, t.PathInfo, t.PathTranslated, "")
	}
	if !ok {
		return
	}
	rt.Image, rt.Target = file, t
	x.filtered.target, x.filtered.image = t, file
	if !x.filtered.answering {
		x.noteHandler(l.h, file)
	}
}

func (x *host) addMap(rt *executor.Route, what int, url, path, entry string) {
	rt.Maps = append(rt.Maps, executor.URLMap{What: what, URL: url, Mapping: x.site.mapping(strings.TrimSuffix(url, "/"), path), ScriptMap: entry})
}

// Logon implements [executor.FilterHost]. Without a password file it is the filters who vouch for a name; without any way to ask for
// names nobody has one.
func (x *host) Logon(r *http.Request, _ *executor.Route, user, password string) (u *executor.User, denied bool) {
	f := x.filtered
	f.mu.Lock()
	a := x.last(r).app.auth
	f.mu.Unlock()
	var bad *refusal
	switch nobody := user == "" && password == ""; {
	case nobody && a != nil && a.required:
		bad = &noLogon
	case nobody:
	case a == nil:
		bad = &badLogon
	default:
		u, bad = a.logon(r.Context(), user, password)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = bad == &busyLogon
	f.grant(a, u, bad)
	if name, _, given, _ := executor.Credentials(r); u != nil && given && name != user {
		u.Unmapped = name
	}
	return u, bad != nil
}

// grant remembers whom a has let in, or that it has not. The caller holds mu.
func (f *filtered) grant(a *auth, u *executor.User, bad *refusal) {
	if f.user, f.auth = u, a; bad != nil {
		f.user, f.auth = nil, nil
	}
	if u == nil {
		return
	}
	if len(f.grants) == mostGrants {
		f.grants = slices.Delete(f.grants, 0, 1)
	}
	f.grants = append(f.grants, grant{a, u.Name})
}

func (f *filtered) notePage(substatus int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.page = substatus
}

// Answer implements [executor.FilterHost]. It may be called again when it has returned, but not before.
func (x *host) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	f := x.filtered
	f.mu.Lock()
	if f.answering {
		f.mu.Unlock()
		return executor.Result{Broken: true}
	}
	f.answering, f.page = true, 0
	p := f.passage
	if f.passage = nil; p == nil {
		p = &passage{}
	}
	to := *x.last(r)                              // filters may ask for another meanwhile
	if f.target != nil && f.target == rt.Target { // else it is one of another process, or of a former route
		to.target, to.image = f.target, f.image
	}
	f.target = nil
	bad := f.refusal(r, rt, to.app.auth)
	if bad == nil {
		f.user, f.auth = rt.User, to.app.auth
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.answering = false
		f.mu.Unlock()
	}()
	x.noteApplication(to.app)
	answering, sent := &p.answering, &p.sent
	*answering = *x
	answering.user, answering.auth = rt.User, to.app.auth
	sent.ResponseWriter = w
	if res, ran := answering.answerRoute(sent, r, rt, &to, bad); ran {
		return res
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return executor.Result{Status: sent.status, Substatus: f.page, Bytes: sent.bytes}
}

func (x *host) answerRoute(w http.ResponseWriter, r *http.Request, rt *executor.Route, to *lead, bad *refusal) (res executor.Result, ran bool) {
	switch {
	case to.all:
		answerForAll(w)
	case to.bad != nil:
		x.refuse(w, r, *to.bad)
	case bad != nil:
		x.refuse(w, r, *bad)
	default:
		return x.answerChanged(w, r, rt, to)
	}
	return res, false
}

// refusal says why a request with this route may not come in to an application with the given auth. The word of filters counts
// for that only as far as the site has given it to them. The caller holds mu.
func (f *filtered) refusal(r *http.Request, rt *executor.Route, a *auth) *refusal {
	switch {
	case rt.Denied && f.busy:
		return &busyLogon
	case rt.Denied:
		if _, _, given, good := executor.Credentials(r); good && !given {
			return &noLogon
		}
		return &badLogon
	case rt.User == nil && a != nil && a.required:
		return &noLogon
	case rt.User == nil:
		return nil
	}
	for _, g := range f.grants {
		if g.name == rt.User.Name && (a == nil || a.accepts(g.auth, true)) {
			return nil
		}
	}
	return &badLogon
}

// answers is the landing that answers, if filters change nothing.
func (to *lead) answers() *landing {
	if to.document != nil {
		return to.document
	}
	return &to.landing
}

// parent is what a child of the request has from it: the handler that runs it, and who asks.
func (f *filtered) parent() (h *handler, u *executor.User, a *auth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lead.answers().h, f.user, f.auth
}

// answerChanged answers with what filters have put in the place of what the URL names.
func (x *host) answerChanged(w http.ResponseWriter, r *http.Request, rt *executor.Route, to *lead) (res executor.Result, ran bool) {
	l, documents := &to.landing, true
	folder, document := changed(rt, executor.MapScript), changed(rt, executor.MapDocument)
	path := folder
	if to.document != nil && (folder == "" || document != "") {
		kept := *to.document // another answer begins with it as it was
		l, documents, path = &kept, false, document
	}
	l.info = changed(rt, executor.MapPathInfo)
	if rt.Target != nil {
		l.host, l.client = rt.Target.Host, rt.Target.Client
	}
	if path == "" && l.info == "" {
		l.target, l.image = to.target, to.image
	}
	if l.runs() {
		l.name = path
	} else if path != "" && l.serves(x.site) {
		var ok bool
		if l.file, ok = x.site.urlOf(path); !ok {
			x.Trail().Logger(x.site.logger).Warn("a filter leads out of the site", "path", path, "url", r.URL.Path, "hint", "add a virtual directory")
			x.refuse(w, r, notFound)
			return res, false
		}
		if l.file == "" {
			l.file = "/" // the root; "" is no change
		}
	}
	return x.answer(w, r, l, documents)
}

// changed is the path that a filter gave, or "".
func changed(rt *executor.Route, what int) string {
	for i := range rt.Maps {
		if m := &rt.Maps[i]; m.Changed && m.What == what {
			return m.Path
		}
	}
	return ""
}

// urlOf finds the checked path that leads to a physical one. None leads to what lies in no folder of the site, or may not be
// asked for.
func (s *Site) urlOf(path string) (string, bool) {
	if !filepath.IsAbs(path) {
		return "", false
	}
	path = filepath.Clean(path)
	for _, m := range s.mounts {
		rel, err := filepath.Rel(m.dir, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		text := m.url
		if rel != "." {
			text += "/" + filepath.ToSlash(rel)
		}
		if p, bad := checkedPath(text); bad == nil && sameName(filepath.Clean(s.physical(p.text)), path) {
			return p.text, true
		}
	}
	return "", false
}
