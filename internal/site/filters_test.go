package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// filterFiles are images of filters, which nobody loads here.
var filterFiles = []string{"../g.so", "../s.so", "../a.so", "../b.so"}

const filteredApps = `
filters: [s.so]
virtual_directories: [{path: /img, directory: img}]
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
      - {path: "*.asp", extension: www/asp.so}
      - {path: "*.asx", extension: www/asp.so, path_info: true}
      - {path: /orders/*, extension: www/orders.so}
      - {path: "*.put", extension: www/asp.so, methods: [PUT]}
    filters: [a.so]
  - path: /shop
    handlers: [{path: "*", extension: www/shop.so}]
    filters: [b.so, a.so]
`

func startFiltered(t *testing.T, more ...string) *fixture {
	t.Helper()
	return startWith(t, append([]string{
		"app.dll", "page.html", "p.asp", "asp.so", "orders.so", "shop.so", "dir/default.htm", "scripts/default.asp", "empty/", "a.put", "../img/x.png", "../img/in.dll",
	}, append(filterFiles, more...)...), filteredApps, "filters: [g.so]\n")
}

func (f *fixture) in(path string) string { return filepath.Join(filepath.Dir(f.dir), path) }

// TestFiltersAreThoseOfTheApplication: of all sites, of the site, of the application that the request's own path says.
func TestFiltersAreThoseOfTheApplication(t *testing.T) {
	f := startFiltered(t)
	list := func(names ...string) (refs []executor.FilterRef) {
		for _, n := range names {
			refs = append(refs, executor.FilterRef{Image: f.in(n), Global: n == "g.so"})
		}
		return refs
	}
	for target, want := range map[string][]executor.FilterRef{
		"/page.html": list("g.so", "s.so", "a.so"),
		"/shop/x":    list("g.so", "s.so", "b.so", "a.so"),
		"/shop/..":   list("g.so", "s.so", "b.so", "a.so"), // refused behind them
		"/shopping":  list("g.so", "s.so", "a.so"),
		"*":          list("g.so", "s.so", "a.so"),
	} {
		f.filters = nil
		f.raw("OPTIONS", target)
		if !reflect.DeepEqual(f.filters, want) {
			t.Errorf("%s: got %v, want %v", target, f.filters, want)
		}
	}
}

// mapped is a map of a route in the tests, without the folder.
type mapped struct{ what, url, path, script string }

func (f *fixture) mapped(rt *executor.Route) (list []mapped) {
	for _, m := range rt.Maps {
		what := map[int]string{executor.MapScript: "script", executor.MapDocument: "document", executor.MapPathInfo: "info"}[m.What]
		path, url := filepath.ToSlash(strings.TrimPrefix(m.Path, filepath.Dir(f.dir))), m.URL
		if runtime.GOOS == "windows" { // finds Default.htm as well as default.htm
			path, url = strings.Replace(path, "/Default.", "/default.", 1), strings.Replace(url, "/Default.", "/default.", 1)
		}
		list = append(list, mapped{what, url, path, filepath.ToSlash(strings.ReplaceAll(m.ScriptMap, f.dir, ""))})
	}
	return list
}

func TestRoute(t *testing.T) {
	f := startFiltered(t)
	type want struct {
		image, app string
		maps       []mapped
	}
	for target, want := range map[string]want{
		"/app.dll/a/b?q": {"/app.dll", "/", []mapped{{"script", "/app.dll", "/www/app.dll", ""}, {"info", "/a/b", "/www/a/b", ""}}},
		"/app.dll":       {"/app.dll", "/", []mapped{{"script", "/app.dll", "/www/app.dll", ""}}},
		"/img/in.dll":    {"../img/in.dll", "/", []mapped{{"script", "/img/in.dll", "/img/in.dll", ""}}},
		"/p.asp/x":       {"/asp.so", "/", []mapped{{"script", "/p.asp", "/www/p.asp", ".asp,/asp.so"}, {"info", "/p.asp/x", "/www/p.asp/x", ""}}},
		"/p.asx/x":       {"/asp.so", "/", []mapped{{"script", "/p.asx", "/www/p.asx", ".asx,/asp.so"}, {"info", "/x", "/www/x", ""}}},
		"/orders/1":      {"/orders.so", "/", []mapped{{"script", "/orders", "/www/orders", "*,/orders.so"}, {"info", "/1", "/www/1", ""}}},
		"/shop":          {"/shop.so", "/shop", []mapped{{"script", "/shop", "/www/shop", "*,/shop.so"}}},
		"/page.html":     {"", "/", []mapped{{"script", "/page.html", "/www/page.html", ""}}},
		"/none.html":     {"", "/", []mapped{{"script", "/none.html", "/www/none.html", ""}}},
		"/img/x.png":     {"", "/", []mapped{{"script", "/img/x.png", "/img/x.png", ""}}},
		"/dir/":          {"", "/", []mapped{{"script", "/dir/", "/www/dir/", ""}, {"document", "/dir/default.htm", "/www/dir/default.htm", ""}}},
		"/scripts/": {"/asp.so", "/", []mapped{
			{"script", "/scripts/", "/www/scripts/", ""}, {"document", "/scripts/default.asp", "/www/scripts/default.asp", ".asp,/asp.so"},
			{"info", "/scripts/default.asp", "/www/scripts/default.asp", ""},
		}},
		"/empty/": {"", "/", []mapped{{"script", "/empty/", "/www/empty/", ""}}},
		"/dir":    {"", "/", []mapped{{"script", "/dir", "/www/dir", ""}}},
		"/":       {"", "/", []mapped{{"script", "/", "/www/", ""}}},
		"/.git":   {"", "/", nil},
		"/../x":   {"", "/", nil},
		"/a.put":  {"", "/", nil}, // for other methods
	} {
		var got *executor.Route
		f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
			route := h.Route(r)
			copied := *route // it is the site's again when the request is answered
			copied.Maps, got = slices.Clone(route.Maps), &copied
			if got.Target != nil && (got.Target.Host != nil || got.Target.Client != nil) {
				t.Errorf("%s: target %+v", target, got.Target)
			}
			return h.Answer(w, r, route)
		}
		f.get(target)
		if maps := f.mapped(got); !reflect.DeepEqual(maps, want.maps) {
			t.Errorf("%s:\n got %q\nwant %q", target, maps, want.maps)
		}
		image := ""
		if want.image != "" {
			image = filepath.Join(f.dir, want.image)
		}
		if got.Image != image || (got.Target != nil) != (image != "") || got.App == nil || got.App.Path != want.app || !got.Anonymous || got.Denied || got.User != nil || got.Realm != "" {
			t.Errorf("%s: got %+v, want image %q and application %q", target, got, image, want.app)
		}
	}
}

// What filters let through is answered as it is without them.
func TestThroughFilters(t *testing.T) {
	with := startFiltered(t)
	without := start(t, []string{
		"app.dll", "page.html", "p.asp", "asp.so", "orders.so", "shop.so", "dir/default.htm", "scripts/default.asp", "empty/", "a.put", "../img/x.png", "../img/in.dll",
	}, strings.NewReplacer("filters: [s.so]\n", "", "    filters: [a.so]\n", "", "    filters: [b.so, a.so]\n", "").Replace(filteredApps))
	for _, tt := range []struct{ method, target string }{
		{"GET", "/app.dll/a/b?q"}, {"POST", "/p.asp/x"}, {"GET", "/orders/1"}, {"GET", "/shop/"}, {"GET", "/page.html"}, {"HEAD", "/page.html"},
		{"GET", "/none.html"}, {"GET", "/dir/"}, {"GET", "/scripts/"}, {"GET", "/empty/"}, {"GET", "/dir"}, {"GET", "/"}, {"GET", "/.git"}, {"GET", "/../x"},
		{"GET", "/a.put"}, {"PUT", "/a.put"}, {"OPTIONS", "*"}, {"GET", "*"}, {"OPTIONS", "/page.html"}, {"CONNECT", "other.example:443"}, {"GET", "http://x.example/page.html"},
		{"GET", "/asp.so"},
	} {
		a, b := with.raw(tt.method, tt.target), without.raw(tt.method, tt.target)
		cut := func(f *fixture, s string) string { // the folder as it is, and in JSON
			dir := filepath.Dir(f.dir)
			return strings.ReplaceAll(strings.ReplaceAll(s, dir, ""), strings.ReplaceAll(dir, `\`, `\\`), "")
		}
		for _, name := range []string{"Date", "Last-Modified", "Etag", "Content-Length"} {
			a.Header.Del(name)
			b.Header.Del(name)
		}
		if a.StatusCode != b.StatusCode || cut(with, a.body) != cut(without, b.body) || !reflect.DeepEqual(a.Header, b.Header) {
			t.Errorf("%s %s:\n with %s %v %q\n without %s %v %q", tt.method, tt.target, a.Status, a.Header, a.body, b.Status, b.Header, b.body)
		}
	}
}

// TestChangedPaths: what a filter puts in the place of a mapped path.
func TestChangedPaths(t *testing.T) {
	f := startFiltered(t, "other.html", "other.asp", "users.pem", "hidden/bin/x.html", "new.dll", "x.update", "app2.dll.update", "app.txt", "link.html>../g.so", "inside.html>other.html", "../out/o.html", "../out/o.dll",
		"dir2/index.html", "dir2/default.asp/", ".x.html")
	type change struct {
		what int
		path string
	}
	ext := func(image, script, translated string) string { return image + "|" + script + "|" + translated }
	f.run = nil
	for _, tt := range []struct {
		target  string
		changes []change
		want    string // status, or what is answered
	}{
		{"/page.html", []change{{executor.MapScript, "www/other.html"}}, "other.html"},
		{"/none.html", []change{{executor.MapScript, "www/other.html"}}, "other.html"},
		{"/page.html", []change{{executor.MapScript, "www//dir/../other.html"}}, "other.html"},
		{"/page.html", []change{{executor.MapScript, "img/x.png"}}, "../img/x.png"},
		{"/page.html", []change{{executor.MapScript, "www/inside.html"}}, "other.html"},
		{"/page.html", []change{{executor.MapScript, "www/link.html"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "www/none.html"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "www/app.dll"}}, "404.3"},
		{"/page.html", []change{{executor.MapScript, "www/asp.so"}}, "404.3"},
		{"/page.html", []change{{executor.MapScript, "www/x.update"}}, "404.3"},
		{"/page.html", []change{{executor.MapScript, "www/p.asp"}}, "404.3"}, // no source is sent
		{"/page.html", []change{{executor.MapScript, "www/users.pem"}}, "404.3"},
		{"/page.html", []change{{executor.MapScript, "www/hidden/bin/x.html"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "www/.x.html"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "isapid.yaml"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "out/o.html"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "/etc/passwd"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "RELATIVE"}}, "404"},
		{"/page.html", []change{{executor.MapScript, "www/dir2"}}, "301"},
		{"/page.html", []change{{executor.MapPathInfo, "www/other.html"}}, "page.html"}, // there is none
		{"/dir/", []change{{executor.MapScript, "www/dir2"}}, "dir2/index.html"},
		{"/dir/", []change{{executor.MapScript, "www"}}, "403.14"},
		{"/dir/", []change{{executor.MapDocument, "www/other.html"}}, "other.html"},
		{"/dir/", []change{{executor.MapScript, "www/dir2"}, {executor.MapDocument, "www/other.html"}}, "other.html"},
		{"/p.asp", []change{{executor.MapScript, "out/anything"}}, ext("www/asp.so", "out/anything", "www/p.asp")},
		{"/p.asp", []change{{executor.MapPathInfo, "out/info"}}, ext("www/asp.so", "www/p.asp", "out/info")},
		{"/p.asp", []change{{executor.MapScript, "www/other.asp"}, {executor.MapPathInfo, "out/info"}}, ext("www/asp.so", "www/other.asp", "out/info")},
		{"/scripts/", []change{{executor.MapDocument, "www/other.asp"}}, ext("www/asp.so", "www/other.asp", "www/scripts/default.asp")},
		{"/app.dll/x", []change{{executor.MapScript, "www/new.dll"}}, ext("www/new.dll", "www/new.dll", "www/x")},
		{"/app.dll/x", []change{{executor.MapScript, "img/in.dll"}}, ext("img/in.dll", "img/in.dll", "www/x")},
		{"/app.dll", []change{{executor.MapScript, "out/o.dll"}}, "404.2"},
		{"/app.dll", []change{{executor.MapScript, "www/app.txt"}}, "404.2"},
		{"/app.dll", []change{{executor.MapScript, "www/app2.dll.update"}}, "404.2"},
		{"/app.dll", []change{{executor.MapScript, "www/none.dll"}}, "404.2"},
		{"/app.dll", []change{{executor.MapScript, "www/dir"}}, "404.2"},
		{"/.git", []change{{executor.MapScript, "www/other.html"}}, "404.9"},
		{"/a.put", []change{{executor.MapScript, "www/other.html"}}, "405"},
	} {
		f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
			rt := h.Route(r)
			for _, c := range tt.changes {
				path := c.path
				switch {
				case path == "RELATIVE":
					path = "www/other.html"
				case !filepath.IsAbs(path):
					path = filepath.Dir(f.dir) + "/" + path
				}
				found := false
				for i := range rt.Maps {
					if rt.Maps[i].What == c.what {
						rt.Maps[i].Path, rt.Maps[i].Changed, found = path, true, true
					}
				}
				if !found {
					rt.Maps = append(rt.Maps, executor.URLMap{What: c.what, Mapping: executor.Mapping{Path: path}, Changed: true})
				}
			}
			return h.Answer(w, r, rt)
		}
		if len(tt.changes) > 0 && tt.changes[0].path == "www/inside.html" && !links(t) {
			continue
		}
		resp := f.get(tt.target)
		got := resp.code()
		var l landed
		switch {
		case resp.StatusCode == 200 && json.Unmarshal([]byte(resp.body), &l) == nil:
			cut := func(s string) string {
				s = strings.TrimPrefix(filepath.ToSlash(s), filepath.ToSlash(filepath.Dir(f.dir))+"/")
				if runtime.GOOS == "windows" {
					s = strings.Replace(s, "/Default.", "/default.", 1)
				}
				return s
			}
			got = ext(cut(l.Image), cut(l.ScriptTranslated), cut(l.PathTranslated))
		case resp.StatusCode == 200:
			got = resp.body
		}
		if got != tt.want {
			t.Errorf("%s with %v: got %q, want %q", tt.target, tt.changes, got, tt.want)
		}
		if resp.StatusCode == 301 && resp.Header.Get("Location") != "/page.html/" {
			t.Errorf("%s: redirected to %q", tt.target, resp.Header.Get("Location"))
		}
	}
	if !strings.Contains(f.log.String(), "a filter leads out of the site") {
		t.Errorf("the log says nothing:\n%s", f.log.String())
	}
}

// An image that a filter chose is one of the list, where there is one.
func TestChangedImageIsAllowed(t *testing.T) {
	f := start(t, []string{"app.dll", "in.dll", "../list/ok.dll", "../list/deep/", "../g.so"}, "images: {allow: [list, www/app.dll]}\nfilters: [g.so]\n"+dllApp)
	for path, want := range map[string]string{"list/ok.dll": "200", "www/in.dll": "404.2", "list/none.dll": "404.2", "list/deep": "404.2"} {
		f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
			rt := h.Route(r)
			rt.Maps[0].Path, rt.Maps[0].Changed = f.in(path), true
			return h.Answer(w, r, rt)
		}
		if resp := f.get("/app.dll"); resp.code() != want {
			t.Errorf("%s: got %s, want %s", path, resp.code(), want)
		}
	}
}

// A filter that changes the URL leads to another place, with the filters of the first.
func TestReroute(t *testing.T) {
	f := startFiltered(t)
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		first := h.Route(r)
		other := r.Clone(r.Context())
		other.URL, other.RequestURI = mustURL(t, r.URL.RawQuery), r.URL.RawQuery
		rt := h.Route(other)
		if r.URL.Query().Has("stale") {
			rt = first // of what was asked before: where a request leads is found anew
		}
		return h.Answer(w, other, rt)
	}
	for target, want := range map[string]string{"/page.html?/shop/x": "/shop", "/none?/app.dll": "/app.dll", "/shop?/p.asp": "/p.asp"} {
		if got := f.landed("GET", target).ScriptName; got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	if resp := f.get("/app.dll?/page.html"); resp.body != "page.html" {
		t.Errorf("to a file: got %s %q", resp.Status, resp.body)
	}
	if resp := f.get("/app.dll?/.git"); resp.code() != "404.9" {
		t.Errorf("to what is hidden: got %s", resp.code())
	}
	if len(f.filters) != 3 {
		t.Errorf("filters: %v", f.filters)
	}
}

const filteredUsers = `
filters: [s.so]
applications:
  - path: /
    handlers: [{path: "*.dll", isapi: true}]
  - path: /staff
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: staff, users: users}}
  - path: /vouched
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: vouched}}
  - path: /boss
    handlers: [{path: "*.dll", isapi: true}]
    authentication: {anonymous: false, basic: {realm: boss, users: bosses}}
`

// TestLogon: whom the site believes, by what a filter does with the route.
func TestLogon(t *testing.T) {
	f := start(t, append([]string{
		"../users=joe:" + secret, "../bosses=max:" + secret, "x.dll", "staff/x.dll", "vouched/x.dll", "boss/x.dll", "staff/page.html",
	}, filterFiles...), filteredUsers)
	f.run = func(w http.ResponseWriter, _ *http.Request, t *executor.Target) { io.WriteString(w, userOf(t)) }
	joe := basicHeader("joe", "U*U")
	logon := func(user, password string) func(h executor.FilterHost, r *http.Request, rt *executor.Route) {
		return func(h executor.FilterHost, r *http.Request, rt *executor.Route) {
			rt.User, rt.Denied = h.Logon(r, rt, user, password)
		}
	}
	claim := func(u *executor.User) func(h executor.FilterHost, r *http.Request, rt *executor.Route) {
		return func(_ executor.FilterHost, _ *http.Request, rt *executor.Route) { rt.User, rt.Denied = u, false }
	}
	mapped := func(name string) string { return "{Name:" + name + " Unmapped:guest Password:U*U Type:Basic}" }
	guest := basicHeader("guest", "x")
	for _, tt := range []struct {
		name, target, header string
		do                   func(h executor.FilterHost, r *http.Request, rt *executor.Route)
		want                 string
	}{
		{"let through", "/x.dll", joe, nil, isNobody},
		{"let through", "/staff/x.dll", joe, nil, isJoe},
		{"let through", "/staff/x.dll", "X: y", nil, "401.2"},
		{"let through", "/staff/x.dll", guest, nil, "401.1"},
		{"mapped", "/staff/x.dll", guest, logon("joe", "U*U"), mapped("joe")},
		{"mapped", "/staff/page.html", guest, logon("joe", "U*U"), "staff/page.html"},
		{"mapped from nobody", "/staff/x.dll", "X: y", logon("joe", "U*U"), isJoe},
		{"mapped to a wrong password", "/staff/x.dll", joe, logon("joe", "no"), "401.1"},
		{"mapped to nobody", "/staff/x.dll", joe, logon("", ""), "401.1"},
		{"mapped to nobody where that is allowed", "/x.dll", joe, logon("", ""), isNobody},
		{"mapped where there are no names", "/x.dll", "X: y", logon("joe", "U*U"), "401.2"},
		{"vouched for by nobody", "/vouched/x.dll", guest, nil, "401.1"},
		{"vouched for by nobody", "/vouched/x.dll", "X: y", nil, "401.2"},
		{"vouched for", "/vouched/x.dll", guest, logon("guest", "x"), "{Name:guest Unmapped: Password:x Type:Basic}"},
		{"claimed", "/staff/x.dll", guest, claim(&executor.User{Name: "joe"}), "401.1"},
		{"claimed after another", "/staff/x.dll", joe, claim(&executor.User{Name: "max"}), "401.1"},
		{"claimed to be nobody", "/staff/x.dll", joe, claim(nil), "401.2"},
		{"claimed where nobody is asked", "/x.dll", joe, claim(&executor.User{Name: "joe"}), "401.1"},
		{"told more of himself", "/staff/x.dll", joe, claim(&executor.User{Name: "joe", Type: "Cookie"}), "{Name:joe Unmapped: Password: Type:Cookie}"},
		{"refused", "/staff/x.dll", joe, func(_ executor.FilterHost, _ *http.Request, rt *executor.Route) { rt.Denied = true }, "401.1"},
		{"refused", "/x.dll", "X: y", func(_ executor.FilterHost, _ *http.Request, rt *executor.Route) { rt.Denied = true }, "401.2"},
	} {
		f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
			rt := h.Route(r)
			if tt.do != nil {
				tt.do(h, r, rt)
			}
			return h.Answer(w, r, rt)
		}
		resp := f.get(tt.target, tt.header)
		got := resp.code()
		if resp.StatusCode == 200 {
			got = resp.body
		}
		if got != tt.want {
			t.Errorf("%s, %s, %s: got %q, want %q", tt.name, tt.target, tt.header, got, tt.want)
		}
		if asks := resp.Header.Get("WWW-Authenticate") != ""; asks != (resp.StatusCode == 401 && tt.target != "/x.dll") {
			t.Errorf("%s, %s: WWW-Authenticate is %q", tt.name, tt.target, resp.Header.Get("WWW-Authenticate"))
		}
	}

	// Who came in to one application comes in to another one only if that knows him.
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		rt := h.Route(r)
		rt.User, rt.Denied = h.Logon(r, rt, "joe", "U*U")
		user := rt.User
		other := r.Clone(r.Context())
		other.URL, other.RequestURI = mustURL(t, r.URL.RawQuery), r.URL.RawQuery
		rt = h.Route(other)
		rt.User, rt.Denied = user, false
		return h.Answer(w, other, rt)
	}
	for to, want := range map[string]string{"/boss/x.dll": "401.1", "/vouched/x.dll": "401.1", "/staff/x.dll": "200", "/x.dll": "200"} {
		if resp := f.get("/staff/x.dll?"+to, guest); resp.code() != want {
			t.Errorf("led to %s: got %s %q, want %s", to, resp.code(), resp.body, want)
		}
	}

	// An answer of the filters themselves.
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		h.Error(w, r, 401, 4)
		return executor.Result{Status: 401}
	}
	if resp := f.get("/staff/x.dll"); resp.code() != "401.4" || resp.Header.Get("WWW-Authenticate") != `Basic realm="staff", charset="UTF-8"` {
		t.Errorf("401 of a filter: got %s, WWW-Authenticate %q", resp.code(), resp.Header.Get("WWW-Authenticate"))
	}
}

// Children go through no filters, pass over the handler of their parent and have its user, whoever runs the parent.
func TestChildrenOfFiltered(t *testing.T) {
	f := start(t, append([]string{"../users=joe:" + secret, "page.html", "b.so"}, filterFiles...), `
filters: [s.so]
applications:
  - path: /
    handlers: [{path: "*", extension: www/b.so}]
    authentication: {basic: {realm: a, users: users}}
`)
	child := func(r *http.Request, to string) *http.Request {
		child := r.Clone(r.Context())
		child.URL, child.RequestURI = mustURL(t, to), to
		child.Header.Del("Authorization")
		return child
	}
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		fmt.Fprintf(w, "[%s %s]", r.URL.Path, userOf(target))
		if r.URL.Path == "/first" {
			target.Host.Exec(w, child(r, "/second"), false)
			target.Host.Exec(w, child(r, "/page.html"), true)
		}
	}
	want := "[/first " + isJoe + "][/second " + isJoe + "]page.html"
	var through atomic.Int32
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		through.Add(1)
		return h.Answer(w, r, h.Route(r))
	}
	if resp := f.get("/first", basicHeader("joe", "U*U")); resp.body != want || through.Load() != 1 {
		t.Errorf("run by the site: got %q through %d filters, want %q", resp.body, through.Load(), want)
	}
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		rt := h.Route(r)
		rt.Target.Host, rt.Target.User = h, rt.User // as a worker runs it where the filters are
		f.run(w, r, rt.Target)
		return executor.Result{Status: 200}
	}
	if resp := f.get("/first", basicHeader("joe", "U*U")); resp.body != want {
		t.Errorf("run beside the filters: got %q, want %q", resp.body, want)
	}
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		rt := h.Route(r)
		rt.Target.Host = &fakeHost{h}
		return h.Answer(w, r, rt)
	}
	if resp := f.get("/first"); resp.body != "[/first nobody]<fake><fake>" {
		t.Errorf("with a host of the filters: got %q", resp.body)
	}
}

// fakeHost is what filters put in the place of the host that an extension sees.
type fakeHost struct{ executor.Host }

func (*fakeHost) Exec(w http.ResponseWriter, _ *http.Request, _ bool) { io.WriteString(w, "<fake>") }

func TestAnswerOnceAtATime(t *testing.T) {
	f := startFiltered(t)
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		rt := h.Route(r)
		f.run = func(w http.ResponseWriter, r *http.Request, _ *executor.Target) {
			if res := h.Answer(w, r, rt); !res.Broken || res.Status != 0 {
				t.Errorf("answered inside of an answer: %+v", res)
			}
		}
		first := h.Answer(httptest.NewRecorder(), r, rt)
		f.run = func(w http.ResponseWriter, _ *http.Request, _ *executor.Target) { io.WriteString(w, "again") }
		second := h.Answer(w, r, rt) // the worker of the first has died
		if first.Broken || second.Broken {
			t.Errorf("got %+v, %+v", first, second)
		}
		return second
	}
	if resp := f.get("/app.dll"); resp.body != "again" {
		t.Errorf("got %q", resp.body)
	}
}

// Whatever somebody does with a host at the same time, nothing worse comes of it than a refusal.
func TestHostileFilters(t *testing.T) {
	f := startFiltered(t)
	f.run = func(w http.ResponseWriter, _ *http.Request, _ *executor.Target) {}
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				other := r.Clone(r.Context())
				path := []string{"/app.dll", "/page.html", "/shop/x", "/../x"}[i%4]
				other.URL, other.RequestURI = mustURL(t, path), path
				rt := h.Route(other)
				h.Logon(other, rt, "joe", "x")
				h.Answer(httptest.NewRecorder(), other, rt)
				h.Exec(httptest.NewRecorder(), other, true)
				h.Answer(httptest.NewRecorder(), other, &executor.Route{Maps: []executor.URLMap{{What: 99, Changed: true}, {Changed: true}}, User: &executor.User{}})
			})
		}
		all.Wait()
		return executor.Result{Status: 200}
	}
	s, last := f.recorded(t)
	defer s.Close()
	resp, err := s.Client().Get(s.URL + "/app.dll")
	must(t, err)
	resp.Body.Close()
	if last().Result == nil {
		t.Error("nothing recorded")
	}
}

// recorded is a server that records what becomes of requests.
func (f *fixture) recorded(t *testing.T) (s *httptest.Server, last func() *Record) {
	t.Helper()
	var record *Record
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record = &Record{}
		r = WithRecord(r, record)
		f.site.ServeHTTP(w, r)
	}))
	return s, func() *Record { return record }
}

func TestRecordOfFiltered(t *testing.T) {
	f := startFiltered(t)
	s, last := f.recorded(t)
	defer s.Close()
	logged := &executor.LogRecord{Target: "/changed"}
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		rt := h.Route(r)
		var res executor.Result
		switch to := r.URL.RawQuery; to {
		case "own":
			w.WriteHeader(http.StatusTeapot)
			res.Status = http.StatusTeapot
		case "worker": // runs it where the filters are
			res = executor.Result{Status: 202, Bytes: 7}
		case "":
			res = h.Answer(w, r, rt)
		default:
			other := r.Clone(r.Context())
			other.URL, other.RequestURI = mustURL(t, to), to
			res = h.Answer(w, other, h.Route(other))
		}
		res.Log = logged
		return res
	}
	for target, want := range map[string]struct {
		application, handler, image string
		substatus                   int
		result                      executor.Result
	}{
		"/app.dll":             {"/", "*.dll", "app.dll", 0, executor.Result{Status: 200}},
		"/page.html":           {"/", "", "", 0, executor.Result{Status: 200, Bytes: 9}},
		"/none.html":           {"/", "", "", 0, executor.Result{Status: 404, Bytes: int64(len(builtinPage(404, 0)))}},
		"/page.html/":          {"/", "", "", 0, executor.Result{Status: 404, Bytes: int64(len(builtinPage(404, 0)))}},
		"/empty/":              {"/", "", "", 14, executor.Result{Status: 403, Substatus: 14, Bytes: int64(len(builtinPage(403, 14)))}},
		"/.git":                {"/", "", "", 9, executor.Result{Status: 404, Substatus: 9, Bytes: int64(len(builtinPage(404, 9)))}},
		"/app.dll?own":         {"/", "*.dll", "app.dll", 0, executor.Result{Status: 418}},
		"/app.dll?worker":      {"/", "*.dll", "app.dll", 0, executor.Result{Status: 202, Bytes: 7}},
		"/app.dll?/shop/x":     {"/shop", "*", "shop.so", 0, executor.Result{Status: 200}},
		"/app.dll?/page.html":  {"/", "", "", 0, executor.Result{Status: 200, Bytes: 9}},
		"/page.html?/app.dll":  {"/", "*.dll", "app.dll", 0, executor.Result{Status: 200}},
		"/page.html?/none.xyz": {"/", "", "", 0, executor.Result{Status: 404, Bytes: int64(len(builtinPage(404, 0)))}},
	} {
		resp, err := s.Client().Get(s.URL + target)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		resp.Body.Close()
		got := last()
		want.result.Log = logged
		image := want.image
		if image != "" {
			image = filepath.Join(f.dir, image)
		}
		if got.Result == nil || *got.Result != want.result || got.Application != want.application || got.Handler != want.handler || got.Image != image || got.Substatus != want.substatus {
			t.Errorf("%s: got %+v with %+v, want %+v", target, got, got.Result, want)
		}
	}
}

// A broken response is broken for the client.
func TestBrokenByFilters(t *testing.T) {
	f := startFiltered(t)
	f.filter = func(w http.ResponseWriter, _ *http.Request, _ executor.FilterHost) executor.Result {
		w.WriteHeader(200)
		return executor.Result{Broken: true}
	}
	resp, err := f.server.Client().Get(f.server.URL + "/page.html")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the client sees no break")
	}
}

func TestFiltersThatCannotBeLoaded(t *testing.T) {
	f := startFiltered(t)
	f.failFilter = errors.New("raw data")
	for range 3 {
		if resp := f.get("/page.html"); resp.StatusCode != 500 {
			t.Errorf("got %s, want 500", resp.Status)
		}
	}
	if n := strings.Count(f.log.String(), "filters cannot be loaded"); n != 1 {
		t.Errorf("said %d times:\n%s", n, f.log.String())
	}
}

// The limits of the site hold before the filters.
func TestLimitsBeforeFilters(t *testing.T) {
	f := start(t, append([]string{"page.html"}, filterFiles...), "filters: [s.so]\nlimits: {body: 3}\n")
	var through atomic.Int32
	f.filter = func(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
		through.Add(1)
		return h.Answer(w, r, h.Route(r))
	}
	if resp := f.raw("POST", "/page.html", "Content-Length: 4"); resp.code() != "413.1" || through.Load() != 0 {
		t.Errorf("got %s through %d filters", resp.code(), through.Load())
	}
	f.raw("GET", "/page.html")
	if through.Load() != 1 {
		t.Errorf("%d requests went through filters, want 1", through.Load())
	}
}

func TestRunsFilters(t *testing.T) {
	f := startFiltered(t)
	for _, tt := range []struct {
		app, image string
		want       bool
	}{{"/", "g.so", true}, {"/", "a.so", true}, {"/", "b.so", false}, {"/shop", "b.so", true}, {"/none", "g.so", false}} {
		if got := f.site.Runs(tt.app, f.in(tt.image)); got != tt.want {
			t.Errorf("%s in %s: %v", tt.image, tt.app, got)
		}
	}
}

func TestNewWithoutChains(t *testing.T) {
	c := config.Default()
	c.Filters = []string{"/x.so"}
	s := config.DefaultSite("a", t.TempDir())
	if _, err := New(c, &s, (&fixture{}).open, nil, nil); err == nil || !strings.Contains(err.Error(), "there is no way to them") {
		t.Errorf("got %v", err)
	}
}
