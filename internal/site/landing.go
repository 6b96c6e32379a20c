package site

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// landing is what a checked path means: which of the application's handlers answers, if any.
type landing struct {
	app    *application
	p      urlPath
	h      *handler // nil: a file, or nothing
	script int      // bytes of p.text that are the script's name
	allow  []string // without a handler: methods of those that would answer others

	// Where filters have put something else, or "".
	file string // in place of p.text, but "/" for the root
	name string // ScriptTranslated
	info string // PathTranslated

	target *executor.Target // of the route, to be used; nil: it is to be made
	image  string           // that belongs to it

	host   executor.Host   // of the filters, for the extension; nil: they have none
	client executor.Client // that belongs to it
}

func (x *host) land(app *application, p urlPath, method string) landing {
	l := landing{app: app, p: p}
	l.h, l.script, l.allow = x.site.resolve(app, p, method, x.skip)
	return l
}

// runs says whether an extension answers.
func (l *landing) runs() bool { return l.h != nil && !l.h.Static }

// serves says whether a file answers, or a folder.
func (l *landing) serves(s *Site) bool {
	return l.h != nil && l.h.Static || l.h == nil && len(l.allow) == 0 && s.conf.Static
}

// at is the file to serve, as a checked path.
func (l *landing) at() string {
	if l.file != "" {
		return strings.TrimSuffix(l.file, "/")
	}
	return l.p.text
}

// answer runs what answers, and says whether that was an extension: res is about it then.
func (x *host) answer(w http.ResponseWriter, r *http.Request, l *landing, documents bool) (res executor.Result, ran bool) {
	switch {
	case l.runs():
		return x.run(w, r, l)
	case l.serves(x.site):
		return x.serveFile(w, r, l, documents)
	case len(l.allow) > 0:
		slices.Sort(l.allow)
		w.Header().Set("Allow", strings.Join(slices.Compact(l.allow), ", "))
		x.refuse(w, r, wrongMethod)
	default:
		x.Error(w, r, http.StatusNotFound, 4)
	}
	return res, false
}

// target says in t where a request landed, and returns the image that answers. ok is false if the
// configuration does not allow that.
func (x *host) target(l *landing, t *executor.Target) (file string, ok bool) {
	s, h := x.site, l.h
	full := l.p.full()
	name, info := l.p.text[:l.script], full[l.script:]
	if h.kind != image && h.suffix != "" && !h.PathInfo {
		info = full // PHP and its kin compute their path info from this
	}
	*t = executor.Target{
		ScriptName:       name,
		PathInfo:         info,
		PathTranslated:   l.info,
		ScriptTranslated: l.name,
		App:              l.app.app,
		Timed:            x.record != nil && x.record.Timed,
		Trail:            x.Trail(),
	}
	if l.info == "" {
		t.PathTranslated = s.physical(info)
	}
	if l.name == "" {
		t.ScriptTranslated = s.physical(name)
	}
	if h.kind != image {
		return h.Extension, true
	}
	if l.name == "" {
		file = s.spelled.of(t.ScriptTranslated)
		return file, s.mayLoad(file)
	}
	file = s.spelled.of(filepath.Clean(t.ScriptTranslated))
	return file, s.mayLoadInstead(file, h)
}
